// The task's seccomp filters: compiled elsewhere, loaded here, the last steps before exec.
#pragma once
#include "plan.h"

// True when a filter is to be loaded with CAP_SYS_ADMIN, as the plan leaves no_new_privs off.
int filters_before_capabilities(const struct plan *plan);

// Whether the last filter, the one that a listener belongs to, decides by itself about exec and about what a start that fails says: then
// nobody need answer before the program runs. Before the filters are loaded.
int filters_let_start(const struct plan *plan);

// Loads all in the plan's order. A filter stands in the way of those behind it: the strictest comes last.
void filters_load(const struct plan *plan);
