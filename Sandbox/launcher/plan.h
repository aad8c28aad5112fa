// The launch plan: a bounded, versioned, strictly checked list of operations (Sandbox/README.md has the format).
// The launcher obeys it line by line and decides nothing.
#pragma once
#include <stddef.h>
#include <stdint.h>

#define PLAN_HEADER "swiftlet-plan 1"
// Bounds with their reasons: a plan is arguments, environment and a filter; execve itself takes at most 128 KiB a string.
#define PLAN_BYTES_MAX (1u << 20)
#define PLAN_OPERATIONS_MAX 4096
#define PLAN_TOKENS_MAX 16384
#define PLAN_TOKENS_PER_LINE_MAX 40

enum operation_kind {
    OP_ID, OP_LOG, OP_GRACE, OP_CGROUP, OP_NAMESPACE, OP_UID_MAP, OP_GID_MAP, OP_OWNER,
    OP_ROOT_TMPFS, OP_ROOT_BIND,
    OP_MKDIR, OP_SYMLINK, OP_FILE, OP_BIND, OP_TMPFS, OP_PROC, OP_DEVICE, OP_MASK, OP_READONLY,
    OP_ROOT_READONLY, OP_PIVOT,
    OP_HOSTNAME, OP_LOOPBACK,
    OP_RLIMIT, OP_OOM_SCORE_ADJ, OP_UMASK, OP_ENTER_USER_NAMESPACE, OP_BOUNDING_SET, OP_USER, OP_CAPABILITIES, OP_NO_NEW_PRIVS, OP_CWD,
    OP_ENV, OP_ARG, OP_SECCOMP,
    OP_COUNT
};

struct operation {
    enum operation_kind kind;
    uint32_t line;
    uint32_t count;  // arguments
    char **argument; // NUL-terminated, decoded, inside `bytes`
    size_t length;   // decoded bytes of the last argument (file contents may hold any byte)
};

struct plan {
    char *bytes;
    size_t size;
    uint32_t count;
    uint32_t tokens;
    struct operation operation[PLAN_OPERATIONS_MAX];
    char *token[PLAN_TOKENS_MAX];
};

struct plan_error {
    uint32_t line;
    char reason[160];
};

// Reads and checks the plan. Returns NULL and fills `error` when anything at all is not as the format says.
struct plan *plan_read(const char *path, struct plan_error *error);

// Gives the plan's pages back to the kernel: the supervisor lives long and needs none of it.
void plan_release(struct plan *plan);

// First operation of this kind, or NULL.
const struct operation *plan_find(const struct plan *plan, enum operation_kind kind);

// True when `namespace NAME` is in the plan.
int plan_has_namespace(const struct plan *plan, const char *name);

// Numbers were checked by plan_read.
uint64_t plan_number(const char *text);
unsigned plan_octal(const char *text);

// True when the comma-separated list `flags` holds `name`.
int plan_flag(const char *flags, const char *name);

// Decodes hexadecimal in place; returns the byte count.
size_t plan_hex(char *text);
