// Opening and making paths beneath a root that may hold hostile symbolic links.
#pragma once
#include <stdint.h>

// Host ids of the task's root, as whom mount points are made on id-mapped file systems.
void rootpath_set_owner(uint32_t uid, uint32_t gid);

// On an id-mapped file system the launcher's own id has no name (EOVERFLOW), but that of the task's root has. True when errno
// says so: the caller makes its call again as that id, then becomes itself.
int rootpath_become_owner(void);
void rootpath_become_self(void);

// From now on `root` is a new tmpfs of ours that nobody else has: its names change by nobody but us, so the last parent directory is kept
// and what was just made is not looked for again.
void rootpath_set_fresh(int root);
int rootpath_is_fresh(int root);

// O_PATH descriptor of an existing path beneath the root, or -1 with errno.
int rootpath_open(int root, const char *path);

// O_PATH descriptor of the parent directory of `path`, made where missing; `name` is set to the last component. For rootpath_leave.
int rootpath_parent(int root, const char *path, const char **name);
void rootpath_leave(int parent);

// Descriptor of the place to mount on: made as a directory or an empty file where missing.
int rootpath_target(int root, const char *path, int directory);

// The same for a directory that must be where its path says: no symbolic link on the way.
int rootpath_plain_directory(int root, const char *path);
