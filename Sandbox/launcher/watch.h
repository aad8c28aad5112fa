// Life of a running task as its supervisor sees it: output, stop requests, end.
#pragma once
#include "cgroup.h"
#include "log.h"
#include "state.h"
#include "timestamp.h"

struct task {
    int directory, lock, ready, signals;
    int init;      // pidfd
    int status;    // the payload's wait status comes here
    int lifeline;  // init dies when this closes
    int64_t grace_ms;
    struct log_file log;
    struct task_state state;
    struct cgroups cgroups;       // large and mostly unused, so they stand last
    struct log_stream stream[2];
};

// Blocks the signals that watch() reads.
void watch_prepare(struct task *task);

// Returns when the task and everything it left behind are gone and the record says how.
void watch(struct task *task);
