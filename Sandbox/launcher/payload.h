// The last steps of the task's own process: from the fork in its init to exec.
#pragma once
#include "plan.h"

// Carries out the plan from rlimits to exec. Never returns.
_Noreturn void payload_run(const struct plan *plan, int user_namespace, int out, int err);
