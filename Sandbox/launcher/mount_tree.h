// Detached mounts: made with all their flags before anybody can reach them, then attached at a descriptor.
#pragma once
#include "mounts.h"

// MOUNT_ATTR_... of a list of mount flags.
uint64_t mount_tree_attributes(const char *flags);

// A detached copy of what is at `source`, as it is; -1 with errno.
int mount_tree_open(const char *source, const char *flags);

// A copy of `source` with its flags set; -1 when it does not exist and the flags call it optional.
// `prepared`: a copy taken earlier, or -1.
int mount_tree_copy(const struct root *root, const char *source, const char *flags, int prepared);

// A new file system. `options`: key=value or key, between commas, `\` before a comma that belongs to a value.
// `source` may be empty. `path` is for messages.
int mount_tree_new(const char *type, const char *source, const char *options, const char *flags, const char *path);

// Sets the propagation that the flags name, if any: on a tree, or on an attached mount by a descriptor of its root.
void mount_tree_propagate(int tree, const char *flags, const char *path);

// Attaches `tree` at `target`, and closes both.
void mount_tree_attach(int tree, int target, const char *what, const char *path);

// Sets one option of a file system that is being made; NULL value: a flag. Ends the process when it is refused.
void mount_tree_option(int context, const char *key, const char *value, const char *path);

// Makes the file system that was configured, detached, and closes `context`.
int mount_tree_create(int context, const char *type, const char *flags, const char *path);
