// Overlay file systems: layers by path, of any length and number, with the task's ids where the flags ask for them.
#pragma once
#include "mounts.h"

// A detached overlay. `options`: lowerdir=A:B,upperdir=C,workdir=D and flags; `\` before `:` or `,` inside a path.
// Flag idmap: in the lower layers, files of the host's root belong to the task's root. The upper layer holds the task's host ids
// as they are; its directory, which is the root's own inode, is to belong to the task's root.
// `place` is a directory that nothing is mounted on yet.
int overlay_make(const struct root *root, const char *options, const char *flags, const char *place);
