// What a process is allowed and how it is scheduled: limits, priorities, CPUs, execution domain.
#pragma once
#include "plan.h"

// Carries out one operation from OP_RLIMIT to OP_PERSONALITY. They need the host's powers: before the change of user.
void process_apply(const struct operation *op);
