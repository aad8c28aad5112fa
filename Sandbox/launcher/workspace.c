// See workspace.h.
#define _GNU_SOURCE
#include "workspace.h"

#include <sys/mman.h>

char workspace[WORKSPACE_BYTES] __attribute__((aligned(4096)));

// Where the kernel refuses, the pages are copied: dearer, and no more.
void workspace_keep(void *start, size_t bytes) { madvise(start, bytes, MADV_DONTFORK); }

void workspace_share(void *start, size_t bytes) { madvise(start, bytes, MADV_DOFORK); }

void workspace_release(void) { madvise(workspace, sizeof workspace, MADV_DONTNEED); }
