// The way to a path beneath a root, whatever is renamed or mounted on the machine meanwhile.
#define _GNU_SOURCE
#include "scoped_open.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// One rename or mount anywhere while a ".." is followed, and the kernel cannot tell whether that led out of the root: EAGAIN (openat2(2)).
// Chance is given a few tries; on a machine where somebody renames all the time it would need thousands.
#define TRIES 8
#define LINKS_MAX 40  // the kernel's own (path_resolution(7))

static int open_once(int root, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve) {
    struct open_how how = {.flags = flags | O_CLOEXEC, .mode = mode, .resolve = resolve | RESOLVE_IN_ROOT};
    return (int)syscall(SYS_openat2, root, path, &how, sizeof how);
}

// A way that has been looked at: no link, no ".", no "..". Absolute, meant beneath the root; empty for the root itself.
struct way {
    char text[PATH_MAX];
    size_t length;
};

static void leave(struct way *way) {
    while (way->length && way->text[--way->length] != '/') {}
    way->text[way->length] = 0;
}

static int enter(struct way *way, const char *name, size_t length) {
    if (length > NAME_MAX || way->length + 1 + length >= sizeof way->text) { errno = ENAMETOOLONG; return -1; }
    way->text[way->length] = '/';
    memcpy(way->text + way->length + 1, name, length);
    way->length += 1 + length;
    way->text[way->length] = 0;
    return 0;
}

// Whether the kernel would follow this link at all: not a magic one of /proc where those are refused, whose text is not where it leads, none
// on a nosymfollow mount, and none of somebody else's in a directory for all, which only a last component is asked for
// (fs.protected_symlinks). That it may give up at a ".." behind it says nothing.
static int may_follow(int root, struct way *way, int is_last, uint64_t resolve) {
    if (!is_last && enter(way, ".", 1) < 0) return 0;
    int fd = open_once(root, way->text, O_PATH, 0, resolve), error = errno;
    if (fd >= 0) close(fd);
    if (!is_last) leave(way);
    errno = error;
    return fd >= 0 || (error != EACCES && error != ELOOP);
}

// What is still to be walked begins with the link's text now, and the way goes on from where the link lies, or from the root.
static int follow(struct way *way, int link, char *rest, size_t room, const char *behind) {
    char text[PATH_MAX];
    ssize_t length = readlinkat(link, "", text, sizeof text);
    if (length < 0) return -1;
    if (length == 0) { errno = ENOENT; return -1; }
    size_t left = strlen(behind);
    if ((size_t)length == sizeof text || (size_t)length + left >= room) { errno = ENAMETOOLONG; return -1; }
    memmove(rest + length, behind, left + 1);
    memcpy(rest, text, (size_t)length);
    if (*text == '/') way->length = 0;
    else leave(way);
    way->text[way->length] = 0;
    return 0;
}

// The way with nothing left in it that the kernel could not follow. Where the last component is missing (with `invents`, any), the place
// where it would be.
static int find_way(int root, const char *path, uint64_t flags, uint64_t resolve, int invents, struct way *way) {
    char rest[2 * PATH_MAX];
    if (strlen(path) >= PATH_MAX) { errno = ENAMETOOLONG; return -1; }
    if (!*path) { errno = ENOENT; return -1; }
    strcpy(rest, path);
    way->text[way->length = 0] = 0;
    int links = 0;
    for (const char *at = rest;;) {
        at += strspn(at, "/");
        if (!*at) return 0;
        size_t length = strcspn(at, "/");
        const char *behind = at + length;
        if (length == 2 && at[0] == '.' && at[1] == '.') leave(way);
        if (at[0] == '.' && (length == 1 || (length == 2 && at[1] == '.'))) { at = behind; continue; }
        if (enter(way, at, length) < 0) return -1;
        int fd = open_once(root, way->text, O_PATH | O_NOFOLLOW, 0, resolve | RESOLVE_NO_SYMLINKS);
        if (fd < 0) {
            if (errno != ENOENT || (*behind && !invents)) return -1;
            at = behind;
            continue;
        }
        struct stat info;
        int failure = fstat(fd, &info) < 0 ? errno : 0;
        if (!failure && S_ISLNK(info.st_mode) && (*behind || !(flags & O_NOFOLLOW))) {
            int is_last = !behind[strspn(behind, "/")];
            if (++links > LINKS_MAX || resolve & RESOLVE_NO_SYMLINKS) failure = ELOOP;
            else if (!may_follow(root, way, is_last, resolve)) failure = errno;
            else if (follow(way, fd, rest, sizeof rest, behind) < 0) failure = errno;
            at = rest;
        } else {
            if (!failure && *behind && !S_ISDIR(info.st_mode)) failure = ENOTDIR;
            at = behind;
        }
        close(fd);
        if (failure) { errno = failure; return -1; }
    }
}

int scoped_open_by_steps(int root, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve) {
    struct way way;
    if (find_way(root, path, flags, resolve, 0, &way) < 0) return -1;
    return open_once(root, way.length ? way.text : "/", flags, mode, resolve | RESOLVE_NO_SYMLINKS);
}

int scoped_place(int root, const char *path, char place[PATH_MAX]) {
    struct way way;
    if (find_way(root, path, 0, RESOLVE_NO_MAGICLINKS, 1, &way) < 0) return -1;
    strcpy(place, way.length ? way.text : "/");
    return 0;
}

int scoped_open(int root, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve) {
    for (int tries = 0; tries < TRIES; tries++) {
        int fd = open_once(root, path, flags, mode, resolve);
        if (fd >= 0 || errno != EAGAIN) return fd;
    }
    return scoped_open_by_steps(root, path, flags, mode, resolve);
}
