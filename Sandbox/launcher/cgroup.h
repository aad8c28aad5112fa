// The task's cgroups as the plan names them: joining, killing, reading what was used. Making them is Swift's work.
#pragma once
#include "plan.h"
#include "failure.h"
#include <stdint.h>

#define CGROUPS_MAX 12

struct cgroups {
    int count;
    struct { int version, directory, join; char controller[32]; char path[512]; } group[CGROUPS_MAX];
};

struct cgroup_usage {
    int64_t cpu_user_ns, cpu_system_ns, cpu_total_ns, memory_peak_bytes;  // -1: not known
    int64_t oom_kills, pids_limit_hits, throttled_periods;
};

// Opens the groups and their join files; 0, or -1 with `failure` set.
int cgroups_open(struct cgroups *groups, const struct plan *plan, struct failure *failure);
// Called by the child for itself: a thread that moves itself needs no grace period of the kernel.
void cgroups_join(const struct cgroups *groups);
void cgroups_close_join_files(struct cgroups *groups);
// SIGKILLs every member. Returns how many processes it still saw.
int cgroups_kill(const struct cgroups *groups);
void cgroups_read_usage(const struct cgroups *groups, struct cgroup_usage *usage);
