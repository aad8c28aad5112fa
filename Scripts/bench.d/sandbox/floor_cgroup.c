// The floor's cgroups: made, limited, joined, removed.
#define _GNU_SOURCE
#include "floor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void floor_write(int directory, const char *file, const char *text) {
    int fd = openat(directory, file, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, text, strlen(text)) < 0) floor_die(file);
    close(fd);
}

void floor_cgroup_parse(struct floor_cgroup *cgroup, const char *text) {
    char *copy = strdup(text), *rest = copy;
    cgroup->version = atoi(strsep(&rest, ":"));
    const char *directory = strsep(&rest, ":");
    snprintf(cgroup->directory, sizeof cgroup->directory, "%s", directory ? directory : "");
    char *pair;
    while ((pair = strsep(&rest, ",")) && *pair) {
        int n = cgroup->settings++;
        char *value = strchr(pair, '=');
        if (n == FLOOR_SETTINGS_MAX || !value) { errno = EINVAL; floor_die(text); }
        *value++ = 0;
        snprintf(cgroup->setting[n].file, sizeof cgroup->setting[n].file, "%s", pair);
        snprintf(cgroup->setting[n].value, sizeof cgroup->setting[n].value, "%s", value);
    }
    free(copy);
    if ((cgroup->parent = open(cgroup->directory, O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0) floor_die(cgroup->directory);
}

static const char *join_file(const struct floor_cgroup *cgroup) { return cgroup->version == 1 ? "tasks" : "cgroup.procs"; }

void floor_cgroup_make(const struct floor *floor, const char *name, int join[]) {
    for (int i = 0; i < floor->cgroups; i++)
        if (mkdirat(floor->cgroup[i].parent, name, 0755) < 0) floor_die(floor->cgroup[i].directory);
    for (int i = 0; i < floor->cgroups; i++) {
        const struct floor_cgroup *cgroup = &floor->cgroup[i];
        int directory = openat(cgroup->parent, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
        for (int s = 0; s < cgroup->settings; s++) floor_write(directory, cgroup->setting[s].file, cgroup->setting[s].value);
        join[i] = floor->naive ? -1 : openat(directory, join_file(cgroup), O_WRONLY | O_CLOEXEC);
        close(directory);
    }
}

void floor_cgroup_attach(const struct floor *floor, const char *name, pid_t pid) {
    char path[320], text[16];
    snprintf(text, sizeof text, "%d", pid);
    for (int i = 0; i < floor->cgroups; i++) {
        snprintf(path, sizeof path, "%s/cgroup.procs", name);
        floor_write(floor->cgroup[i].parent, path, text);
    }
}

void floor_cgroup_remove(const struct floor *floor, const char *name, int join[]) {
    for (int i = 0; i < floor->cgroups; i++) {
        if (join[i] >= 0) close(join[i]);
        // Busy for a moment while the last member is being released.
        while (unlinkat(floor->cgroup[i].parent, name, AT_REMOVEDIR) < 0 && errno == EBUSY) usleep(50);
    }
}
