// libFuzzer target: any bytes as a launch plan. Whatever plan_parse accepts must hold what the launcher relies on.
// launcher: plan_parse.c plan_rules.c plan_whole.c plan_words.c names.c
#define _GNU_SOURCE
#include "../launcher/plan.h"
#include "lines.h"

#include <stdlib.h>
#include <string.h>

// Reads every byte that the launcher would read; AddressSanitizer judges.
static size_t read_everything(const struct plan *plan) {
    size_t sum = 0;
    for (uint32_t i = 0; i < plan->count; i++) {
        const struct operation *op = &plan->operation[i];
        if (op->kind >= OP_COUNT || op->line < 2) abort();
        for (uint32_t k = 0; k < op->count; k++) {
            const char *word = op->argument[k];
            sum += strlen(word);
            sum += (size_t)plan_flag(word, "ro") + plan_number(word) + plan_octal(word);
            if (word < plan->bytes || word >= plan->bytes + plan->size) abort();  // decoded in place, inside the plan
        }
        if (op->count && op->argument[op->count - 1] + op->length >= plan->bytes + plan->size) abort();
    }
    return sum;
}

static int has(const struct plan *plan, enum operation_kind kind) { return plan_find(plan, kind) != NULL; }

static void expect_promises(struct plan *plan) {
    if (!has(plan, OP_ID) || !has(plan, OP_ARG)) abort();
    int user = plan_has_namespace(plan, "user") || plan_joined_namespace(plan, "user");
    if (user != has(plan, OP_ENTER_USER_NAMESPACE) + has(plan, OP_ROOTLESS)) abort();
    for (uint32_t i = 0; i < plan->count; i++) {
        const struct operation *op = &plan->operation[i];
        if (op->kind != OP_SECCOMP) continue;
        // Without no-new-privs only one who has capabilities may load a filter.
        int before = op->count > 1 && plan_flag(op->argument[1], "before-capabilities");
        if (!before && !has(plan, OP_NO_NEW_PRIVS)) abort();
        if (plan_hex(op->argument[0]) % 8) abort();
    }
}

static void test(const uint8_t *data, size_t size) {
    struct plan_error error;
    struct plan *plan = plan_parse(data, size, &error);
    if (!plan) {
        if (!memchr(error.reason, 0, sizeof error.reason) || !error.reason[0]) abort();
        return;
    }
    volatile size_t keep = read_everything(plan);
    (void)keep;
    expect_promises(plan);
    plan_release(plan);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static uint8_t ended[1 << 17];
    static const char end[] = PLAN_END "\n";
    test(data, size);
    // Few mutations keep the last line where it is: the rest must be tried all the same.
    if (size + sizeof end > sizeof ended) return 0;
    memcpy(ended, data, size);
    memcpy(ended + size, end, sizeof end - 1);
    test(ended, size + sizeof end - 1);
    return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed) {
    return lines_mutate(data, size, max_size, seed);
}
