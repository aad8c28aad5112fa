// See cgroup_usage.h. One table of files, walked in the same order by whoever opens and whoever reads.
#define _GNU_SOURCE
#include "cgroup_usage.h"
#include "host.h"
#include "workspace.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum usage_kind {
    CPU_TOTAL, CPU_USER, CPU_SYSTEM, MEMORY_PEAK, MEMORY_OOM, PIDS_EVENTS, CPU_THROTTLING, CPU_STAT, PRESSURE_CPU, PRESSURE_MEMORY, PRESSURE_IO
};

// Of version 2 each group has them all.
static const struct { int version; const char *controller, *name; enum usage_kind kind; } usage_file[] = {
    {1, "cpuacct", "cpuacct.usage", CPU_TOTAL},
    {1, "cpuacct", "cpuacct.usage_user", CPU_USER},
    {1, "cpuacct", "cpuacct.usage_sys", CPU_SYSTEM},
    {1, "memory", "memory.max_usage_in_bytes", MEMORY_PEAK},
    // Counts this group alone; nothing inside can make a subgroup, as no cgroup file system is mounted there.
    {1, "memory", "memory.oom_control", MEMORY_OOM},
    {1, "pids", "pids.events", PIDS_EVENTS},
    {1, "cpu", "cpu.stat", CPU_THROTTLING},
    {2, NULL, "cpu.stat", CPU_STAT},
    {2, NULL, "cpu.pressure", PRESSURE_CPU},
    {2, NULL, "memory.pressure", PRESSURE_MEMORY},
    {2, NULL, "io.pressure", PRESSURE_IO},
    {2, NULL, "memory.peak", MEMORY_PEAK},
    {2, NULL, "memory.events", MEMORY_OOM},  // counts descendants too
    {2, NULL, "pids.events", PIDS_EVENTS},
};
#define USAGE_KINDS (sizeof usage_file / sizeof *usage_file)

static int is_of(const struct cgroups *groups, int n, size_t file) {
    return groups->group[n].version == usage_file[file].version &&
           (!usage_file[file].controller || !strcmp(groups->group[n].controller, usage_file[file].controller));
}

static int open_file(const struct cgroups *groups, int n, size_t file) {
    return cgroups_open_file(groups, n, usage_file[file].name, O_RDONLY);
}

// The kernel hands out a period's time in slices of 5 ms for each processor (sched_cfs_bandwidth_slice_us); some set it higher.
#define SLICES_US 20000
// Faster than this no machine makes one process after the other.
#define FORK_US 8

// Whether a task can be so short that this file says nothing.
static int may_be_needless(const struct cgroup_joined *group, enum usage_kind kind) {
    if (group->version != 1) return 0;
    return kind == MEMORY_OOM ? group->memory_bytes > 0 : kind == CPU_THROTTLING ? group->quota_us > 0 : kind == PIDS_EVENTS && group->pids > 0;
}

// Nobody is killed at a limit that was never near (the table names the peak first), nor held back before a whole quota is handed out, nor
// refused a process before there was time to make so many.
static int is_needless(const struct cgroup_joined *group, enum usage_kind kind, const struct cgroup_brief *brief, const struct cgroup_usage *u) {
    if (!brief || !may_be_needless(group, kind)) return 0;
    if (kind == MEMORY_OOM) return u->memory_peak_bytes >= 0 && u->memory_peak_bytes < group->memory_bytes / 2;
    if (kind == CPU_THROTTLING) return (brief->lived_us + SLICES_US) * host_processors() < group->quota_us;
    return 2 + brief->payload_us / FORK_US < group->pids;  // with init and the payload
}

void cgroup_usage_open(const struct cgroups *groups, struct cgroup_usage_files *files) {
    files->count = 0;
    for (int n = 0; n < groups->count; n++)
        for (size_t i = 0; i < USAGE_KINDS && files->count < USAGE_FILES_MAX; i++)
            if (is_of(groups, n, i)) files->fd[files->count++] = may_be_needless(&groups->group[n], usage_file[i].kind) ? -1 : open_file(groups, n, i);
}

void cgroup_usage_close(struct cgroup_usage_files *files) {
    for (int i = 0; i < files->count; i++)
        if (files->fd[i] >= 0) close(files->fd[i]);
    files->count = 0;
}

// The value after `key ` at the start of a line; -1 when absent.
static int64_t keyed(const char *text, const char *key) {
    size_t length = strlen(key);
    for (const char *at = text; at; at = strchr(at, '\n'), at = at ? at + 1 : NULL)
        if (!strncmp(at, key, length) && at[length] == ' ') return strtoll(at + length, NULL, 10);
    return -1;
}

// "some avg10=0.00 avg60=0.00 avg300=0.00 total=MICROSECONDS"
static int64_t pressure(const char *text) {
    const char *total = strstr(text, "total=");
    return total ? strtoll(total + 6, NULL, 10) : -1;
}

static void put(int64_t *slot, int64_t value, int64_t scale) {
    if (value >= 0) *slot = value * scale;
}

static void take(enum usage_kind kind, const char *text, struct cgroup_usage *u) {
    switch (kind) {
    case CPU_TOTAL: put(&u->cpu_total_ns, strtoll(text, NULL, 10), 1); break;
    case CPU_USER: put(&u->cpu_user_ns, strtoll(text, NULL, 10), 1); break;
    case CPU_SYSTEM: put(&u->cpu_system_ns, strtoll(text, NULL, 10), 1); break;
    case MEMORY_PEAK: put(&u->memory_peak_bytes, strtoll(text, NULL, 10), 1); break;
    case MEMORY_OOM: put(&u->oom_kills, keyed(text, "oom_kill"), 1); break;
    case PIDS_EVENTS: put(&u->pids_limit_hits, keyed(text, "max"), 1); break;
    case CPU_THROTTLING:
        put(&u->throttled_periods, keyed(text, "nr_throttled"), 1);
        if (u->throttled_periods) put(&u->throttled_ns, keyed(text, "throttled_time"), 1);
        break;
    case CPU_STAT:
        put(&u->cpu_total_ns, keyed(text, "usage_usec"), 1000);
        put(&u->cpu_user_ns, keyed(text, "user_usec"), 1000);
        put(&u->cpu_system_ns, keyed(text, "system_usec"), 1000);
        put(&u->throttled_periods, keyed(text, "nr_throttled"), 1);
        put(&u->throttled_ns, keyed(text, "throttled_usec"), 1000);
        break;
    case PRESSURE_CPU: put(&u->pressured_us[0], pressure(text), 1); break;
    case PRESSURE_MEMORY: put(&u->pressured_us[1], pressure(text), 1); break;
    case PRESSURE_IO: put(&u->pressured_us[2], pressure(text), 1); break;
    }
}

int64_t cgroup_usage_kills(const struct cgroups *groups) {
    char text[128];
    struct cgroup_usage u = {.oom_kills = 0};
    for (int n = 0; n < groups->count; n++)
        for (size_t i = 0; i < USAGE_KINDS; i++) {
            int fd = usage_file[i].kind == MEMORY_OOM && usage_file[i].version == 1 && is_of(groups, n, i) ? open_file(groups, n, i) : -1;
            if (fd < 0) continue;
            ssize_t length = read(fd, text, sizeof text - 1);
            close(fd);
            text[length > 0 ? length : 0] = 0;
            take(MEMORY_OOM, text, &u);
        }
    return u.oom_kills;
}

void cgroup_usage_read(
    const struct cgroups *groups, const struct cgroup_usage_files *files, const struct cgroup_brief *brief, struct cgroup_usage *u) {
    int next = 0;
    *u = (struct cgroup_usage){-1, -1, -1, -1, 0, 0, 0, 0, {-1, -1, -1}};
    for (int n = 0; n < groups->count; n++)
        for (size_t i = 0; i < USAGE_KINDS; i++) {
            if (!is_of(groups, n, i)) continue;
            int ahead = files && next < files->count ? files->fd[next++] : -1, opened = ahead >= 0;
            if (is_needless(&groups->group[n], usage_file[i].kind, brief, u)) continue;
            int fd = opened ? ahead : open_file(groups, n, i);
            if (fd < 0) continue;  // absent on this kernel
            ssize_t length = pread(fd, workspace, WORKSPACE_BYTES - 1, 0);
            if (!opened) close(fd);
            if (length <= 0) continue;
            workspace[length] = 0;
            take(usage_file[i].kind, workspace, u);
        }
}
