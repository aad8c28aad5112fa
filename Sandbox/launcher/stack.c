// See stack.h.
#define _GNU_SOURCE
#include "stack.h"

#include <stdint.h>
#include <sys/mman.h>

// More than the launch ever used; pages that were never touched are passed over.
#define STACK_RELEASED (96 * 1024)

void stack_release(void) {
    uintptr_t here = (uintptr_t)__builtin_frame_address(0) & ~(uintptr_t)4095;
    // This page and the next below stay: they are in use now.
    madvise((void *)(here - STACK_RELEASED), STACK_RELEASED - 4096, MADV_DONTNEED);
}
