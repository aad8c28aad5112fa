// The last steps of the task's own process: from the fork in its init to exec.
#pragma once
#include "plan.h"

// Descriptors that the last steps need (beside the failure pipe): they are kept, close-on-exec, when all others go. A name in
// /proc/self/fd leads a task's paths to whatever is open, so these are sockets and pipes, never files or directories.
void payload_keep(int descriptor);

// Called when everything is set but the filter and exec; may be NULL.
extern void (*payload_before_exec)(void);

// What becomes of the task's standard descriptors (with `log`).
struct streams {
    int in;       // -1: /dev/null
    int out, err;
    int console;  // a socket over which a terminal's master went, which then is all three already; or -1
};

// Carries out the plan from rlimits to exec. Never returns.
_Noreturn void payload_run(const struct plan *plan, int user_namespace, const struct streams *streams);
