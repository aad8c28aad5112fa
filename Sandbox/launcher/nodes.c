// See nodes.h. Nothing that the root holds is ever opened: names are made beneath a directory, and changed without following.
#define _GNU_SOURCE
#include "nodes.h"
#include "failure.h"
#include "mount_tree.h"
#include "mounts_ahead.h"
#include "rootpath.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static void own(const struct root *root, int parent, const char *name) {
    if (!root->owner_uid && !root->owner_gid) return;
    if (fchownat(parent, name, root->owner_uid, root->owner_gid, AT_SYMLINK_NOFOLLOW) < 0)
        fail(errno, "chown(%s)", name);
}

// The four ways of making a name; each again as the task's root where only that one has an id.
enum kind { DIRECTORY, LINK, CONTENTS, DEVICE };
struct making { enum kind kind; mode_t mode; const char *target; dev_t number; };

static int make_once(int parent, const char *name, const struct making *m) {
    switch (m->kind) {
    case DIRECTORY: return mkdirat(parent, name, m->mode);
    case LINK: return symlinkat(m->target, parent, name);
    case CONTENTS: return openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    default: return mknodat(parent, name, m->mode, m->number);
    }
}

// With the very mode: to change it afterwards would be by name, and somebody who shares the directory may have put a link there.
static int make(int parent, const char *name, struct making m) {
    int has_mode = m.kind == DIRECTORY || m.kind == DEVICE;
    mode_t mask = has_mode ? umask(0) : 0;
    int result = make_once(parent, name, &m);
    if (result < 0 && rootpath_become_owner()) {
        result = make_once(parent, name, &m);
        rootpath_become_self();
    }
    if (has_mode) {
        int saved = errno;
        umask(mask);
        errno = saved;
    }
    return result;
}

void nodes_make_directory(const struct root *root, const char *path, mode_t mode) {
    const char *name;
    int parent = rootpath_parent(root->fd, path, &name);
    if (make(parent, name, (struct making){.kind = DIRECTORY, .mode = mode}) == 0) own(root, parent, name);
    else if (errno != EEXIST) fail(errno, "mkdir(%s)", path);
    rootpath_leave(parent);
}

void nodes_make_symlink(const struct root *root, const char *target, const char *path) {
    const char *name;
    int parent = rootpath_parent(root->fd, path, &name);
    if (make(parent, name, (struct making){.kind = LINK, .target = target}) == 0) own(root, parent, name);
    else if (errno != EEXIST) fail(errno, "symlink(%s)", path);
    rootpath_leave(parent);
}

void nodes_make_file(const struct root *root, const char *path, mode_t mode, const char *bytes, size_t length) {
    const char *name;
    int parent = rootpath_parent(root->fd, path, &name);
    int fd = make(parent, name, (struct making){.kind = CONTENTS});
    if (fd < 0) fail(errno, "file(%s)", path);
    for (size_t done = 0; done < length;) {
        ssize_t n = write(fd, bytes + done, length - done);
        if (n <= 0) fail(n ? errno : EIO, "file(%s)", path);
        done += (size_t)n;
    }
    if (fchmod(fd, mode) < 0) fail(errno, "file(%s)", path);
    close(fd);
    own(root, parent, name);
    rootpath_leave(parent);
}

static void bind_node(const struct root *root, const char *source, const char *path) {
    int tree = strcmp(source, "/dev/null") ? -1 : mounts_take_null();
    if (tree < 0) tree = mount_tree_copy(root, source, "nosuid,noexec", -1);
    mount_tree_attach(tree, rootpath_target(root->fd, path, 0), "device", path);
}

void nodes_bind_device(const struct root *root, const char *name) {
    char place[PATH_MAX];
    struct text path = text_begin(place, sizeof place);
    text_put(&path, "/dev/");
    text_put(&path, name);
    if (text_end(&path) < 0) fail(errno, "device(%s)", name);
    bind_node(root, place, place);
}

// The host's node of this number: at the same path, or by the number's own link.
static int find_on_host(const char *path, mode_t type, dev_t number, char *found) {
    char by_number[64];
    snprintf(by_number, sizeof by_number, "/dev/%s/%u:%u", type == S_IFBLK ? "block" : "char", major(number), minor(number));
    const char *candidates[] = {path, by_number};
    for (size_t i = 0; i < 2; i++) {
        struct stat info;
        if (stat(candidates[i], &info) < 0 || (info.st_mode & S_IFMT) != type || info.st_rdev != number) continue;
        snprintf(found, PATH_MAX, "%s", candidates[i]);
        return 1;
    }
    return 0;
}

// The node that was just made, and nothing that took its place.
static void give_node(int parent, const char *name, mode_t type, dev_t number, char **a) {
    struct stat info;
    int node = openat(parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (node < 0 || fstat(node, &info) < 0) fail(errno, "device-node(%s)", a[0]);
    if ((info.st_mode & S_IFMT) != type || (type != S_IFIFO && info.st_rdev != number)) fail(EXDEV, "device-node(%s was replaced)", a[0]);
    if (fchownat(node, "", (uid_t)plan_number(a[5]), (gid_t)plan_number(a[6]), AT_EMPTY_PATH) < 0) fail(errno, "device-node(%s)", a[0]);
    close(node);
}

void nodes_make_device(const struct root *root, char **a) {
    const char *path = a[0], *name;
    mode_t type = a[1][0] == 'p' ? S_IFIFO : a[1][0] == 'b' ? S_IFBLK : S_IFCHR, mode = plan_octal(a[4]);
    dev_t number = type == S_IFIFO ? 0 : makedev((unsigned)plan_number(a[2]), (unsigned)plan_number(a[3]));
    int parent = rootpath_parent(root->fd, path, &name);
    if (make(parent, name, (struct making){.kind = DEVICE, .mode = type | mode, .number = number}) == 0) {
        give_node(parent, name, type, number, a);
    } else if (errno == EEXIST) {
        // An image's own node: taken when it is the one asked for, else refused; never opened.
        struct stat info;
        if (fstatat(parent, name, &info, AT_SYMLINK_NOFOLLOW) < 0 || (info.st_mode & S_IFMT) != type ||
            (type != S_IFIFO && info.st_rdev != number))
            fail(EEXIST, "device-node(%s)", path);
    } else {
        int saved = errno;
        char source[PATH_MAX];
        // Inside a user namespace no node may be made, nor opened on a file system of its own.
        if (saved != EPERM || type == S_IFIFO || !find_on_host(path, type, number, source)) fail(saved, "device-node(%s)", path);
        bind_node(root, source, path);
    }
    rootpath_leave(parent);
}
