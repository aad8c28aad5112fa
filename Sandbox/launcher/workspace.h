// Memory of the supervisor that none of its children gets: a page that a fork shares is copied when it is next written to.
#pragma once
#include <stddef.h>

#define WORKSPACE_BYTES 16384

// For one function at a time, and for none that a child between clone and exec calls. Nothing in it outlives the function.
extern char workspace[WORKSPACE_BYTES];

// From now on no fork copies these whole pages; in a child they are not there.
void workspace_keep(void *start, size_t bytes);

// The next fork copies them again.
void workspace_share(void *start, size_t bytes);

// Gives the workspace's pages back until it is next used.
void workspace_release(void);
