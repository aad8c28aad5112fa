// What belongs to a namespace as a whole: names, the loopback interface, kernel parameters.
#pragma once
#include "plan.h"

// Carries out one operation from OP_HOSTNAME to OP_SYSCTL.
void system_apply(const struct operation *op);
