// The directories above a task's groups, which come again with the next task: a process that serves several keeps them open, as every
// step of a path below a cgroup file system is asked of that file system. Whoever keeps none goes the whole way.
#pragma once
#include "cgroup.h"

#include <stddef.h>

// From now on directories are kept; `release` ends that.
void cgroup_places_keep(void);
void cgroup_places_release(void);

// The calls of these names. A directory that is not there any more is looked for once again.
int cgroup_place_open(const char *path, int flags);
int cgroup_place_make(const char *path);
int cgroup_place_remove(const char *path);
// A file of the group at `path`.
int cgroup_place_open_file(const char *path, const char *file, int flags);

// A child is cloned next, which has those that are open now.
void cgroup_places_inherit(void);
// The one above `path` that the child inherited, and where the rest of the path begins; -1: none.
int cgroup_place_inherited(const char *path, size_t *rest);
