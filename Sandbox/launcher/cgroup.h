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
    int64_t oom_kills, pids_limit_hits, throttled_periods, throttled_ns;
    int64_t pressured_us[3];  // cpu, memory, io: some process had to wait that long (version 2); -1: not known
};

// Notes which groups the plan joins, without opening anything. 0, or -1 with `failure` set.
int cgroups_note(struct cgroups *groups, const struct plan *plan, struct failure *failure);
// Notes the groups and opens them and their join files; 0, or -1 with `failure` set.
int cgroups_open(struct cgroups *groups, const struct plan *plan, struct failure *failure);
// Opens the directories of noted groups, for reading and killing.
void cgroups_open_directories(struct cgroups *groups);
// A descriptor that becomes readable when the kernel ran out of the memory group's limit (version 1), or -1.
int cgroups_watch_out_of_memory(const struct cgroups *groups);
// Called by the child for itself: a thread that moves itself needs no grace period of the kernel. Opens what is not open yet,
// beneath `root`, a descriptor, or AT_FDCWD.
void cgroups_join(const struct cgroups *groups, int root);
void cgroups_close_join_files(struct cgroups *groups);
// SIGKILLs every member, each by a handle that pins it. Returns how many processes it still saw.
int cgroups_kill(const struct cgroups *groups);
void cgroups_read_usage(const struct cgroups *groups, struct cgroup_usage *usage);
