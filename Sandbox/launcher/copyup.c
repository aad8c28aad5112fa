// See copyup.h. Every step is relative to a descriptor and follows no link; depth is bounded, size is the tmpfs' own bound.
#define _GNU_SOURCE
#include "copyup.h"
#include "failure.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// Descriptors held open at once: two a level.
#define DEPTH_MAX 64

static void copy_bytes(int from, int to, const char *path) {
    static char buffer[65536];  // not on the stack, which is small in the init of a spare
    for (;;) {
        ssize_t n = read(from, buffer, sizeof buffer);
        if (n < 0) fail(errno, "tmpcopyup(%s)", path);
        if (n == 0) return;
        for (ssize_t done = 0; done < n;) {
            ssize_t written = write(to, buffer + done, (size_t)(n - done));
            if (written <= 0) fail(written ? errno : EIO, "tmpcopyup(%s)", path);
            done += written;
        }
    }
}

static void copy_file(int from, int to, const char *name, const struct stat *info, const char *path) {
    int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat opened;
    if (in < 0 || fstat(in, &opened) < 0) fail(errno, "tmpcopyup(%s)", path);
    // Swapped since it was looked at: whatever it is now is not copied.
    if (!S_ISREG(opened.st_mode) || opened.st_ino != info->st_ino) { close(in); return; }
    int out = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (out < 0) fail(errno, "tmpcopyup(%s)", path);
    copy_bytes(in, out, path);
    if (fchown(out, info->st_uid, info->st_gid) < 0 || fchmod(out, info->st_mode & 07777) < 0) fail(errno, "tmpcopyup(%s)", path);
    futimens(out, (struct timespec[]){info->st_atim, info->st_mtim});  // a nicety
    close(in);
    close(out);
}

static void copy_link(int from, int to, const char *name, const struct stat *info, const char *path) {
    char target[PATH_MAX];
    ssize_t length = readlinkat(from, name, target, sizeof target - 1);
    if (length < 0) fail(errno, "tmpcopyup(%s)", path);
    target[length] = 0;
    if (symlinkat(target, to, name) < 0 || fchownat(to, name, info->st_uid, info->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
        fail(errno, "tmpcopyup(%s)", path);
}

static void copy_directory(int from, int to, int depth, const char *path);

static void copy_entry(int from, int to, const char *name, int depth, const char *path) {
    struct stat info;
    if (fstatat(from, name, &info, AT_SYMLINK_NOFOLLOW) < 0) fail(errno, "tmpcopyup(%s)", path);
    if (S_ISREG(info.st_mode)) copy_file(from, to, name, &info, path);
    else if (S_ISLNK(info.st_mode)) copy_link(from, to, name, &info, path);
    else if (S_ISDIR(info.st_mode)) {
        int in = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (in < 0 || mkdirat(to, name, 0700) < 0) fail(errno, "tmpcopyup(%s)", path);
        int out = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (out < 0) fail(errno, "tmpcopyup(%s)", path);
        copy_directory(in, out, depth + 1, path);
    }
}

// Takes over both descriptors.
static void copy_directory(int from, int to, int depth, const char *path) {
    struct stat info;
    if (depth > DEPTH_MAX) fail(ELOOP, "tmpcopyup(%s: too deep)", path);
    DIR *directory = fdopendir(from);
    if (!directory || fstat(from, &info) < 0) fail(errno, "tmpcopyup(%s)", path);
    for (;;) {
        errno = 0;
        struct dirent *entry = readdir(directory);
        if (!entry && errno) fail(errno, "tmpcopyup(%s)", path);
        if (!entry) break;
        if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..")) copy_entry(from, to, entry->d_name, depth, path);
    }
    // The tmpfs' own root keeps what the plan gave it.
    if (depth && (fchown(to, info.st_uid, info.st_gid) < 0 || fchmod(to, info.st_mode & 07777) < 0))
        fail(errno, "tmpcopyup(%s)", path);
    closedir(directory);
    close(to);
}

void copyup(int source, int tree, const char *path) {
    int from = openat(source, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int to = openat(tree, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (from < 0 || to < 0) fail(errno, "tmpcopyup(%s)", path);
    copy_directory(from, to, 0, path);
}
