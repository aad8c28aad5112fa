// From an accepted plan to a running task, on the supervisor's side.
#pragma once
#include "failure.h"
#include "init.h"
#include "plan.h"
#include "watch.h"

// Between the supervisor and its init; [0] is the reading end. The supervisor alone reads `status`: to whoever holds its other end an
// error of the pipe says that the supervisor is gone.
struct channel {
    int out[2], err[2], status[2], failure[2], notify[2], gate[2];
    int user_namespace;  // that init takes over from here; or -1
    struct attach_channel_ends attach;  // [0] of its console is the supervisor's
};

// Opens the channel; `out` and `err` only when `with_output`, `notify` only when `with_notify`. 0 or -1 with errno.
int launch_open_channel(struct channel *channel, int with_output, int with_notify);
// `out` and `err` alone.
int launch_open_output(struct channel *channel);

// Runs the plan: `spare` is what was made ahead for it and has begun (spare_go), or NULL. 0 when the task runs and the record says so, 1 when its start
// failed and the record says where, 2 when nothing could be recorded (then nothing runs). With `task->over` the record is still to be
// written, by `watch`.
struct spare;
int launch_task(struct task *task, const struct plan *plan, struct spare *spare);

// Records a start that failed before anything was made. 1, or 2 when that is impossible too.
int launch_failed(struct task *task, const struct failure *failure);

// One supervisor per directory: opens and locks its lock file, which goes with the process. 0 or -1 with errno.
int launch_take_lock(struct task *task);
// Writes who holds the lock, for `kill`.
void launch_write_lock(struct task *task);
