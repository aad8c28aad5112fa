// What a task's groups say of its use of the machine.
#pragma once
#include "cgroup.h"

// More than the files of version 1's usual hierarchies; what is over is opened when it is read.
#define USAGE_FILES_MAX 24

struct cgroup_usage {
    int64_t cpu_user_ns, cpu_system_ns, cpu_total_ns, memory_peak_bytes;  // -1: not known
    int64_t oom_kills, pids_limit_hits, throttled_periods, throttled_ns;
    int64_t pressured_us[3];  // cpu, memory, io: some process had to wait that long (version 2); -1: not known
};

// The files that are read, opened ahead of a task's end: which in the shadow of its start costs nobody's waiting. All zero: none is.
// -1: of a file that is opened when it is wanted.
struct cgroup_usage_files { int count, fd[USAGE_FILES_MAX]; };

// How long a task lived from the making of its groups to its end, and the processor time of its payload and whom that waited for.
struct cgroup_brief { int64_t lived_us, payload_us; };

void cgroup_usage_open(const struct cgroups *groups, struct cgroup_usage_files *files);
void cgroup_usage_close(struct cgroup_usage_files *files);
// Processes of the groups that were killed at a memory limit; of version 1, where nobody tells (version 2: memory.oom.group).
int64_t cgroup_usage_kills(const struct cgroups *groups);
// `files`: of the same groups; or NULL. `brief`: of a task that was so short that it cannot have met most limits: what then can say nothing is
// not asked; or NULL.
void cgroup_usage_read(
    const struct cgroups *groups, const struct cgroup_usage_files *files, const struct cgroup_brief *brief, struct cgroup_usage *usage);
