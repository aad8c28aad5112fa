// What unpacking layers of images needs: paths that stay below a root, attributes without a path, overlays of many layers.
#define _GNU_SOURCE
#include "CLinux.h"
#include "scoped_open.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

int clinux_open_below(int root, const char *path, int flags, mode_t mode) {
    return scoped_open(root, path, (unsigned)flags, mode, RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV);
}

int clinux_open_below_by_steps(int root, const char *path, int flags, mode_t mode) {
    return scoped_open_by_steps(root, path, (unsigned)flags, mode, RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV);
}

int clinux_set_attribute(int directory, const char *name, const char *attribute, const void *value, size_t size) {
    char path[32 + 256];
    int length = snprintf(path, sizeof path, "/proc/self/fd/%d/%s", directory, name);
    if (length < 0 || length >= (int)sizeof path) { errno = ENAMETOOLONG; return -1; }
    return lsetxattr(path, attribute, value, size, 0);
}

void clinux_clear_attributes(int directory, const char *name) {
    char path[32 + 256], names[4096];
    int length = snprintf(path, sizeof path, "/proc/self/fd/%d/%s", directory, name);
    if (length < 0 || length >= (int)sizeof path) return;
    ssize_t size = llistxattr(path, names, sizeof names);
    for (const char *entry = names; size > 0 && entry < names + size; entry += strlen(entry) + 1)
        if (!strncmp(entry, "user.", 5) || !strncmp(entry, "system.posix_acl_", 17) || !strcmp(entry, "security.capability"))
            lremovexattr(path, entry);
}

dev_t clinux_device(unsigned high, unsigned low) { return makedev(high, low); }

// fsconfig(2) takes strings of at most 255 bytes; a longer path goes by a descriptor's name.
static int set_layer(int context, const char *key, const char *path) {
    if (strlen(path) < 256) return fsconfig(context, FSCONFIG_SET_STRING, key, path, 0);
    int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return -1;
    char name[32];
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    int result = fsconfig(context, FSCONFIG_SET_STRING, key, name, 0), code = errno;
    close(fd);
    errno = code;
    return result;
}

static int configure(int context, const char *const lower[], int count, const char *upper, const char *work) {
    for (int layer = 0; layer < count; layer++)
        if (set_layer(context, "lowerdir+", lower[layer]) < 0) return -1;
    if (upper && (set_layer(context, "upperdir", upper) < 0 || set_layer(context, "workdir", work) < 0)) return -1;
    // A layer holds what its archive says and nothing that depends on this mount: no redirects, no copies of metadata alone.
    const char *const options[][2] = {{"redirect_dir", "nofollow"}, {"metacopy", "off"}, {"index", "off"}, {"xino", "off"}};
    for (unsigned option = 0; option < sizeof options / sizeof *options; option++)
        if (fsconfig(context, FSCONFIG_SET_STRING, options[option][0], options[option][1], 0) < 0) return -1;
    // Whoever writes through it synchronises what he means to keep.
    if (upper && fsconfig(context, FSCONFIG_SET_FLAG, "volatile", NULL, 0) < 0) return -1;
    return fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
}

int clinux_overlay(const char *const lower[], int count, const char *upper, const char *work) {
    int context = fsopen("overlay", FSOPEN_CLOEXEC);
    if (context < 0) return -1;
    int mount = configure(context, lower, count, upper, work) < 0
        ? -1 : fsmount(context, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | (upper ? 0 : MOUNT_ATTR_RDONLY));
    int code = errno;
    close(context);
    errno = code;
    return mount;
}

int clinux_attach_mount(int mount, const char *path) {
    return move_mount(mount, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH);
}

int clinux_tree_usage(const char *path, long long *bytes, long long *inodes) {
    char *const paths[] = {(char *)path, NULL};
    FTS *walk = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, NULL);
    if (!walk) return -1;
    *bytes = *inodes = 0;
    const FTSENT *entry;
    errno = 0;
    while ((entry = fts_read(walk))) {
        if (entry->fts_info == FTS_DP || entry->fts_info == FTS_DC || entry->fts_info == FTS_NS) continue;
        const struct stat *facts = entry->fts_statp;
        long long size = (long long)facts->st_blocks * 512;
        int shared = facts->st_nlink > 1 && !S_ISDIR(facts->st_mode);
        *bytes += shared ? size / (long long)facts->st_nlink : size;
        ++*inodes;
    }
    // What vanishes during the walk is no error.
    int code = errno == ENOENT ? 0 : errno;
    fts_close(walk);
    errno = code;
    return code ? -1 : 0;
}

int clinux_sync_file_system(int fd) { return syncfs(fd); }
