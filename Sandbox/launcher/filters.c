// See filters.h.
#define _GNU_SOURCE
#include "filters.h"
#include "failure.h"
#include "names.h"
#include "notify.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>
#include <unistd.h>

int filters_before_capabilities(const struct plan *plan) {
    const struct operation *first = plan_find(plan, OP_SECCOMP);
    return first && first->count > 1 && plan_flag(first->argument[1], "before-capabilities");
}

static void load(const struct operation *op, int listened_to) {
    size_t bytes = plan_hex(op->argument[0]);
    uint64_t flags = op->count > 1 ? names_mask(names_seccomp_flag, op->argument[1]) & ~SECCOMP_BEFORE_CAPABILITIES : 0;
    struct sock_fprog program = {.len = (unsigned short)(bytes / sizeof(struct sock_filter)),
                                 .filter = (struct sock_filter *)(void *)op->argument[0]};
    long result = listened_to ? notify_load(&program, flags) : syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
    if (result < 0) fail(errno, "seccomp(load line %u)", op->line);
}

void filters_load(const struct plan *plan) {
    const struct operation *last = NULL;
    for (uint32_t i = 0; i < plan->count; i++) {
        if (plan->operation[i].kind != OP_SECCOMP) continue;
        if (last) load(last, 0);
        last = &plan->operation[i];
    }
    // A process has one listener at most: the last filter's.
    if (last) load(last, notify_wanted(plan));
}
