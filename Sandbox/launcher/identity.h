// Who the task is: its user namespace, ids and capabilities.
#pragma once
#include "plan.h"
#include "failure.h"

// Makes a user namespace with the plan's id maps and returns a descriptor of it; -1 when the plan wants none,
// -2 with `failure` set when it could not be made.
int identity_make_user_namespace(const struct plan *plan, struct failure *failure);

// One that nobody is ever in, for the ids of a mount: the maps are the operations from `first` to before `end`. -2 with `failure` set.
int identity_make_mapping(const struct plan *plan, uint32_t first, uint32_t end, struct failure *failure);

// For a process whose tasks have no groups but their own.
void identity_leave_groups(void);

// Between the two, user namespaces that this process makes belong to nobody else (identity.c says why). A request for a signal at the
// parent's death is forgotten (prctl(2)).
int identity_become_owner(void);  // whether it did
void identity_leave_owner(int became);

#define CARRIER_STACK_BYTES 1024

// Makes a process that ended at once in a user namespace of its own: until the caller reaps it, /proc shows the namespace, which
// can be opened and given its maps. -1 with errno. Becomes and leaves the owner.
int identity_make_carrier(char stack[CARRIER_STACK_BYTES]);

// What a process does that carries a namespace while programs are run for it: it waits for its end, which its parent's death is too.
_Noreturn void identity_wait_as_carrier(int parent);

// Writes all maps of one kind (OP_UID_MAP or OP_GID_MAP) into an open map file. 0 or -1 with errno.
int identity_write_map(int file, const struct plan *plan, enum operation_kind kind);

// Host ids of the task's user, for what it must own outside its namespace (its output pipes).
void identity_host_ids(const struct plan *plan, uint32_t *uid, uint32_t *gid);

// Enters the user namespace. Entering fills the capability sets again, so it stands before they are emptied.
void identity_enter_user_namespace(int user_namespace);

// Takes the plan's ids: uid, gid, supplementary groups. `keep`: the permitted capabilities outlive the change, for
// capabilities_apply to choose from.
void identity_become(const struct operation *user, int keep);
