// Building the task's root file system out of detached mounts.
#pragma once
#include "plan.h"

#include <sys/types.h>

// The root under construction. `user_namespace` is the descriptor for idmapped mounts, or -1.
struct root {
    int fd;
    int user_namespace;
    uint32_t owner_uid, owner_gid;
};

// Makes the mount namespace private to this task: nothing propagates in or out, but for the binds that ask for it.
void mounts_prepare(const struct plan *plan);

// For a set-up inside the user namespace that the binds are mapped to: takes and maps their copies with the host's powers,
// before that namespace is entered. Before mounts_prepare.
void mounts_prepare_idmapped(const struct plan *plan, int user_namespace);

// Copies of what is bound, by whoever may open it: the task's root may not enter each directory above it.
void mounts_prepare_sources(const struct plan *plan);

// Instead of mounts_prepare, with the host's mount namespace as the present one: the root is built as a detached tree, whose
// copies and file systems never were in anybody's mount table, and `own_namespace` is entered with the pivot.
void mounts_build_detached(int own_namespace);

// The namespace given to mounts_build_detached, or -1.
int mounts_own_namespace(void);

// What `root-propagation` says of the finished root, or NULL.
const char *mounts_root_propagation(void);

// Carries out one operation from OP_ROOT_TMPFS to OP_CHROOT; ends the process through fail() when it cannot.
void mounts_apply(struct root *root, const struct operation *op);
