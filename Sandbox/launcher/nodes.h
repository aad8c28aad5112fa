// Directories, links, files and device nodes that the launcher itself makes in the task's root.
#pragma once
#include "mounts.h"

void nodes_make_directory(const struct root *root, const char *path, mode_t mode);
void nodes_make_symlink(const struct root *root, const char *target, const char *path);
void nodes_make_file(const struct root *root, const char *path, mode_t mode, const char *bytes, size_t length);

// A node of the host's /dev, bound.
void nodes_bind_device(const struct root *root, const char *name);

// PATH c|b|u|p MAJOR MINOR MODE UID GID, as the plan has them. What may not be made is bound from the host.
void nodes_make_device(const struct root *root, char **arguments);
