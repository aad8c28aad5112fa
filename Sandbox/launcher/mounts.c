// Mount operations. Every destination is opened beneath the new root (RESOLVE_IN_ROOT), so that a hostile image's
// symbolic links cannot lead a mount out of it, and every mount gets its flags while still detached.
#define _GNU_SOURCE
#include "mounts.h"
#include "copyup.h"
#include "enter_root.h"
#include "failure.h"
#include "host.h"
#include "identity.h"
#include "mount_calls.h"
#include "mount_tree.h"
#include "mounts_ahead.h"
#include "names.h"
#include "nodes.h"
#include "overlay.h"
#include "rootpath.h"
#include "workspace.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

static int shares_propagation(const char *flags) {
    return plan_flag(flags, "shared") || plan_flag(flags, "rshared") || plan_flag(flags, "slave") || plan_flag(flags, "rslave");
}

// Copies of trees whose propagation the task shares, taken before the mount namespace becomes private: a copy is in the
// group of its source only while the source is in one. More than any task has.
#define PREPARED_MAX 64
static struct { const struct operation *op; int tree; } prepared[PREPARED_MAX];
static int prepared_count TOGETHER;
static const char *root_propagation TOGETHER;

const char *mounts_root_propagation(void) { return root_propagation; }

static void prepare(const struct operation *op, const char *source, const char *flags) {
    if (prepared_count == PREPARED_MAX) fail(E2BIG, "mount(bind %s: too many shared mounts)", source);
    int tree = mount_tree_open(source, flags);
    if (tree < 0 && !plan_flag(flags, "optional")) fail(errno, "mount(bind %s)", source);
    if (tree < 0) return;
    prepared[prepared_count].op = op;
    prepared[prepared_count++].tree = tree;
}

static int take_prepared(const struct operation *op) {
    for (int i = 0; i < prepared_count; i++)
        if (prepared[i].op == op) {
            // The mount table is listed by age: a copy taken now stands in the plan's order, where the kernel copies detached
            // trees (6.15); elsewhere the first one does.
            unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE;
            int fresh = open_tree(prepared[i].tree, "", flags);
            if (fresh < 0) return prepared[i].tree;
            close(prepared[i].tree);
            return fresh;
        }
    return -1;
}

static int is_map(const struct operation *op) { return op->kind == OP_BIND_UID_MAP || op->kind == OP_BIND_GID_MAP; }

// The user namespace whose ids the bind at this place has: of its own maps, else the container's.
static int mapping_of(const struct plan *plan, uint32_t at, int user_namespace) {
    uint32_t end = at + 1;
    while (end < plan->count && is_map(&plan->operation[end])) end++;
    if (end == at + 1) return user_namespace;
    struct failure failure = {0};
    int own = identity_make_mapping(plan, at + 1, end, &failure);
    if (own < 0) fail(failure.error, "mount(idmap %s: %s)", plan->operation[at].argument[0], failure.stage);
    return own;
}

void mounts_prepare_idmapped(const struct plan *plan, int user_namespace) {
    for (uint32_t i = 0; i < plan->count; i++) {
        const struct operation *op = &plan->operation[i];
        if (op->kind != OP_BIND || !plan_flag(op->argument[2], "idmap")) continue;
        int before = prepared_count;
        prepare(op, op->argument[0], op->argument[2]);
        if (prepared_count == before) continue;  // optional, and not there
        int mapping = mapping_of(plan, i, user_namespace);
        struct mount_attr attr = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)mapping, .propagation = MS_PRIVATE};
        unsigned recursive = plan_flag(op->argument[2], "rec") && !plan_flag(op->argument[2], "topmap") ? AT_RECURSIVE : 0;
        if (mount_setattr(prepared[before].tree, "", AT_EMPTY_PATH | recursive, &attr, sizeof attr) < 0)
            fail(errno, "mount(idmap %s)", op->argument[0]);
        if (mapping != user_namespace) close(mapping);
    }
}

// What the task's root may not enter, taken by whoever may. Only then: a copy that is taken in the task's own namespace keeps what the kernel
// locks in it (mount_namespaces(7)).
#define CLOSED_MAX 256
static struct { const struct operation *op; int tree; } closed_source[CLOSED_MAX];
static int closed_count TOGETHER;

void mounts_prepare_sources(const struct plan *plan) {
    const struct operation *root = plan_find(plan, OP_ROOT_BIND);
    size_t length = root ? strlen(root->argument[0]) : 0;
    for (uint32_t i = 0; i < plan->count && closed_count < CLOSED_MAX; i++) {
        const struct operation *op = &plan->operation[i];
        if (op->kind != OP_BIND) continue;
        const char *source = op->argument[0], *flags = op->argument[2];
        if (plan_flag(flags, "idmap") || plan_flag(flags, "link") || shares_propagation(flags)) continue;
        // What lies in the root itself may be what a mount before this one brings there.
        if (root && !strncmp(source, root->argument[0], length) && (!source[length] || source[length] == '/')) continue;
        int tree = mount_tree_open(source, flags);
        if (tree < 0) continue;  // said when its turn comes
        struct mount_attr attr = {.propagation = MS_PRIVATE};
        if (mount_setattr(tree, "", AT_EMPTY_PATH | (plan_flag(flags, "rec") ? AT_RECURSIVE : 0), &attr, sizeof attr) < 0)
            fail(errno, "mount(private %s)", source);
        closed_source[closed_count].op = op;
        closed_source[closed_count++].tree = tree;
    }
}

static int take_closed(const struct operation *op) {
    for (int i = 0; i < closed_count; i++) {
        if (closed_source[i].op != op) continue;
        int own = openat(AT_FDCWD, op->argument[0], O_PATH | O_CLOEXEC);
        if (own < 0 && errno == EACCES) return closed_source[i].tree;
        if (own >= 0) close(own);
        close(closed_source[i].tree);
    }
    return -1;
}

void mounts_prepare(const struct plan *plan) {
    const struct operation *propagation = plan_find(plan, OP_ROOT_PROPAGATION);
    root_propagation = propagation ? propagation->argument[0] : NULL;
    for (uint32_t i = 0; i < plan->count; i++) {
        const struct operation *op = &plan->operation[i];
        int root = op->kind == OP_ROOT_BIND && root_propagation && shares_propagation(root_propagation);
        if (root || ((op->kind == OP_BIND || op->kind == OP_ROOT_BIND) && shares_propagation(op->argument[2])))
            prepare(op, op->argument[0], op->argument[2]);
    }
    host_keep();
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) fail(errno, "mount(private /)");
}

static int own_namespace = -1;

void mounts_build_detached(int namespace) { own_namespace = namespace; }

int mounts_own_namespace(void) { return own_namespace; }

static void start_root(struct root *root, int tree, const char *at) {
    if (own_namespace >= 0) { root->fd = tree; return; }
    int target = open(at, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (target < 0) fail(errno, "root(open %s)", at);
    mount_tree_attach(tree, target, "root", at);
    root->fd = open(at, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (root->fd < 0) fail(errno, "root(open %s)", at);
}

static void bind_path(const struct root *root, const struct operation *op) {
    const char *source = op->argument[0], *path = op->argument[1], *flags = op->argument[2];
    struct stat info;
    char link[PATH_MAX];
    if (plan_flag(flags, "link") && lstat(source, &info) == 0 && S_ISLNK(info.st_mode)) {
        // A merged-usr host has /bin -> usr/bin; the task's root gets the same link instead of a second mount.
        ssize_t length = readlink(source, link, sizeof link - 1);
        if (length < 0) fail(errno, "readlink(%s)", source);
        link[length] = 0;
        nodes_make_symlink(root, link, path);
        return;
    }
    int known = take_prepared(op);
    int tree = mount_tree_copy(root, source, flags, known >= 0 ? known : take_closed(op));
    if (tree < 0) return;
    if (fstat(tree, &info) < 0) fail(errno, "mount(stat %s)", source);
    mount_tree_attach(tree, rootpath_target(root->fd, path, S_ISDIR(info.st_mode)), "mount", path);
}

#define TMPFS_OPTIONS_BYTES 1024

// A new tmpfs has the mode of the directory that it covers, unless its options say another: what an image keeps to its root stays so (runc
// does the same). `place` has room for the options; what does not fit stays as it is.
static const char *tmpfs_options(const struct root *root, const char *options, const char *path, char place[TMPFS_OPTIONS_BYTES]) {
    struct stat info;
    if (!strncmp(options, "mode=", 5) || strstr(options, ",mode=")) return options;
    int there = rootpath_open(root->fd, path);
    if (there < 0) return options;
    int known = fstat(there, &info) == 0 && S_ISDIR(info.st_mode);
    close(there);
    int length = known ? snprintf(place, TMPFS_OPTIONS_BYTES, "%s%smode=%o", options, *options ? "," : "", info.st_mode & 07777) : -1;
    return length > 0 && length < TMPFS_OPTIONS_BYTES ? place : options;
}

// A tmpfs that begins with what its place holds; read-only only once it is filled.
static void mount_copied_up(const struct root *root, const char *options, const char *flags, const char *path) {
    char place[TMPFS_OPTIONS_BYTES];
    int tree = mount_tree_new("tmpfs", "", tmpfs_options(root, options, path, place), "rw", path);
    int target = rootpath_target(root->fd, path, 1);
    copyup(target, tree, path);
    struct mount_attr attr = {.attr_set = mount_tree_attributes(flags)};
    if (mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof attr) < 0) fail(errno, "mount(flags %s)", path);
    mount_tree_propagate(tree, flags, path);
    mount_tree_attach(tree, target, "tmpfs", path);
}

static void mount_new(const struct root *root, char **a) {
    const char *type = a[0], *path = a[2], *flags = a[3], *data = a[4];
    if (!strcmp(type, "tmpfs") && plan_flag(flags, "tmpcopyup")) { mount_copied_up(root, data, flags, path); return; }
    // Masks and programs trust what they find at these: no link of an image may move them aside.
    char place[TMPFS_OPTIONS_BYTES];
    if (!strcmp(type, "tmpfs")) data = tmpfs_options(root, data, path, place);
    int strict = !strcmp(type, "proc") || !strcmp(type, "sysfs") || !strcmp(type, "cgroup") || !strcmp(type, "cgroup2");
    int target = strict ? rootpath_plain_directory(root->fd, path) : rootpath_target(root->fd, path, 1);
    if (!strcmp(type, "overlay")) {
        // Its id-mapped layers are mounted at the place for a moment, so the place is a name of ours in the old root.
        if (plan_flag(flags, "idmap")) fail(EINVAL, "mount(overlay %s: idmap is for root-overlay)", path);
        mount_tree_attach(overlay_make(root, data, flags, path), target, "mount", path);
        return;
    }
    mount_tree_attach(mount_tree_new(type, a[1], data, flags, path), target, "mount", path);
}

// The directory that /proc covers in a root of ours: empty, and nobody comes to it any more. Masked directories show it; a tmpfs for each would
// be a file system to make and to remove.
static int below_proc TOGETHER = -1;

static void mount_proc(const struct root *root, const char *path, const char *options) {
    int tree = mounts_take_proc(options);
    if (tree < 0) tree = mount_tree_new("proc", "", options, "nosuid,nodev,noexec", path);
    int target = rootpath_plain_directory(root->fd, path);
    if (below_proc < 0 && rootpath_is_fresh(root->fd)) below_proc = fcntl(target, F_DUPFD_CLOEXEC, 3);
    mount_tree_attach(tree, target, "proc", path);
}

static int empty_directory(const char *path) {
    const char *flags = "ro,nosuid,nodev,noexec";
    struct mount_attr attr = {.attr_set = mount_tree_attributes(flags), .propagation = MS_PRIVATE};
    int tree = below_proc < 0 ? -1 : open_tree(below_proc, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    if (tree < 0) return mount_tree_new("tmpfs", "", "size=4096,nr_inodes=1,mode=0555", flags, path);
    if (mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof attr) < 0) fail(errno, "mask(%s)", path);
    return tree;
}

// Masked and read-only paths of /proc must be the kernel's own: whoever shares the image could have put a link in between.
static int open_covered(const struct root *root, const char *path, const char *what) {
    int target = rootpath_open(root->fd, path);
    if (target < 0 && (errno == ENOENT || errno == ENOTDIR)) return -1;  // nothing there on this kernel
    if (target < 0) fail(errno, "%s(%s)", what, path);
    struct statfs info;
    if (strncmp(path, "/proc/", 6) == 0 && (fstatfs(target, &info) < 0 || info.f_type != PROC_SUPER_MAGIC))
        fail(EXDEV, "%s(%s is not of the proc file system)", what, path);
    return target;
}

static void mask_path(const struct root *root, const char *path) {
    struct stat info;
    int target = open_covered(root, path, "mask");
    if (target < 0) return;
    if (fstat(target, &info) < 0) fail(errno, "mask(%s)", path);
    int tree = S_ISDIR(info.st_mode) ? empty_directory(path) : mount_tree_copy(root, "/dev/null", "ro,nosuid,noexec", -1);
    mount_tree_attach(tree, target, "mask", path);
}

// `top`: the mount that stands at the path, and nothing below it.
static void make_readonly(const struct root *root, const char *path, int top) {
    int target = open_covered(root, path, "readonly");
    if (target < 0) return;
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};
    // In a tree that is attached nowhere the kernel takes this for the tree's root alone: a copy covers it there.
    if (top && mount_setattr(target, "", AT_EMPTY_PATH, &attr, sizeof attr) == 0) { close(target); return; }
    int tree = open_tree(target, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
    if (tree < 0) fail(errno, "readonly(%s)", path);
    if (mount_setattr(tree, "", AT_EMPTY_PATH | (top ? 0 : AT_RECURSIVE), &attr, sizeof attr) < 0) fail(errno, "readonly(%s)", path);
    mount_tree_attach(tree, target, "readonly", path);
}

static void make_root_readonly(const struct root *root) {
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};
    if (mount_setattr(root->fd, "", AT_EMPTY_PATH, &attr, sizeof attr) < 0) fail(errno, "root(readonly)");
}

void mounts_apply(struct root *root, const struct operation *op) {
    char **a = op->argument;
    switch (op->kind) {
    case OP_ROOT_TMPFS:
        start_root(root, mount_tree_new("tmpfs", "", a[1], "nosuid,nodev", a[0]), a[0]);
        rootpath_set_fresh(root->fd);
        break;
    case OP_ROOT_BIND: start_root(root, mount_tree_copy(root, a[0], a[2], take_prepared(op)), a[1]); break;
    case OP_ROOT_OVERLAY: start_root(root, overlay_make(root, a[1], a[2], a[0]), a[0]); break;
    case OP_ROOT_DETACHED: root->fd = mount_tree_copy(root, a[0], "rec", -1); break;
    case OP_ROOT_PROPAGATION: break;  // mounts_prepare and enter_root
    case OP_MKDIR: nodes_make_directory(root, a[0], plan_octal(a[1])); break;
    case OP_SYMLINK: nodes_make_symlink(root, a[0], a[1]); break;
    case OP_FILE: nodes_make_file(root, a[0], plan_octal(a[1]), a[2], op->length); break;
    case OP_BIND: bind_path(root, op); break;
    case OP_BIND_UID_MAP: case OP_BIND_GID_MAP: break;  // mounts_prepare_idmapped
    case OP_TMPFS:
        if (plan_flag(a[2], "tmpcopyup")) mount_copied_up(root, a[1], a[2], a[0]);
        else mount_tree_attach(mount_tree_new("tmpfs", "", a[1], a[2], a[0]), rootpath_target(root->fd, a[0], 1), "tmpfs", a[0]);
        break;
    case OP_MOUNT: mount_new(root, a); break;
    case OP_PROC: mount_proc(root, a[0], op->count > 1 ? a[1] : ""); break;
    case OP_DEVICE: nodes_bind_device(root, a[0]); break;
    case OP_DEVICE_NODE: nodes_make_device(root, a); break;
    case OP_MASK: mask_path(root, a[0]); break;
    case OP_READONLY: make_readonly(root, a[0], op->count > 1); break;
    case OP_ROOT_READONLY: make_root_readonly(root); break;
    case OP_PIVOT: enter_root_pivot(root); break;
    case OP_CHROOT: enter_root_change(root, a[0]); break;
    default: fail(EINVAL, "mounts(operation %d)", op->kind);
    }
}
