// See slim.h.
#define _GNU_SOURCE
#include "slim.h"
#include "mount_calls.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int empty_file_system(unsigned attributes) {
    int context = fsopen("tmpfs", FSOPEN_CLOEXEC);
    if (context < 0) return -1;
    int good = fsconfig(context, FSCONFIG_SET_STRING, "size", "4096", 0) == 0 && fsconfig(context, FSCONFIG_SET_STRING, "nr_inodes", "4", 0) == 0 &&
               fsconfig(context, FSCONFIG_SET_STRING, "mode", "0555", 0) == 0 && fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0;
    int tree = good ? fsmount(context, FSMOUNT_CLOEXEC, attributes) : -1;
    close(context);
    return tree;
}

int slim_enter(void) {
    int tree = empty_file_system(MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
    if (tree < 0 || unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) return -1;
    // Any directory will do: the host's tree is gone from here a moment later.
    if (move_mount(tree, "", AT_FDCWD, "/proc", MOVE_MOUNT_F_EMPTY_PATH) < 0 || fchdir(tree) < 0) return -1;
    close(tree);
    if (syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0) return -1;
    return chdir("/");
}

int slim_builds_detached(void) {
    int outer = empty_file_system(0), inner = empty_file_system(0);
    int good = outer >= 0 && inner >= 0 && mkdirat(outer, "place", 0755) == 0 &&
               move_mount(inner, "", outer, "place", MOVE_MOUNT_F_EMPTY_PATH) == 0;
    if (outer >= 0) close(outer);
    if (inner >= 0) close(inner);
    return good;
}
