// See enter_root.h.
#define _GNU_SOURCE
#include "enter_root.h"
#include "failure.h"
#include "mount_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

// After the root is entered: pivot_root(2) refuses a shared one.
static void finish(struct root *root) {
    if (chdir("/") < 0) fail(errno, "pivot(chdir /)");
    close(root->fd);
    root->fd = -1;
    const char *propagation = mounts_root_propagation();
    if (!propagation) return;
    int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) fail(errno, "root-propagation");
    mount_tree_propagate(fd, propagation, "/");
    close(fd);
}

void enter_root_pivot(struct root *root) {
    // pivot_root(".", ".") stacks the old root over the new one, so no directory for it is needed (pivot_root(2)).
    if (fchdir(root->fd) < 0) fail(errno, "pivot(chdir)");
    if (syscall(SYS_pivot_root, ".", ".") < 0) fail(errno, "pivot_root");
    if (umount2(".", MNT_DETACH) < 0) fail(errno, "pivot(umount old root)");
    finish(root);
}

void enter_root_change(struct root *root, const char *how) {
    if (fchdir(root->fd) < 0) fail(errno, "chroot(chdir)");
    if (!strcmp(how, "move") && mount(".", "/", NULL, MS_MOVE, NULL) < 0) fail(errno, "chroot(move)");
    if (chroot(".") < 0) fail(errno, "chroot");
    finish(root);
}
