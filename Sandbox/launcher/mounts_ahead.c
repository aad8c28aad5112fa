// See mounts_ahead.h.
#define _GNU_SOURCE
#include "mounts_ahead.h"
#include "mount_calls.h"
#include "mount_options.h"
#include "text.h"
#include "workspace.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static int proc = -1, null = -1;
static char proc_is[MOUNTS_AHEAD_OPTIONS] TOGETHER;

static int make_proc(const char *options) {
    char copy[MOUNTS_AHEAD_OPTIONS], *rest = strcpy(copy, options), *option;
    int context = fsopen("proc", FSOPEN_CLOEXEC), good = context >= 0;
    while (good && (option = mount_options_split(&rest, ','))) {
        char *value = strchr(option, '=');
        if (value) *value++ = 0;
        if (*option) good = fsconfig(context, value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, option, value, 0) == 0;
    }
    good = good && fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0;
    int tree = good ? fsmount(context, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC) : -1;
    if (context >= 0) close(context);
    return tree;
}

static int make_null(void) {
    struct mount_attr attributes = {.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, .propagation = MS_PRIVATE};
    int tree = open_tree(AT_FDCWD, "/dev/null", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    if (tree < 0 || mount_setattr(tree, "", AT_EMPTY_PATH, &attributes, sizeof attributes) == 0) return tree;
    close(tree);
    return -1;
}

void mounts_make_ahead(const char *proc_options) {
    struct text options = text_begin(proc_is, sizeof proc_is);
    text_put(&options, proc_options);
    text_end(&options);
    proc = make_proc(proc_is);
    null = make_null();
}

static int take(int *tree) {
    int taken = *tree;
    *tree = -1;
    return taken;
}

int mounts_take_proc(const char *options) { return strcmp(options, proc_is) ? -1 : take(&proc); }

int mounts_take_null(void) { return take(&null); }

void mounts_drop_ahead(void) {
    if (proc >= 0) close(take(&proc));
    if (null >= 0) close(take(&null));
}
