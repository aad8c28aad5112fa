// What each operation's arguments may be and in which order operations stand.
#pragma once
#include "plan.h"

// `kind` is where the search begins; 0 when there is none of this name.
int rules_kind(const char *name, enum operation_kind *kind);
// Which step of the jail the operation belongs to, and whether it may stand only once.
int rules_phase(enum operation_kind kind);
int rules_once(enum operation_kind kind);
// A reason why the operation is not well formed, or NULL.
const char *rules_check_operation(const struct operation *op);
// A reason why the plan as a whole is not consistent, or NULL; `line` says where (0: nowhere in particular).
const char *rules_check_plan(const struct plan *plan, uint32_t *line);
// An operation that the verb `create` alone carries out (its caller answers), or NULL.
const struct operation *rules_create_only(const struct plan *plan);
