// See overlay.h. The kernel makes no id-mapped view of an overlay, but of each of its layers: those views are mounted for
// the moment of the making (the overlay keeps private copies of them) on a directory that nobody else sees. The upper layer is
// not id-mapped: the overlay makes its work directory with the launcher's own id, which has no name on such a view.
#define _GNU_SOURCE
#include "overlay.h"
#include "failure.h"
#include "mount_calls.h"
#include "mount_options.h"
#include "mount_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// fsconfig takes strings of at most 255 bytes; longer paths go by a descriptor's name.
#define OPTION_BYTES 256

struct layers {
    const struct root *root;
    const char *place;
    int context;
    int idmap;  // views are mounted below `place`
    int count;
};

// An id-mapped view of `source`, mounted at PLACE/N; its path goes into `path`.
static void mount_view(struct layers *layers, const char *source, char *path) {
    snprintf(path, PATH_MAX, "%s/%d", layers->place, layers->count++);
    if (mkdir(path, 0700) < 0) fail(errno, "overlay(%s)", path);
    int target = openat(AT_FDCWD, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (target < 0) fail(errno, "overlay(%s)", path);
    mount_tree_attach(mount_tree_copy(layers->root, source, "idmap", -1), target, "overlay", source);
}

static void set_layer(struct layers *layers, const char *key, const char *path) {
    if (strlen(path) < OPTION_BYTES) { mount_tree_option(layers->context, key, path, layers->place); return; }
    char name[32];
    int fd = openat(AT_FDCWD, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) fail(errno, "overlay(%s)", path);
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    mount_tree_option(layers->context, key, name, layers->place);
    close(fd);
}

static void add_lower(struct layers *layers, const char *source) {
    char view[PATH_MAX];
    if (layers->idmap) mount_view(layers, source, view);
    set_layer(layers, "lowerdir+", layers->idmap ? view : source);
}

static void stage_views(struct layers *layers) {
    int target = openat(AT_FDCWD, layers->place, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (target < 0) fail(errno, "overlay(open %s)", layers->place);
    mount_tree_attach(mount_tree_new("tmpfs", "", "size=4096,mode=700", "nosuid,nodev,noexec", layers->place), target, "overlay",
                      layers->place);
}

int overlay_make(const struct root *root, const char *options, const char *flags, const char *place) {
    struct layers layers = {.root = root, .place = place, .idmap = plan_flag(flags, "idmap") && root->user_namespace >= 0};
    char *copy = strdup(options), *rest = copy, *option, *upper = NULL, *work = NULL;
    if (!copy) fail(ENOMEM, "overlay(%s)", place);
    if (layers.idmap) stage_views(&layers);
    layers.context = fsopen("overlay", FSOPEN_CLOEXEC);
    if (layers.context < 0) fail(errno, "overlay(%s)", place);
    while ((option = mount_options_split(&rest, ','))) {
        char *value = strchr(option, '=');
        if (value) *value++ = 0;
        if (value && !strcmp(option, "lowerdir")) {
            char *layer;
            while ((layer = mount_options_split(&value, ':'))) {
                mount_options_unescape(layer);
                add_lower(&layers, layer);
            }
        } else if (value && !strcmp(option, "upperdir")) { mount_options_unescape(value); upper = value;
        } else if (value && !strcmp(option, "workdir")) { mount_options_unescape(value); work = value;
        } else if (*option) mount_tree_option(layers.context, option, value, place);
    }
    if (upper) set_layer(&layers, "upperdir", upper);
    if (work) set_layer(&layers, "workdir", work);
    int tree = mount_tree_create(layers.context, "overlay", flags, place);
    if (layers.idmap && umount2(place, MNT_DETACH | UMOUNT_NOFOLLOW) < 0) fail(errno, "overlay(release %s)", place);
    free(copy);
    return tree;
}
