// Namespaces that the clone does not make: of time, and those that the task's own user namespace is to own.
#pragma once
#include "plan.h"

// CLONE_NEW... of the plan's own namespaces that the clone of init makes.
uint64_t namespaces_clone_flags(const struct plan *plan);

// init, after it joined its cgroups and while the host's paths are there: makes or joins the others. `user_namespace`: the one
// that the payload enters, or -1.
void namespaces_enter(const struct plan *plan, int user_namespace);

// Makes the plan's time namespace for the children of this process, with its offsets. 0, or -1 with errno.
int namespaces_make_time(const struct plan *plan);
