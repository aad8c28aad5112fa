// See stack.h.
#define _GNU_SOURCE
#include "stack.h"
#include "failure.h"

#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

// More than the launch ever used; pages that were never touched are passed over.
#define STACK_RELEASED (96 * 1024)
#define THREAD_BYTES 3072
#define OWN_FRAME_BYTES 512

void stack_release(void) {
    // What this function and the call take lies within so much below its frame; that page stays.
    uintptr_t used = ((uintptr_t)__builtin_frame_address(0) - OWN_FRAME_BYTES) & ~(uintptr_t)4095;
    madvise((void *)(used - STACK_RELEASED), STACK_RELEASED, MADV_DONTNEED);
}

void stack_release_statics(void) {
    extern char _end[];  // the linker's name for the last of them
    uintptr_t from = (uintptr_t)&failure_pipe & ~(uintptr_t)4095, to = ((uintptr_t)_end + 4095) & ~(uintptr_t)4095;
    // This thread's errno, and libc's record of the thread around it, may be among them: two pages stay.
    uintptr_t thread = ((uintptr_t)&errno - THREAD_BYTES) & ~(uintptr_t)4095, behind = thread + 2 * 4096;
    if (thread > to || behind < from) thread = behind = to;
    if (from < thread) madvise((void *)from, thread - from, MADV_DONTNEED);
    if (behind < to) madvise((void *)behind, to - behind, MADV_DONTNEED);
    // Some libraries keep that at the beginning of the heap.
    uintptr_t heap = ((uintptr_t)&errno + THREAD_BYTES + 4095) & ~(uintptr_t)4095, top = (uintptr_t)sbrk(0);
    if ((uintptr_t)&errno >= to && heap < top) madvise((void *)heap, (top - heap) & ~(uintptr_t)4095, MADV_DONTNEED);
}
