// Mount operations. Every destination is opened beneath the new root (RESOLVE_IN_ROOT), so that a hostile image's
// symbolic links cannot lead a mount out of it, and every mount gets its flags while still detached.
#define _GNU_SOURCE
#include "mounts.h"
#include "failure.h"
#include "rootpath.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

void mounts_make_private(void) {
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) fail(errno, "mount(private /)");
}

static uint64_t attributes(const char *flags) {
    uint64_t set = 0;
    if (plan_flag(flags, "ro")) set |= MOUNT_ATTR_RDONLY;
    if (plan_flag(flags, "nosuid")) set |= MOUNT_ATTR_NOSUID;
    if (plan_flag(flags, "nodev")) set |= MOUNT_ATTR_NODEV;
    if (plan_flag(flags, "noexec")) set |= MOUNT_ATTR_NOEXEC;
    return set;
}

static void attach(int tree, int target, const char *what, const char *path) {
    if (move_mount(tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
        fail(errno, "%s(attach %s)", what, path);
    close(tree);
    close(target);
}

// A detached copy of `source` with its flags set; -1 when it does not exist and the plan calls it optional.
static int detached_copy(const struct root *root, const char *source, const char *flags) {
    unsigned recursive = plan_flag(flags, "rec") ? AT_RECURSIVE : 0;
    int tree = open_tree(AT_FDCWD, source, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | recursive);
    if (tree < 0 && (errno == ENOENT || errno == ENOTDIR) && plan_flag(flags, "optional")) return -1;
    if (tree < 0) fail(errno, "mount(bind %s)", source);
    struct mount_attr attr = {.attr_set = attributes(flags), .propagation = MS_PRIVATE};
    if (plan_flag(flags, "idmap") && root->user_namespace >= 0) {
        // The task's root writes files that the host sees as owned by the host's root: no chown, no foreign ids on disk.
        attr.attr_set |= MOUNT_ATTR_IDMAP;
        attr.userns_fd = (uint64_t)root->user_namespace;
    }
    if (mount_setattr(tree, "", AT_EMPTY_PATH | recursive, &attr, sizeof attr) < 0)
        fail(errno, "mount(%s %s)", attr.attr_set & MOUNT_ATTR_IDMAP ? "idmap" : "flags", source);
    return tree;
}

// A new file system of `type` with comma-separated key=value `options`, detached.
static int detached_new(const char *type, const char *options, uint64_t attr, const char *path) {
    int context = fsopen(type, FSOPEN_CLOEXEC);
    if (context < 0) fail(errno, "mount(%s %s)", type, path);
    char copy[512], *rest = copy, *option;
    if (strlen(options) >= sizeof copy) fail(E2BIG, "mount(%s %s)", type, path);
    strcpy(copy, options);
    while (*copy && (option = strsep(&rest, ","))) {
        char *value = strchr(option, '=');
        *value++ = 0;
        if (fsconfig(context, FSCONFIG_SET_STRING, option, value, 0) < 0)
            fail(errno, "mount(%s %s: %s)", type, path, option);
    }
    if (fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0) fail(errno, "mount(%s %s)", type, path);
    int tree = fsmount(context, FSMOUNT_CLOEXEC, (unsigned)attr);
    if (tree < 0) fail(errno, "mount(%s %s)", type, path);
    close(context);
    return tree;
}

static void start_root(struct root *root, int tree, const char *at) {
    int target = open(at, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (target < 0) fail(errno, "root(open %s)", at);
    attach(tree, target, "root", at);
    root->fd = open(at, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (root->fd < 0) fail(errno, "root(open %s)", at);
}

static void own(const struct root *root, int parent, const char *name) {
    if (!root->owner_uid && !root->owner_gid) return;
    if (fchownat(parent, name, root->owner_uid, root->owner_gid, AT_SYMLINK_NOFOLLOW) < 0)
        fail(errno, "chown(%s)", name);
}

static void make_symlink(const struct root *root, const char *target, const char *path) {
    const char *name;
    int parent = rootpath_parent(root->fd, path, &name);
    if (symlinkat(target, parent, name) < 0 && errno != EEXIST) fail(errno, "symlink(%s)", path);
    close(parent);
}

static void make_file(const struct root *root, const char *path, mode_t mode, const char *bytes, size_t length) {
    const char *name;
    int parent = rootpath_parent(root->fd, path, &name);
    int fd = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) fail(errno, "file(%s)", path);
    for (size_t done = 0; done < length;) {
        ssize_t n = write(fd, bytes + done, length - done);
        if (n < 0) fail(errno, "file(%s)", path);
        done += (size_t)n;
    }
    if (fchmod(fd, mode) < 0) fail(errno, "file(%s)", path);
    close(fd);
    own(root, parent, name);
    close(parent);
}

static void bind_path(const struct root *root, const char *source, const char *path, const char *flags) {
    struct stat info;
    char link[PATH_MAX];
    if (plan_flag(flags, "link") && lstat(source, &info) == 0 && S_ISLNK(info.st_mode)) {
        // A merged-usr host has /bin -> usr/bin; the task's root gets the same link instead of a second mount.
        ssize_t length = readlink(source, link, sizeof link - 1);
        if (length < 0) fail(errno, "readlink(%s)", source);
        link[length] = 0;
        make_symlink(root, link, path);
        return;
    }
    int tree = detached_copy(root, source, flags);
    if (tree < 0) return;
    if (fstat(tree, &info) < 0) fail(errno, "mount(stat %s)", source);
    int target = rootpath_target(root->fd, path, S_ISDIR(info.st_mode));
    attach(tree, target, "mount", path);
}

static void mask_path(const struct root *root, const char *path) {
    struct stat info;
    int target = rootpath_open(root->fd, path);
    if (target < 0 && (errno == ENOENT || errno == ENOTDIR)) return;  // nothing there to hide on this kernel
    if (target < 0 || fstat(target, &info) < 0) fail(errno, "mask(%s)", path);
    int tree = S_ISDIR(info.st_mode)
                   ? detached_new("tmpfs", "size=4096,nr_inodes=1,mode=0555",
                                  MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, path)
                   : detached_copy(root, "/dev/null", "ro,nosuid,noexec");
    attach(tree, target, "mask", path);
}

static void make_readonly(const struct root *root, const char *path) {
    int target = rootpath_open(root->fd, path);
    if (target < 0 && (errno == ENOENT || errno == ENOTDIR)) return;
    if (target < 0) fail(errno, "readonly(%s)", path);
    int tree = open_tree(target, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
    if (tree < 0) fail(errno, "readonly(%s)", path);
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC};
    if (mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof attr) < 0) fail(errno, "readonly(%s)", path);
    attach(tree, target, "readonly", path);
}

static void make_device(const struct root *root, const char *name) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "/dev/%s", name);
    bind_path(root, path, path, "nosuid,noexec");
}

static void pivot(struct root *root) {
    // pivot_root(".", ".") stacks the old root over the new one, so no directory for it is needed (pivot_root(2)).
    if (fchdir(root->fd) < 0) fail(errno, "pivot(chdir)");
    if (syscall(SYS_pivot_root, ".", ".") < 0) fail(errno, "pivot_root");
    if (umount2(".", MNT_DETACH) < 0) fail(errno, "pivot(umount old root)");
    if (chdir("/") < 0) fail(errno, "pivot(chdir /)");
    close(root->fd);
    root->fd = -1;
}

void mounts_apply(struct root *root, const struct operation *op) {
    char **a = op->argument;
    switch (op->kind) {
    case OP_ROOT_TMPFS: start_root(root, detached_new("tmpfs", a[1], MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, a[0]), a[0]); break;
    case OP_ROOT_BIND: start_root(root, detached_copy(root, a[0], a[2]), a[1]); break;
    case OP_MKDIR: {
        const char *name;
        int parent = rootpath_parent(root->fd, a[0], &name);
        mode_t mode = plan_octal(a[1]);
        if (mkdirat(parent, name, mode) == 0) {
            if (fchmodat(parent, name, mode, 0) < 0) fail(errno, "mkdir(%s)", a[0]);
            own(root, parent, name);
        } else if (errno != EEXIST) fail(errno, "mkdir(%s)", a[0]);
        close(parent);
        break;
    }
    case OP_SYMLINK: make_symlink(root, a[0], a[1]); break;
    case OP_FILE: make_file(root, a[0], plan_octal(a[1]), a[2], op->length); break;
    case OP_BIND: bind_path(root, a[0], a[1], a[2]); break;
    case OP_TMPFS: attach(detached_new("tmpfs", a[1], attributes(a[2]), a[0]), rootpath_target(root->fd, a[0], 1), "tmpfs", a[0]); break;
    case OP_PROC:
        attach(detached_new("proc", "", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, a[0]),
               rootpath_target(root->fd, a[0], 1), "proc", a[0]);
        break;
    case OP_DEVICE: make_device(root, a[0]); break;
    case OP_MASK: mask_path(root, a[0]); break;
    case OP_READONLY: make_readonly(root, a[0]); break;
    case OP_ROOT_READONLY: {
        struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};
        if (mount_setattr(root->fd, "", AT_EMPTY_PATH, &attr, sizeof attr) < 0) fail(errno, "root(readonly)");
        break;
    }
    case OP_PIVOT: pivot(root); break;
    default: fail(EINVAL, "mounts(operation %d)", op->kind);
    }
}
