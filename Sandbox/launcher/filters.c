// See filters.h.
#define _GNU_SOURCE
#include "filters.h"
#include "failure.h"
#include "names.h"
#include "notify.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int filters_before_capabilities(const struct plan *plan) {
    const struct operation *first = plan_find(plan, OP_SECCOMP);
    return first && first->count > 1 && plan_flag(first->argument[1], "before-capabilities");
}

#if defined(__x86_64__)
#define OWN_ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OWN_ARCHITECTURE AUDIT_ARCH_AARCH64
#else
#error "an architecture for this machine"
#endif

#define DIGITS_PER_INSTRUCTION (2 * sizeof(struct sock_filter))

// Out of the plan's text, which stays as it is.
static struct sock_filter instruction(const char *digits) {
    struct sock_filter result;
    char text[DIGITS_PER_INSTRUCTION + 1];
    memcpy(text, digits, DIGITS_PER_INSTRUCTION);
    text[DIGITS_PER_INSTRUCTION] = 0;
    plan_hex(text);
    memcpy(&result, text, sizeof result);
    return result;
}

static int jumps(const struct sock_filter *i, uint32_t value) {
    switch (BPF_OP(i->code)) {
    case BPF_JEQ: return value == i->k;
    case BPF_JGT: return value > i->k;
    case BPF_JGE: return value >= i->k;
    default: return (value & i->k) != 0;  // BPF_JSET
    }
}

// What the program answers for this call, as far as its number alone decides (seccomp(2)); an answer that depends on more, or on what
// seccomp programs rarely use, is taken for a question.
static int asks_about(const char *program, uint32_t number) {
    size_t count = strlen(program) / DIGITS_PER_INSTRUCTION;
    uint32_t value = 0;
    for (size_t at = 0; at < count; at++) {
        struct sock_filter i = instruction(program + at * DIGITS_PER_INSTRUCTION);
        switch (i.code) {
        case BPF_LD | BPF_W | BPF_ABS:
            if (i.k == offsetof(struct seccomp_data, nr)) value = number;
            else if (i.k == offsetof(struct seccomp_data, arch)) value = OWN_ARCHITECTURE;
            else return 1;
            break;
        case BPF_JMP | BPF_JA: at += i.k; break;
        case BPF_JMP | BPF_JEQ | BPF_K: case BPF_JMP | BPF_JGT | BPF_K: case BPF_JMP | BPF_JGE | BPF_K: case BPF_JMP | BPF_JSET | BPF_K:
            at += jumps(&i, value) ? i.jt : i.jf;
            break;
        case BPF_RET | BPF_K: return (i.k & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_USER_NOTIF;
        default: return 1;
        }
    }
    return 1;
}

// exec, and what fail() does when there is no such program.
static const uint32_t start_calls[] = {SYS_execve, SYS_write, SYS_exit_group};

int filters_let_start(const struct plan *plan) {
    const struct operation *last = NULL;
    for (uint32_t i = 0; i < plan->count; i++)
        if (plan->operation[i].kind == OP_SECCOMP) last = &plan->operation[i];
    if (!last || filters_before_capabilities(plan)) return 0;
    for (size_t i = 0; i < sizeof start_calls / sizeof *start_calls; i++)
        if (asks_about(last->argument[0], start_calls[i])) return 0;
    return 1;
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
