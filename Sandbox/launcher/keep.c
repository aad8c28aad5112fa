// See keep.h.
#define _GNU_SOURCE
#include "keep.h"

#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static int by_value(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }

void keep_only(int *kept, int count) {
    qsort(kept, (size_t)count, sizeof *kept, by_value);
    unsigned next = 3;
    for (int i = 0; i < count; i++) {
        if (kept[i] < 3) continue;
        if ((unsigned)kept[i] > next) syscall(SYS_close_range, next, kept[i] - 1, 0);
        next = (unsigned)kept[i] + 1;
    }
    syscall(SYS_close_range, next, ~0U, 0);
}
