// Making and removing a task's own groups. The paths to remove outlive the plan in one small block.
#define _GNU_SOURCE
#include "cgroup_make.h"
#include "cgroup_place.h"
#include "timestamp.h"
#include "workspace.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define REMOVE_DEADLINE_MS 5000

// Paths one behind the other, each with its NUL, an empty one at the end; in the order in which they go.
static char *removals TOGETHER;
// Those of most tasks need no heap.
static char usual[1024] TOGETHER;

// What every new group of version 1 has: a bandwidth is the dearest of settings, as the kernel goes through all groups for each.
static int is_default(const char *file, const char *value) {
    return (!strcmp(file, "cpu.cfs_period_us") && !strcmp(value, "100000")) || (!strcmp(file, "cpu.shares") && !strcmp(value, "1024"));
}

static int is_new(const struct cgroup_making *making, const char *path) {
    for (int i = 0; i < making->new_groups; i++)
        if (!strcmp(making->new_group[i], path)) return 1;
    return 0;
}

static int make(struct cgroup_making *making, const char *path) {
    if (cgroup_place_make(path) < 0) return errno == EEXIST ? 0 : -1;
    if (making->new_groups < CGROUPS_MAX) making->new_group[making->new_groups++] = path;
    return 0;
}

static int open_in_group(const struct cgroups *groups, const char *directory, const char *file) {
    for (int i = 0; groups && i < groups->count; i++)
        if (!strcmp(groups->group[i].path, directory)) return cgroups_open_file(groups, i, file, O_WRONLY);
    if (strlen(directory) + strlen(file) + 2 > PATH_MAX) { errno = ENAMETOOLONG; return -1; }
    stpcpy(stpcpy(stpcpy(workspace, directory), "/"), file);
    return openat(AT_FDCWD, workspace, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
}

static int set(const struct cgroups *groups, const char *directory, const char *file, const char *value) {
    int fd = open_in_group(groups, directory, file);
    if (fd < 0) return -1;
    size_t length = strlen(value);
    ssize_t n = write(fd, value, length);
    int saved = errno;
    close(fd);
    errno = n < 0 ? saved : EIO;
    return n == (ssize_t)length ? 0 : -1;
}

// What tells later which files can say nothing (cgroup_usage_read).
static void note_limit(const struct cgroup_making *making, char **set) {
    for (int i = 0; making->groups && i < making->groups->count; i++) {
        struct cgroup_joined *group = &making->groups->group[i];
        if (group->version != 1 || strcmp(group->path, set[0]) || !is_new(making, set[0])) continue;
        int64_t value = strtoll(set[2], NULL, 10);  // "max" is 0
        if (!strcmp(set[1], "memory.limit_in_bytes")) group->memory_bytes = value;
        else if (!strcmp(set[1], "cpu.cfs_quota_us")) group->quota_us = value;
        else if (!strcmp(set[1], "pids.max")) group->pids = value;
    }
}

// A plan names outer groups first; they go last.
static int remember(const struct plan *plan) {
    size_t size = 1;
    for (uint32_t i = 0; i < plan->count; i++)
        if (plan->operation[i].kind == OP_CGROUP_REMOVE) size += strlen(plan->operation[i].argument[0]) + 1;
    if (size == 1) return 0;
    char *at = removals = size <= sizeof usual ? usual : malloc(size);
    if (!removals) return -1;
    for (uint32_t i = plan->count; i-- > 0;)
        if (plan->operation[i].kind == OP_CGROUP_REMOVE) at = stpcpy(at, plan->operation[i].argument[0]) + 1;
    *at = 0;
    return 0;
}

// In the plan's order, which names outer groups first.
static int carry_out(const struct plan *plan, struct cgroup_making *making, uint32_t behind, struct failure *failure) {
    for (; making->next < behind; making->next++) {
        const struct operation *op = &plan->operation[making->next];
        char **a = op->argument;
        int result = 0;
        if (op->kind == OP_CGROUP_MAKE) result = make(making, a[1]);
        else if (op->kind == OP_CGROUP_SET && !(is_default(a[1], a[2]) && is_new(making, a[0]))) result = set(making->groups, a[0], a[1], a[2]);
        if (result == 0) {
            if (op->kind == OP_CGROUP_SET) note_limit(making, a);
            continue;
        }
        int error = errno;
        if (op->kind == OP_CGROUP_MAKE) failure_set(failure, error, "cgroup(make %s)", a[1]);
        else failure_set(failure, error, "cgroup(set %s/%s %s)", a[0], a[1], a[2]);
        return -1;
    }
    return 0;
}

// Some settings are refused, or come too late, once somebody is in the group: of where its memory may be (cpuset), of what is counted.
static int is_for_empty_group(const char *file) {
    static const char *const prefix[] = {"cpuset.", "cgroup.", "memory.kmem.", "memory.use_hierarchy"};
    for (size_t i = 0; i < sizeof prefix / sizeof *prefix; i++)
        if (!strncmp(file, prefix[i], strlen(prefix[i]))) return 1;
    return 0;
}

int cgroup_make_begin(const struct plan *plan, struct cgroup_making *making, struct failure *failure) {
    uint32_t behind = 0;
    if (remember(plan) < 0) {
        failure_set(failure, ENOMEM, "cgroup-remove");
        return -1;
    }
    for (uint32_t i = 0; i < plan->count; i++) {
        const struct operation *op = &plan->operation[i];
        if (op->kind == OP_CGROUP_MAKE || (op->kind == OP_CGROUP_SET && is_for_empty_group(op->argument[1]))) behind = i + 1;
    }
    return carry_out(plan, making, behind, failure);
}

int cgroup_make_finish(const struct plan *plan, struct cgroup_making *making, struct failure *failure) {
    return carry_out(plan, making, plan->count, failure);
}

int cgroup_make_all(const struct plan *plan, struct failure *failure) {
    struct cgroup_making making = {0};
    return cgroup_make_begin(plan, &making, failure) < 0 || cgroup_make_finish(plan, &making, failure) < 0 ? -1 : 0;
}

void cgroup_remove_all(void) {
    int64_t deadline = timestamp_monotonic_ms() + REMOVE_DEADLINE_MS;
    for (char *path = removals; path && *path; path += strlen(path) + 1)
        while (cgroup_place_remove(path) < 0 && errno == EBUSY && timestamp_monotonic_ms() < deadline) poll(NULL, 0, 2);
    if (removals != usual) free(removals);
    removals = NULL;
}
