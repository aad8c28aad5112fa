// See enter_root.h.
#define _GNU_SOURCE
#include "enter_root.h"
#include "failure.h"
#include "keep.h"
#include "mount_calls.h"
#include "mount_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
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

void enter_root_change(struct root *root, const char *how) {
    if (fchdir(root->fd) < 0) fail(errno, "chroot(chdir)");
    if (!strcmp(how, "move") && mount(".", "/", NULL, MS_MOVE, NULL) < 0) fail(errno, "chroot(move)");
    if (chroot(".") < 0) fail(errno, "chroot");
    finish(root);
}
