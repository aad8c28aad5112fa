// See keep.h.
#define _GNU_SOURCE
#include "keep.h"
#include "workspace.h"

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

#define SOON 32
static int soon[SOON] TOGETHER, soon_count TOGETHER;

void close_soon(int descriptor) {
    if (soon_count == SOON) {
        close_all(soon, SOON);
        soon_count = 0;
    }
    soon[soon_count++] = descriptor;
}

void close_all(int *gone, int count) {
    sort(gone, count);
    for (int first = 0, last; first < count; first = last + 1) {
        for (last = first; last + 1 < count && gone[last + 1] <= gone[last] + 1; last++) {}
        int from = gone[first] > 0 ? gone[first] : 0;
        if (gone[last] >= 0) syscall(SYS_close_range, from, gone[last], 0);
    }
}
