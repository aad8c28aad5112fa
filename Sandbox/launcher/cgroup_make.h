// Groups that belong to one task: made before it, with their limits, and removed behind it.
#pragma once
#include "cgroup.h"
#include "failure.h"
#include "plan.h"

// How far a plan's `cgroup-make` and `cgroup-set` are carried out. `groups`: those that the task joins, noted already, whose directories
// are opened on the way; or NULL. `new_group`: paths of those that were not there before, as far as there is room.
struct cgroup_making { uint32_t next; struct cgroups *groups; int new_groups; const char *new_group[CGROUPS_MAX]; };

// Carries them out in the plan's order up to where the groups may be joined, and keeps what `cgroup-remove` names. Then the rest, which
// may be done while init joins. 0, or -1 with `failure` set: whoever is in them is to end before what was made is removed.
int cgroup_make_begin(const struct plan *plan, struct cgroup_making *making, struct failure *failure);
int cgroup_make_finish(const struct plan *plan, struct cgroup_making *making, struct failure *failure);
// Both.
int cgroup_make_all(const struct plan *plan, struct failure *failure);

// Removes what was to be removed, innermost first. A group whose last process was just killed is busy for a moment:
// waits for it, but not for long. Repeatable.
void cgroup_remove_all(void);
