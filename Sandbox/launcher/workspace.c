// See workspace.h.
#define _GNU_SOURCE
#include "workspace.h"

#include <stdint.h>
#include <sys/mman.h>

static char usual[WORKSPACE_BYTES] __attribute__((aligned(4096)));
char *workspace = usual;

// More than a supervisor uses between two forks.
#define STACK_BELOW (256 * 1024)

void *workspace_new(size_t bytes) {
    void *pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) return NULL;
    workspace_keep(pages, bytes);
    return pages;
}

void workspace_separate(void) {
    char *pages = workspace_new(WORKSPACE_BYTES);
    if (pages) workspace = pages;
}

// Where the kernel refuses, the pages are copied: dearer, and no more.
void workspace_keep(void *start, size_t bytes) { madvise(start, bytes, MADV_DONTFORK); }

void workspace_share(void *start, size_t bytes) { madvise(start, bytes, MADV_DOFORK); }

static uintptr_t stack_end TOGETHER;

void workspace_note_stack(char **arguments) { stack_end = (uintptr_t)arguments & ~(uintptr_t)4095; }

// Pages that are not there yet are passed over.
static void advise_stack(int advice) {
    uintptr_t from = ((uintptr_t)__builtin_frame_address(0) - STACK_BELOW) & ~(uintptr_t)4095;
    if (from < stack_end) madvise((void *)from, stack_end - from, advice);
}

void workspace_keep_stack(void) { advise_stack(MADV_DONTFORK); }

void workspace_share_stack(void) { advise_stack(MADV_DOFORK); }

void workspace_release(void) { madvise(workspace, WORKSPACE_BYTES, MADV_DONTNEED); }
