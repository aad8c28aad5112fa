// `swiftlet-sandbox hide`: a program in a mount namespace in which one mount is not there. For runtimes that refuse machines with
// both versions of cgroups because they see both. `enter`: a program in namespaces that are pinned as files.
#define _GNU_SOURCE
#include "hide.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

int enter(int count, char **path, char **program) {
    for (int i = 0; i < count; i++) {
        int fd = openat(AT_FDCWD, path[i], O_RDONLY | O_CLOEXEC);
        if (fd < 0 || setns(fd, 0) < 0) {
            fprintf(stderr, "enter %s: %s\n", path[i], strerror(errno));
            return 127;
        }
        close(fd);
    }
    execv(program[0], program);
    fprintf(stderr, "enter: %s: %s\n", program[0], strerror(errno));
    return 127;
}

int hide(const char *path, char **program) {
    const char *stage = NULL;
    if (unshare(CLONE_NEWNS) < 0) stage = "unshare(CLONE_NEWNS)";
    else if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0) stage = "mount(slave)";
    // Nothing is mounted there: then nothing is to be hidden.
    else if (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 && errno != EINVAL && errno != ENOENT) stage = "umount";
    else {
        execv(program[0], program);
        stage = program[0];
    }
    fprintf(stderr, "hide %s: %s: %s\n", path, stage, strerror(errno));
    return 127;
}
