// The launch plan: a bounded, versioned, strictly checked list of operations (Sandbox/README.md has the format).
// The launcher obeys it line by line and decides nothing.
#pragma once
#include <stddef.h>
#include <stdint.h>

#define PLAN_HEADER "swiftlet-plan 1"
#define PLAN_END "end"  // the last line
// Bounds with their reasons: a plan is arguments, environment and a filter; execve itself takes at most 128 KiB a string. In a namespace of
// some thousand services Kubernetes gives seven variables for each.
#define PLAN_BYTES_MAX (2u << 20)
#ifndef PLAN_OPERATIONS_MAX  // a fuzzer reaches smaller bounds sooner
#define PLAN_OPERATIONS_MAX 12288
#define PLAN_TOKENS_MAX 32768
#endif
// A user's groups stand in one line.
#define PLAN_TOKENS_PER_LINE_MAX 1032
// Filters that may be stacked: each costs every system call of the task.
#define PLAN_FILTERS_MAX 8

enum operation_kind {
    // supervision
    OP_ID, OP_LOG, OP_STDIO, OP_GRACE, OP_STOP_SIGNAL, OP_TERMINAL, OP_DEADLINE, OP_DENIALS, OP_LEARN, OP_START_GATE, OP_ATTACH,
    // what an OCI engine asks for: descriptors to keep, hooks
    OP_PRESERVE_FDS, OP_CONSOLE_SIZE, OP_RUNTIME_HOOKS, OP_HOOK_STATE, OP_HOOK, OP_HOOK_ARG, OP_HOOK_ENV,
    // a container that an OCI runtime makes
    OP_OCI_RUNTIME, OP_OCI_STAGE, OP_OCI_OVERLAY, OP_OCI_BIND,
    // cgroups
    OP_CGROUP_MAKE, OP_CGROUP_SET, OP_CGROUP, OP_CGROUP_REMOVE,
    // namespaces
    OP_NAMESPACE, OP_JOIN_NAMESPACE, OP_JOIN_ROOT, OP_TIME_OFFSET, OP_UID_MAP, OP_GID_MAP, OP_OWNER, OP_ROOTLESS,
    // root and files: OP_ROOT_TMPFS...OP_PIVOT are mounts_apply's
    OP_ROOT_TMPFS, OP_ROOT_BIND, OP_ROOT_OVERLAY, OP_ROOT_DETACHED, OP_ROOT_PROPAGATION,
    OP_MKDIR, OP_SYMLINK, OP_FILE, OP_BIND, OP_BIND_UID_MAP, OP_BIND_GID_MAP, OP_TMPFS, OP_MOUNT, OP_PROC, OP_DEVICE, OP_DEVICE_NODE, OP_MASK, OP_READONLY,
    OP_ROOT_READONLY, OP_PIVOT, OP_CHROOT,
    // system
    OP_HOSTNAME, OP_DOMAINNAME, OP_LOOPBACK, OP_SYSCTL,
    // process
    OP_RLIMIT, OP_OOM_SCORE_ADJ, OP_UMASK, OP_NICE, OP_SCHEDULER, OP_IO_PRIORITY, OP_CPU_AFFINITY, OP_MEMORY_POLICY, OP_PERSONALITY,
    OP_ENTER_USER_NAMESPACE, OP_SECUREBITS, OP_BOUNDING_SET, OP_USER, OP_CAPABILITIES, OP_NO_NEW_PRIVS, OP_CWD,
    // second wall
    OP_LANDLOCK, OP_LANDLOCK_PATH, OP_LANDLOCK_PORT, OP_LANDLOCK_SCOPE,
    // program
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
    uint64_t namespaces;       // those of `namespace`, as clone(2) has them
    uint16_t first[OP_COUNT];  // the first operation of each kind, counted from 1; 0: there is none
    struct operation operation[PLAN_OPERATIONS_MAX];
    char *token[PLAN_TOKENS_MAX];
};

struct plan_error {
    uint32_t line;
    char reason[160];
};

// Reads and checks the plan in a file, or on standard input when `path` is "-". Returns NULL and fills `error` when
// anything at all is not as the format says.
struct plan *plan_read(const char *path, struct plan_error *error);

// The same for bytes in memory, which are copied.
struct plan *plan_parse(const void *bytes, size_t size, struct plan_error *error);

// The next plan is put into this memory (zeroed, mapped, PLAN_ARENA_BYTES), which another process may share; its release unmaps it.
#define PLAN_ARENA_BYTES (sizeof(struct plan) + PLAN_BYTES_MAX + 8192)
void plan_use_arena(void *memory);

// Gives the plan's pages back to the kernel: the supervisor lives long and needs none of it.
void plan_release(struct plan *plan);

// Makes the memory of an accepted plan, which was put into an arena, as it was before: all zero.
void plan_wipe(struct plan *plan);

// First operation of this kind, or NULL.
const struct operation *plan_find(const struct plan *plan, enum operation_kind kind);

// True when `namespace NAME` is in the plan.
int plan_has_namespace(const struct plan *plan, const char *name);

// The path that `join-namespace NAME PATH` names, or NULL.
const char *plan_joined_namespace(const struct plan *plan, const char *name);

// True when the task joins the group at `path`.
int plan_joins_group(const struct plan *plan, const char *path);

// Numbers were checked by plan_read.
uint64_t plan_number(const char *text);
int64_t plan_signed(const char *text);
unsigned plan_octal(const char *text);

// True when the comma-separated list `flags` holds `name`.
int plan_flag(const char *flags, const char *name);

// Decodes hexadecimal in place; returns the byte count.
size_t plan_hex(char *text);
