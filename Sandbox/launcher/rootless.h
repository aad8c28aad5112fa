// Set-up by an ordinary user: the user namespace is entered before the mounts and owns them, its ids are mapped from
// outside, and the payload gets a second user namespace inside the first, so that it owns none of its mounts.
#pragma once
#include "plan.h"
#include "failure.h"

// True when the plan holds `rootless`.
int rootless_wanted(const struct plan *plan);

// Supervisor, before the clone: the pipe at which init waits for its ids. 0 or -1 with errno.
int rootless_open_gate(int gate[2]);

// Supervisor, after the clone with CLONE_NEWUSER: writes the plan's maps into `pid`'s user namespace, then lets init
// go on. Keeps nothing open. 0, or -1 with `failure` set: init then ends by itself.
int rootless_admit(const struct plan *plan, int pid, int gate[2], struct failure *failure);

// init: waits for the ids; ends the process when the supervisor gave up.
void rootless_await(const struct plan *plan, int gate[2]);

// init and payload: true when this user may not drop the groups that he has.
int rootless_groups_are_fixed(void);

// init, while the host's /proc is still there: makes the payload's user namespace with the same ids, and returns a
// descriptor of it.
int rootless_nest(const struct plan *plan);

// The user namespace that was just joined may have its groups fixed (its setgroups file says so).
void rootless_learn_groups(void);

// A user namespace with the plan's maps, made ahead so that it can be entered before the clone (OCI containers): its
// descriptor, or -1 with `failure` set. A caller with power over the ids leaves groups changeable.
int rootless_make_user_namespace(const struct plan *plan, struct failure *failure);
