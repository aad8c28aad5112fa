// Hooks of the OCI kind that run inside the set-up: programs that get the container's state on standard input.
#pragma once
#include "plan.h"

// The runtime's own hooks (`runtime-hooks`): asks the caller through `sync` to run them and waits for its word.
void hooks_ask_caller(const struct plan *plan, int sync);

// Runs the plan's hooks of one point ("create-container" or "start-container") in order; a failure ends the set-up.
void hooks_run(const struct plan *plan, const char *point);
