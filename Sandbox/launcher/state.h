// state.json: what outlives the supervisor. Runtimes/README.md lists the fields.
#pragma once
#include "cgroup.h"
#include "failure.h"
#include "log.h"
#include <sys/types.h>

struct task_state {
    char id[256];
    const char *phase;  // "running", "exited" or "failed"
    pid_t pid, supervisor;
    uint64_t pid_start, supervisor_start;  // clock ticks since boot, /proc/PID/stat field 22
    int64_t started_at, finished_at;       // Unix nanoseconds, 0: not yet
    int exit_code, signal, stop_requested;
    struct cgroup_usage usage;
    struct failure failure;  // stage empty: none
};

uint64_t state_process_start(pid_t pid);
void state_read_boot_id(char text[64]);

// Replaces state.json in one step. `durable`: the contents reach the disk before the name does (an fsync), so that
// a power cut leaves the old record or the new one, never a torn one. 0 or -1.
int state_write(int directory, const struct task_state *state, const struct cgroups *groups, const struct log_file *log,
                int durable);
