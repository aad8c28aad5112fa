// The second wall: what a task may do with paths, TCP ports, abstract sockets and signals, whatever its mounts and ids allow.
#pragma once
#include "plan.h"

// Applies the plan's landlock operations to this process; nothing when there are none. After the working directory is set, and
// before the filter. With `landlock required`, a kernel that does not know a kind of rule that the plan has ends the start.
void landlock_apply(const struct plan *plan);
