// state.json: what outlives the supervisor. Runtimes/README.md lists the fields.
#pragma once
#include "cgroup_usage.h"
#include "failure.h"
#include "log.h"
#include "notify.h"
#include <sys/resource.h>
#include <sys/types.h>

struct task_state {
    char id[256];
    const char *phase;  // "running", "exited" or "failed"
    pid_t pid, supervisor;
    uint64_t pid_start, supervisor_start;  // clock ticks since boot, /proc/PID/stat field 22
    int64_t started_at, finished_at;       // Unix nanoseconds, 0: not yet
    int exit_code, signal, stop_requested;
    const char *reason;  // why it was ended from here ("DeadlineExceeded"), or NULL
    int core_dumped;
    struct cgroup_usage usage;
    struct rusage resources;       // of init and everything it reaped; max. resident size 0: not known yet
    const struct notify *refused;  // system calls; or NULL
    struct failure failure;  // stage empty: none
};

// Clock ticks since boot at which the process began, as /proc shows them. 0: it is gone.
uint64_t state_process_start(pid_t pid);
// The present moment in the same unit.
uint64_t state_ticks_since_boot(void);
// Of this boot; read once per process.
const char *state_boot_id(void);

// Opens the file that becomes the next record, which may be done before there is anything to write. -1 with errno.
int state_open(int directory);

// Replaces state.json in one step, so that a reader sees the old record or the new one. Not synced to disk: after a power cut
// the boot id tells that nothing runs any more, whatever the record says. 0 or -1. Without a directory there is no record.
// `opened`, which is closed, comes from state_open; or -1.
int state_write(int directory, int opened, const struct task_state *state, const struct cgroups *groups, const struct log_file *log);
