// Overlay file systems: layers by path, of any length and number, with the task's ids where the flags ask for them.
#pragma once
#include "mounts.h"

// A detached overlay. `options`: lowerdir=A:B,upperdir=C,workdir=D and flags; `\` before `:` or `,` inside a path.
// Flag idmap: files of the host's root belong to the task's root, in every layer; upper and work then stand side by side.
// `place` is a directory that nothing is mounted on yet.
int overlay_make(const struct root *root, const char *options, const char *flags, const char *place);
