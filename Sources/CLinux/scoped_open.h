// openat2(2) beneath a root whose symbolic links may be hostile. The launcher has this file and its .c as links: one walk for both.
#pragma once
#include <limits.h>
#include <stdint.h>

// openat2(2) with RESOLVE_IN_ROOT and what else `resolve` says. Where the kernel will not follow a ".." because something is renamed or
// mounted elsewhere on the machine meanwhile, the way is found component by component. -1 with errno, never EAGAIN for that reason.
int scoped_open(int root, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve);

// The second of the two by itself.
int scoped_open_by_steps(int root, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve);

// Where `path` is or would be beneath the root, with no link left in it: a link that leads nowhere is followed all the same. 0, or -1 with
// errno.
int scoped_place(int root, const char *path, char place[PATH_MAX]);
