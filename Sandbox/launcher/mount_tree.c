// See mount_tree.h.
#define _GNU_SOURCE
#include "mount_tree.h"
#include "failure.h"
#include "keep.h"
#include "mount_calls.h"
#include "mount_options.h"
#include "names.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

uint64_t mount_tree_attributes(const char *flags) { return names_mask(names_mount_attribute, flags); }

// A copy keeps its source's way of noting access times, unless the flags name one.
static uint64_t cleared(const char *flags) {
    return plan_flag(flags, "relatime") || plan_flag(flags, "noatime") || plan_flag(flags, "strictatime") ? MOUNT_ATTR__ATIME : 0;
}

int mount_tree_open(const char *source, const char *flags) {
    unsigned how = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (plan_flag(flags, "rec") ? AT_RECURSIVE : 0);
    if (!plan_flag(flags, "nofollow")) return open_tree(AT_FDCWD, source, how);
    struct open_how plain = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_NO_SYMLINKS};
    int fd = (int)syscall(SYS_openat2, AT_FDCWD, source, &plain, sizeof plain);
    if (fd < 0) return -1;
    int tree = open_tree(fd, "", how | AT_EMPTY_PATH), saved = errno;
    close(fd);
    errno = saved;
    return tree;
}

int mount_tree_copy(const struct root *root, const char *source, const char *flags, int prepared) {
    unsigned recursive = plan_flag(flags, "rec") ? AT_RECURSIVE : 0;
    int tree = prepared >= 0 ? prepared : mount_tree_open(source, flags);
    if (tree < 0 && (errno == ENOENT || errno == ENOTDIR) && plan_flag(flags, "optional")) return -1;
    if (tree < 0) fail(errno, "mount(bind %s)", source);
    struct mount_attr attr = {
        .attr_set = mount_tree_attributes(flags), .attr_clr = cleared(flags), .propagation = prepared >= 0 ? 0 : MS_PRIVATE};
    if (plan_flag(flags, "idmap") && root->user_namespace >= 0) {
        // The task's root writes files that the host sees as owned by the host's root: no chown, no foreign ids on disk.
        attr.attr_set |= MOUNT_ATTR_IDMAP;
        attr.userns_fd = (uint64_t)root->user_namespace;
    }
    // What lies below keeps its own attributes with "top"; being private holds for all of it.
    if (recursive && plan_flag(flags, "top") && attr.propagation) {
        struct mount_attr unshared = {.propagation = MS_PRIVATE};
        if (mount_setattr(tree, "", AT_EMPTY_PATH | recursive, &unshared, sizeof unshared) < 0)
            fail(errno, "mount(private %s)", source);
    }
    if (mount_setattr(tree, "", AT_EMPTY_PATH | (plan_flag(flags, "top") ? 0 : recursive), &attr, sizeof attr) < 0)
        fail(errno, "mount(%s %s)", attr.attr_set & MOUNT_ATTR_IDMAP ? "idmap" : "flags", source);
    mount_tree_propagate(tree, flags, source);
    return tree;
}

void mount_tree_propagate(int tree, const char *flags, const char *path) {
    for (const struct name *kind = names_mount_propagation; kind->word; kind++) {
        if (!plan_flag(flags, kind->word)) continue;
        struct mount_attr attr = {.propagation = kind->value & ~(uint64_t)MS_REC};
        unsigned recursive = kind->value & MS_REC ? AT_RECURSIVE : 0;
        if (mount_setattr(tree, "", AT_EMPTY_PATH | recursive, &attr, sizeof attr) < 0)
            fail(errno, "mount(%s %s)", kind->word, path);
    }
}

void mount_tree_attach(int tree, int target, const char *what, const char *path) {
    if (move_mount(tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
        fail(errno, "%s(attach %s)", what, path);
    close_soon(tree);
    close_soon(target);
}

// The kernel says more than an errno: one line of it, without its "e ".
static void fail_with_message(int context, int error, const char *what, const char *path) {
    char text[160];
    ssize_t n = read(context, text, sizeof text - 1);
    if (n <= 0) fail(error, "mount(%s %s)", what, path);
    text[n] = 0;
    text[strcspn(text, "\n")] = 0;
    fail(error, "mount(%s %s: %s)", what, path, text[0] && text[1] == ' ' ? text + 2 : text);
}

void mount_tree_option(int context, const char *key, const char *value, const char *path) {
    if (fsconfig(context, value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, key, value, 0) < 0)
        fail_with_message(context, errno, key, path);
}

int mount_tree_create(int context, const char *type, const char *flags, const char *path) {
    if (plan_flag(flags, "sync")) mount_tree_option(context, "sync", NULL, path);
    if (fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0) fail_with_message(context, errno, type, path);
    int tree = fsmount(context, FSMOUNT_CLOEXEC, (unsigned)mount_tree_attributes(flags));
    if (tree < 0) fail(errno, "mount(%s %s)", type, path);
    close_soon(context);
    mount_tree_propagate(tree, flags, path);
    return tree;
}

int mount_tree_new(const char *type, const char *source, const char *options, const char *flags, const char *path) {
    int context = fsopen(type, FSOPEN_CLOEXEC);
    if (context < 0) fail(errno, "mount(%s %s)", type, path);
    if (*source) mount_tree_option(context, "source", source, path);
    char usual[512], *copy = strlen(options) < sizeof usual ? strcpy(usual, options) : strdup(options), *rest = copy, *option;
    if (!copy) fail(ENOMEM, "mount(%s %s)", type, path);
    while ((option = mount_options_split(&rest, ','))) {
        if (!*option) continue;
        char *value = strchr(option, '=');
        if (value) *value++ = 0;
        if (value) mount_options_unescape(value);
        mount_tree_option(context, option, value, path);
    }
    if (copy != usual) free(copy);
    return mount_tree_create(context, type, flags, path);
}
