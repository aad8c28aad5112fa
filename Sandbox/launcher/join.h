// Entering existing namespaces, as `join-namespace` names them.
#pragma once
#include "failure.h"
#include "plan.h"

// For this process; those of pids and time count for its children. The mount namespace last: paths change with it.
// 0, or -1 with `failure` set.
int join_namespaces(const struct plan *plan, struct failure *failure);
