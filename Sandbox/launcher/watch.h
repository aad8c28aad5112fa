// Life of a running task as its supervisor sees it: output, stop requests, end.
#pragma once
#include "attach.h"
#include "cgroup_usage.h"
#include "log.h"
#include "notify.h"
#include "state.h"
#include "timestamp.h"

struct task {
    int directory, lock, ready, signals;
    int lock_is_old;  // the file was there: a former supervisor left it
    int init;      // pidfd
    int status;    // the payload's wait status comes here; init dies when this closes
    int out_of_memory;     // readable when the memory group's limit was hit and nothing could be reclaimed; or -1
    int mounts;            // the task's mount namespace, so that taking it down is not waited for by who asked; or -1
    int record;            // the next record's file, opened ahead; or -1
    int client;            // who asked the resident launcher for this task, or -1
    int init_is_payload;   // made by an OCI runtime: nobody else reports how it ended
    int own_pids;          // in a pid namespace of its own: the end of its init is the end of everything in it; or a guest in another's
    int keeps_streams;     // standard descriptors are /dev/null already
    int foreground;  // somebody waits at a terminal: signals are the payload's, not requests to stop
    int64_t grace_ms, deadline_ms;  // deadline 0: none
    int stop_signal;                // what asks it to stop
    int serial;            // which of this supervisor's tasks it is: one that ended at once may be followed by another
    int lasts;             // no other will follow
    int over;              // it ended before anything was recorded: only its last record is written
    // Called when the start takes longer than starts do, and when the task lives on, respectively; or NULL.
    void (*busy)(struct task *), (*settle)(struct task *);
    // Of a container that an OCI runtime made; or NULL: asks it to stop, has the runtime forget it.
    void (*ask)(struct task *), (*forget)(struct task *);
    struct notify notify;  // refused system calls
    struct log_file log;
    struct task_state state;
    struct log_stream stream[2];
    struct attach attach;
    struct cgroup_usage_files usage_files;  // opened ahead, of a task that may end soon
    struct cgroups cgroups;       // large and mostly unused, so they stand last
};

// No descriptor is open yet.
void watch_clear(struct task *task);

// Before a task's groups are removed: what is open below a directory then keeps its inodes, 8 KiB a task, until memory runs short.
void watch_leave_groups(struct task *task);

// After a task that is gone, and its groups: ready for another, with nothing left of the first. Its supervisor's own identity stays.
void watch_renew(struct task *task);

// Blocks the signals that watch() reads.
void watch_prepare(struct task *task);

// Returns when the task and everything it left behind are gone and the record says how. 0; or -1 with `state.failure` set when
// nothing was ever recorded of a task that was over at once.
int watch(struct task *task);
