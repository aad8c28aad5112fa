// The step from the host's root into the task's.
#pragma once
#include "mounts.h"

// pivot_root(2), the old root unmounted: nothing of the host's mount table stays within reach.
void enter_root_pivot(struct root *root);

// Where pivot_root(2) cannot be: "move" puts the root over the old one (the initial ramfs has no parent to pivot on),
// "detached" enters a tree that is attached nowhere.
void enter_root_change(struct root *root, const char *how);
