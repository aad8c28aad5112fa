// scoped_open (openat2, RESOLVE_IN_ROOT) is the only way by which the launcher walks the task's file system.
#define _GNU_SOURCE
#include "rootpath.h"
#include "failure.h"
#include "scoped_open.h"
#include "workspace.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <unistd.h>

static int open_beneath(int root, const char *path, unsigned long long flags) {
    return scoped_open(root, path, flags | O_PATH, 0, RESOLVE_NO_MAGICLINKS);
}

static uint32_t owner_uid TOGETHER, owner_gid TOGETHER;

void rootpath_set_owner(uint32_t uid, uint32_t gid) {
    owner_uid = uid;
    owner_gid = gid;
}

int rootpath_become_owner(void) {
    if (errno != EOVERFLOW || !owner_uid) return 0;
    setfsgid(owner_gid);
    setfsuid(owner_uid);
    return 1;
}

void rootpath_become_self(void) {
    int saved = errno;
    setfsuid(geteuid());
    setfsgid(getegid());
    errno = saved;
}

static int make_once(int parent, const char *name, int directory) {
    if (directory) return mkdirat(parent, name, 0755);
    int fd = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd >= 0) close(fd);
    return fd < 0 ? -1 : 0;
}

// The task's root owns what is made in its root file system; else it would be nobody's. Only a directory that is ours: what somebody who
// shares the parent put in its place is not (a directory has one name).
static void give_directory(int parent, const char *name) {
    struct stat info;
    int fd = openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return;
    if (fstat(fd, &info) == 0 && info.st_uid == geteuid() && fchownat(fd, "", owner_uid, owner_gid, AT_EMPTY_PATH) < 0)
        fail(errno, "chown(%s)", name);
    close(fd);
}

// A directory or an empty file, unless there is something of that name.
static int make(int parent, const char *name, int directory) {
    int result = make_once(parent, name, directory), is_owners = 0;
    if (result < 0 && rootpath_become_owner()) {
        result = make_once(parent, name, directory);
        rootpath_become_self();
        is_owners = 1;
    }
    if (result == 0 && directory && owner_uid && !is_owners) give_directory(parent, name);
    return result < 0 && errno != EEXIST ? -1 : 0;
}

// The last parent directory in a fresh root. A mount that covers it makes it another one, so it is forgotten whenever somebody asks for
// a directory to mount on.
static int fresh_root TOGETHER = -1;
static struct { int fd; size_t length; char path[128]; } kept TOGETHER = {.fd = -1};

static void forget(void) {
    if (kept.fd >= 0) close(kept.fd);
    kept.fd = -1;
}

void rootpath_set_fresh(int root) {
    forget();
    fresh_root = root;
}

int rootpath_is_fresh(int root) { return root == fresh_root; }

int rootpath_open(int root, const char *path) {
    forget();
    return open_beneath(root, path, 0);
}

// A directory beneath the root, made component by component where missing: also where a link leads that leads nowhere yet, as an image's
// /etc/resolv.conf does.
static int open_or_make_directory(int root, const char *wanted) {
    int fd = open_beneath(root, wanted, O_DIRECTORY);
    if (fd >= 0 || errno != ENOENT) return fd;
    char prefix[PATH_MAX], path[PATH_MAX];
    if (scoped_place(root, wanted, path) < 0) return -1;
    int parent = open_beneath(root, "/", O_DIRECTORY);
    for (const char *at = path; parent >= 0 && *at;) {
        const char *component = at + 1;
        size_t length = strcspn(component, "/");
        size_t upto = (size_t)(component - path) + length;
        memcpy(prefix, path, upto);
        prefix[upto] = 0;
        if (length) {
            char name[NAME_MAX + 1];
            if (length > NAME_MAX) { errno = ENAMETOOLONG; close(parent); return -1; }
            memcpy(name, component, length);
            name[length] = 0;
            if (make(parent, name, 1) < 0) { int e = errno; close(parent); errno = e; return -1; }
            close(parent);
            parent = open_beneath(root, prefix, O_DIRECTORY);
        }
        at = component + length;
    }
    return parent;
}

// The directory `path[0..<length]` of a fresh root, made where missing: kept, or the root. -1 where that is not of the root's own tmpfs, and
// where the way is long: then the usual way leads there.
static int fresh_directory(int root, const char *path, size_t length) {
    if (root != fresh_root) return -1;
    if (!length) return root;
    if (kept.fd >= 0 && kept.length == length && !memcmp(kept.path, path, length)) return kept.fd;
    if (length >= sizeof kept.path) return -1;
    forget();
    memcpy(kept.path, path, length);
    kept.path[kept.length = length] = 0;
    const uint64_t resolve = RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV;
    int fd = scoped_open(root, kept.path, O_PATH | O_DIRECTORY, 0, resolve);
    if (fd < 0 && errno == ENOENT && (fd = open_or_make_directory(root, kept.path)) >= 0) {
        close(fd);
        fd = scoped_open(root, kept.path, O_PATH | O_DIRECTORY, 0, resolve);
    }
    return kept.fd = fd;
}

// The place of a mount that is not there yet, in a fresh root: one look at the directory, and none at what is made. -1 where it is there, or
// is none of the tmpfs' own: then it is found the usual way.
static int make_fresh(int root, const char *path, int directory) {
    const char *slash = strrchr(path, '/'), *name = slash + 1;
    if (!*name || !strcmp(name, ".") || !strcmp(name, "..")) return -1;
    int parent = fresh_directory(root, path, (size_t)(slash - path));
    if (parent < 0) return -1;
    if (!directory) return openat(parent, name, O_RDONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (mkdirat(parent, name, 0755) < 0) return -1;
    int made = openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (made >= 0 && owner_uid && fchownat(made, "", owner_uid, owner_gid, AT_EMPTY_PATH) < 0) fail(errno, "chown(%s)", path);
    return made;
}

void rootpath_leave(int parent) {
    if (parent != kept.fd && parent != fresh_root) close(parent);
}

int rootpath_parent(int root, const char *path, const char **name) {
    const char *slash = strrchr(path, '/');
    char directory[PATH_MAX];
    size_t length = (size_t)(slash - path);
    *name = slash + 1;
    if (!**name) fail(EINVAL, "path(%s)", path);
    int fd = fresh_directory(root, path, length);
    if (fd >= 0) return fd;
    memcpy(directory, path, length);
    directory[length] = 0;
    fd = open_or_make_directory(root, length ? directory : "/");
    if (fd < 0) fail(errno, "path(parent of %s)", path);
    return fd;
}

int rootpath_target(int root, const char *path, int directory) {
    if (directory) forget();
    int fd = make_fresh(root, path, directory);
    if (fd >= 0) return fd;
    if (directory) {
        fd = open_or_make_directory(root, path);
    } else if ((fd = open_beneath(root, path, 0)) < 0) {  // most places are there
        const char *name;
        char place[PATH_MAX];
        if (scoped_place(root, path, place) < 0) fail(errno, "mountpoint(%s)", path);
        int parent = rootpath_parent(root, place, &name);
        if (make(parent, name, 0) < 0) fail(errno, "mountpoint(%s)", path);
        rootpath_leave(parent);
        fd = open_beneath(root, path, 0);
    }
    if (fd < 0) fail(errno, "mountpoint(%s)", path);
    return fd;
}

static int open_plain(int root, const char *path) {
    return scoped_open(root, path, O_PATH | O_DIRECTORY, 0, RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
}

int rootpath_plain_directory(int root, const char *path) {
    forget();
    int fd = open_plain(root, path);
    if (fd < 0 && errno == ENOENT) {
        close(rootpath_target(root, path, 1));
        fd = open_plain(root, path);
    }
    if (fd < 0) fail(errno, "mountpoint(%s%s)", path, errno == ELOOP || errno == ENOTDIR ? " must be mounted on ordinary directory" : "");
    return fd;
}
