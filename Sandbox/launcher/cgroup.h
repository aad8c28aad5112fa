// The task's cgroups as the plan names them: joining, watching, killing.
#pragma once
#include "plan.h"
#include "failure.h"
#include <stddef.h>
#include <stdint.h>

#define CGROUPS_MAX 12

struct cgroup_joined {
    int version, directory, join;
    int place;    // an open directory above the group, below which `path` goes on at `rest`; or -1
    size_t rest;
    int64_t memory_bytes, quota_us, pids;  // limits that the plan set to a group that is new (version 1); 0: not known, -1: none
    char controller[32], path[512];
};
struct cgroups { int count; struct cgroup_joined group[CGROUPS_MAX]; };

// Notes which groups the plan joins, without opening anything. 0, or -1 with `failure` set.
int cgroups_note(struct cgroups *groups, const struct plan *plan, struct failure *failure);
// Notes the groups and opens them and their join files; 0, or -1 with `failure` set.
int cgroups_open(struct cgroups *groups, const struct plan *plan, struct failure *failure);
// Opens the directories of noted groups, for reading and killing.
void cgroups_open_directories(struct cgroups *groups);
// A file of a noted group: from its directory, where that is open. -1 with errno.
int cgroups_open_file(const struct cgroups *groups, int n, const char *file, int flags);
// A descriptor that becomes readable when the kernel ran out of the memory group's limit (version 1), or -1.
int cgroups_watch_out_of_memory(const struct cgroups *groups);
// Called by the child for itself: a thread that moves itself needs no grace period of the kernel. Opens what is not open yet,
// beneath `root`, a descriptor, or AT_FDCWD.
void cgroups_join(const struct cgroups *groups, int root);
void cgroups_close_join_files(struct cgroups *groups);
// SIGKILLs every member, each by a handle that pins it. Returns how many processes it still saw.
int cgroups_kill(const struct cgroups *groups);
