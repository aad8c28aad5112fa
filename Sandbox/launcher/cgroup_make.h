// Groups that belong to one task: made before it, with their limits, and removed behind it.
#pragma once
#include "cgroup.h"
#include "failure.h"
#include "plan.h"

// Carries out `cgroup-make` and `cgroup-set` in the plan's order, and keeps what `cgroup-remove` names. 0, or -1 with
// `failure` set; what was made is then removed again. `groups`: those that the task joins, noted already, whose directories are
// opened on the way; or NULL.
int cgroup_make_all(const struct plan *plan, struct cgroups *groups, struct failure *failure);

// Removes what was to be removed, innermost first. A group whose last process was just killed is busy for a moment:
// waits for it, but not for long. Repeatable.
void cgroup_remove_all(void);
