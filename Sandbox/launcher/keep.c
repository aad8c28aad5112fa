// See keep.h.
#define _GNU_SOURCE
#include "keep.h"

#include <sys/syscall.h>
#include <unistd.h>

// By insertion: there are about a dozen.
static void sort(int *kept, int count) {
    for (int i = 1; i < count; i++) {
        int value = kept[i], at = i;
        for (; at > 0 && kept[at - 1] > value; at--) kept[at] = kept[at - 1];
        kept[at] = value;
    }
}

void keep_only(int *kept, int count) {
    sort(kept, count);
    unsigned next = 3;
    for (int i = 0; i < count; i++) {
        if (kept[i] < 3) continue;
        if ((unsigned)kept[i] > next) syscall(SYS_close_range, next, kept[i] - 1, 0);
        next = (unsigned)kept[i] + 1;
    }
    syscall(SYS_close_range, next, ~0U, 0);
}
