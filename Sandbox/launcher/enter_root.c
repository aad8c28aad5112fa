// See enter_root.h.
#define _GNU_SOURCE
#include "enter_root.h"
#include "failure.h"
#include "host.h"
#include "keep.h"
#include "mount_calls.h"
#include "mount_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

// After the root is entered: pivot_root(2) refuses a shared one.
static void finish(struct root *root) {
    close_soon(root->fd);
    root->fd = -1;
    const char *propagation = mounts_root_propagation();
    if (!propagation) return;
    int fd = openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) fail(errno, "root-propagation");
    mount_tree_propagate(fd, propagation, "/");
    close(fd);
}

// The slim namespace's own root is an empty read-only file system. The task's root covers it for good, as an initramfs is
// covered: nothing is left to unmount, so no grace period of the kernel is waited for.
static void cover_slim_root(struct root *root, int own_namespace) {
    if (setns(own_namespace, CLONE_NEWNS) < 0) fail(errno, "pivot(own mount namespace)");
    close_soon(own_namespace);
    if (move_mount(root->fd, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0) fail(errno, "pivot(attach root)");
    if (fchdir(root->fd) < 0 || chroot(".") < 0) fail(errno, "pivot(chroot)");
    finish(root);
}

void enter_root_pivot(struct root *root) {
    if (mounts_own_namespace() >= 0) { cover_slim_root(root, mounts_own_namespace()); return; }
    // pivot_root(".", ".") stacks the old root over the new one, so no directory for it is needed (pivot_root(2)).
    if (fchdir(root->fd) < 0) fail(errno, "pivot(chdir)");
    if (syscall(SYS_pivot_root, ".", ".") < 0) fail(errno, "pivot_root");
    if (umount2(".", MNT_DETACH) < 0) fail(errno, "pivot(umount old root)");
    if (chdir("/") < 0) fail(errno, "pivot(chdir /)");
    finish(root);
}

// The whole of it; the caller's to free.
static char *read_mount_table(void) {
    size_t room = 1 << 16, length = 0;
    char *text = malloc(room + 1);
    int fd = host_proc_open("self/mountinfo", O_RDONLY);
    if (!text || fd < 0) fail(errno, "chroot(mount table)");
    for (ssize_t n; (n = read(fd, text + length, room - length)) != 0;) {
        if (n < 0) fail(errno, "chroot(mount table)");
        if ((length += (size_t)n) < room) continue;
        text = realloc(text, (room *= 2) + 1);
        if (!text) fail(ENOMEM, "chroot(mount table)");
    }
    close(fd);
    text[length] = 0;
    return text;
}

// Blanks and the like stand as \\040 (proc(5)).
static void unescape(char *text) {
    char *to = text;
    for (const char *at = text; *at; to++) {
        if (at[0] == '\\' && at[1] && at[2] && at[3]) {
            *to = (char)((at[1] - '0') << 6 | (at[2] - '0') << 3 | (at[3] - '0'));
            at += 4;
        } else *to = *at++;
    }
    *to = 0;
}

// Mounts of these kinds outside of the root; how many there still may be, behind others that went now.
static int remove_listed(const char *place, size_t length) {
    char *table = read_mount_table(), *rest = table, *line;
    int found = 0;
    while ((line = strsep(&rest, "\n"))) {
        char *behind = strstr(line, " - "), *path = line, *end;
        for (int field = 0; field < 4 && path; field++) path = (path = strchr(path, ' ')) ? path + 1 : NULL;
        if (!behind || !path || !(end = strchr(path, ' '))) continue;
        if (strncmp(behind + 3, "proc ", 5) && strncmp(behind + 3, "sysfs ", 6)) continue;
        *end = 0;
        unescape(path);
        if (!strncmp(path, place, length) && (path[length] == '/' || !path[length])) continue;
        int is_locked = umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 && (errno == EINVAL || errno == EPERM);
        if (!is_locked) found++;
        // One of a user namespace above stays, and is covered.
        else if (mount("tmpfs", path, "tmpfs", MS_RDONLY, "size=0") < 0) fail(errno, "chroot(cover %s)", path);
    }
    free(table);
    return found;
}

#define REVEALING_ROUNDS 8

// A moved root covers the host's tree, which stays in the namespace: with the host's whole /proc in it the kernel would let a user namespace
// of the container's mount one without masks and read-only paths (mount_too_revealing).
static void remove_revealing_mounts(const struct root *root) {
    char link[32], place[PATH_MAX];
    snprintf(link, sizeof link, "self/fd/%d", root->fd);
    int proc = host_proc_open(".", O_PATH | O_DIRECTORY);
    ssize_t length = proc < 0 ? -1 : readlinkat(proc, link, place, sizeof place - 1);
    if (length < 0) fail(errno, "chroot(place of the root)");
    close(proc);
    for (int round = 0; round < REVEALING_ROUNDS; round++)
        if (remove_listed(place, (size_t)length) == 0) return;
    fail(EBUSY, "chroot(a /proc or /sys of the host stays mounted)");
}

void enter_root_change(struct root *root, const char *how) {
    if (fchdir(root->fd) < 0) fail(errno, "chroot(chdir)");
    if (!strcmp(how, "move")) remove_revealing_mounts(root);
    if (!strcmp(how, "move") && mount(".", "/", NULL, MS_MOVE, NULL) < 0) fail(errno, "chroot(move)");
    if (chroot(".") < 0) fail(errno, "chroot");
    finish(root);
}
