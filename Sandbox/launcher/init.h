// The task's pid 1: builds the jail, starts the payload, reaps orphans, passes signals on.
#pragma once
#include "cgroup.h"
#include "plan.h"

struct launch {
    const struct plan *plan;
    const struct cgroups *cgroups;
    int user_namespace;  // or -1
    int out, err;        // write ends of the task's output
    int status;          // write end: the payload's wait status
    int lifeline;        // read end of a pipe that the supervisor holds open as long as it lives
    int gate[2];         // rootless: where init waits for its ids
};

// Tells where the process's arguments lie: inside the task, pid 1 is to show "init", not the host's paths.
void init_title_area(char *start, size_t bytes);

_Noreturn void init_run(const struct launch *launch);
