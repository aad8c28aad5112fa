// The per-task supervisor.
#pragma once

// Files in the state directory.
#define LOCK_FILE "supervisor.lock"  // held with flock(2) while a supervisor lives; "PID STARTTIME BOOTID SERIAL"
#define GRACE_FILE "grace"           // milliseconds that a SIGTERM to the supervisor grants; written before the signal

// `supervise`: exit status 0 when the task runs, 1 when its start failed (state.json says where), 2 when nothing could
// be recorded. With `foreground` it stays and its own exit status is the task's.
int supervise(const char *plan_path, const char *state_directory, int foreground);

// `kill`: tells the supervisor of this directory to end its task. 0: told, 3: there is none.
int supervise_kill(const char *state_directory, const char *grace_milliseconds);
