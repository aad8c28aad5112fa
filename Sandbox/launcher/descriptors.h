// What is open in the task: its three standard descriptors, what the caller meant for it, and nothing else.
#pragma once
#include "payload.h"

// Makes `streams` the standard descriptors when the plan has a `log` and the task no terminal; else those of the launcher stay.
// Really closes everything else but the failure pipe and what payload_keep named: a close-on-exec directory of the host would
// still be within reach of the task's working directory and of its program's path (/proc/self/fd/N).
void descriptors_take(const struct plan *plan, const struct streams *streams);
