// See cgroup_place.h.
#define _GNU_SOURCE
#include "cgroup_place.h"
#include "workspace.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_BYTES 256
#define FILE_PATH_BYTES 640  // a group's is shorter than 512

struct place { int fd, is_inherited; size_t length; char path[PATH_BYTES]; };
// No child gets the table; NULL: nothing is kept.
static struct places { int count; struct place place[CGROUPS_MAX]; } *kept TOGETHER;

void cgroup_places_keep(void) {
    if (!kept) kept = workspace_new(sizeof *kept);  // without memory nothing is kept
}

void cgroup_places_release(void) {
    for (int i = 0; kept && i < kept->count; i++) close(kept->place[i].fd);
    if (kept) munmap(kept, sizeof *kept);
    kept = NULL;
}

// Two steps stay below: a pod's group, and its container's.
static size_t length_above(const char *path) {
    const char *last = strrchr(path, '/');
    const char *before = last && last > path ? memrchr(path, '/', (size_t)(last - path)) : NULL;
    return before ? (size_t)(before - path) : 0;
}

static struct place *find(const char *path, size_t length) {
    for (int i = 0; i < kept->count; i++)
        if (kept->place[i].length == length && !memcmp(kept->place[i].path, path, length)) return &kept->place[i];
    return NULL;
}

static struct place *keep(const char *path, size_t length) {
    if (kept->count == CGROUPS_MAX || length >= PATH_BYTES) return NULL;
    struct place *place = &kept->place[kept->count];
    memcpy(place->path, path, length);
    place->path[length] = 0;
    place->length = length;
    place->is_inherited = 0;
    place->fd = openat(AT_FDCWD, place->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (place->fd < 0) return NULL;
    kept->count++;
    return place;
}

static void forget(struct place *place) {
    close(place->fd);
    *place = kept->place[--kept->count];
}

enum step { OPEN, MAKE, REMOVE };

static int go(enum step step, int directory, const char *path, int flags) {
    switch (step) {
    case OPEN: return openat(directory, path, flags);
    case MAKE: return mkdirat(directory, path, 0755);
    default: return unlinkat(directory, path, AT_REMOVEDIR);
    }
}

static int from_place(enum step step, const char *path, int flags) {
    size_t length = kept ? length_above(path) : 0;
    struct place *place = length ? find(path, length) : NULL;
    if (length && !place) place = keep(path, length);
    if (!place) return go(step, AT_FDCWD, path, flags);
    int result = go(step, place->fd, path + length + 1, flags);
    if (result >= 0 || (errno != ENOENT && errno != ENODEV)) return result;
    forget(place);  // it may have been made anew since
    return go(step, AT_FDCWD, path, flags);
}

int cgroup_place_open(const char *path, int flags) { return from_place(OPEN, path, flags); }
int cgroup_place_make(const char *path) { return from_place(MAKE, path, 0); }
int cgroup_place_remove(const char *path) { return from_place(REMOVE, path, 0); }

// What is missing is the file, as a rule: the directory stays. One that went was noticed when the group was made.
int cgroup_place_open_file(const char *path, const char *file, int flags) {
    char whole[FILE_PATH_BYTES];
    if (strlen(path) + strlen(file) + 2 > sizeof whole) { errno = ENAMETOOLONG; return -1; }
    stpcpy(stpcpy(stpcpy(whole, path), "/"), file);
    size_t length = kept ? length_above(path) : 0;
    struct place *place = length ? find(path, length) : NULL;
    int fd = place ? openat(place->fd, whole + length + 1, flags) : -1;
    return fd >= 0 ? fd : openat(AT_FDCWD, whole, flags);
}

void cgroup_places_inherit(void) {
    for (int i = 0; kept && i < kept->count; i++) kept->place[i].is_inherited = 1;
}

int cgroup_place_inherited(const char *path, size_t *rest) {
    size_t length = kept ? length_above(path) : 0;
    struct place *place = length ? find(path, length) : NULL;
    if (!place || !place->is_inherited) return -1;
    *rest = length + 1;
    return place->fd;
}
