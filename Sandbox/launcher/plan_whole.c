// What the operations of a plan must have of each other: order, what needs what, what excludes what.
#define _GNU_SOURCE
#include "names.h"
#include "plan_rules.h"

#include <string.h>

// Own or joined: either way not the host's.
static int has_namespace(const struct plan *plan, const char *name) {
    return plan_has_namespace(plan, name) || plan_joined_namespace(plan, name);
}

static const char *check_order(const struct plan *plan, uint32_t *seen, uint32_t *line) {
    int phase = 0;
    for (uint32_t i = 0; i < plan->count; i++) {
        const struct operation *op = &plan->operation[i];
        *line = op->line;
        if (rules_phase(op->kind) < phase) return "operation stands too late in the order";
        phase = rules_phase(op->kind);
        if ((op->kind == OP_HOOK_ARG || op->kind == OP_HOOK_ENV) && !seen[OP_HOOK]) return "stands before its hook";
        if (seen[op->kind]++ && rules_once(op->kind)) return "operation may stand only once";
    }
    *line = 0;
    return NULL;
}

static const char *check_namespaces(const struct plan *plan, const uint32_t *seen, uint32_t *line) {
    uint64_t named = 0;
    for (uint32_t i = 0; i < plan->count; i++) {
        const struct operation *op = &plan->operation[i];
        if (op->kind != OP_NAMESPACE && op->kind != OP_JOIN_NAMESPACE) continue;
        uint64_t bit = names_value(names_namespace, op->argument[0]);
        *line = op->line;
        if (named & bit) return "this namespace is named already";
        named |= bit;
        if (op->kind == OP_NAMESPACE && op->count == 2 && !plan_has_namespace(plan, "user"))
            return "an owned namespace needs namespace user";
    }
    *line = 0;
    int own = plan_has_namespace(plan, "user"), joined = plan_joined_namespace(plan, "user") != NULL;
    if (own != (seen[OP_UID_MAP] && seen[OP_GID_MAP])) return "namespace user needs uid-map and gid-map, and they it";
    if (!own && (seen[OP_UID_MAP] || seen[OP_GID_MAP])) return "maps need namespace user";
    int entered = (seen[OP_ENTER_USER_NAMESPACE] != 0) + (seen[OP_ROOTLESS] != 0);
    if ((own || joined) != entered || entered > 1) return "namespace user needs enter-user-namespace or rootless, and they it";
    if ((own || joined) && !seen[OP_USER]) return "namespace user needs user";
    if (seen[OP_TIME_OFFSET] && !plan_has_namespace(plan, "time")) return "time-offset needs namespace time";
    if (seen[OP_HOSTNAME] && !has_namespace(plan, "uts")) return "hostname needs namespace uts";
    if (seen[OP_DOMAINNAME] && !has_namespace(plan, "uts")) return "domainname needs namespace uts";
    if (seen[OP_LOOPBACK] && !has_namespace(plan, "net")) return "loopback needs namespace net";
    return NULL;
}

static const char *check_root(const struct plan *plan, const uint32_t *seen) {
    uint32_t roots = seen[OP_ROOT_TMPFS] + seen[OP_ROOT_BIND] + seen[OP_ROOT_OVERLAY] + seen[OP_ROOT_DETACHED];
    if (roots > 1) return "root-tmpfs, root-bind and root-overlay exclude each other";
    if (roots != seen[OP_PIVOT] + seen[OP_CHROOT]) return "a root needs pivot or chroot, and they a root";
    // A detached tree is entered, and attached nowhere: it needs no mount table of its own.
    if (roots && !seen[OP_ROOT_DETACHED] && !plan_has_namespace(plan, "mount")) return "a root needs namespace mount";
    if (seen[OP_ROOT_DETACHED] && !seen[OP_CHROOT]) return "root-detached needs chroot";
    for (int kind = OP_ROOT_PROPAGATION; kind <= OP_ROOT_READONLY; kind++)
        if (seen[kind] && !roots) return "file system operations need a root";
    if (seen[OP_PROC] && !has_namespace(plan, "pid")) return "proc needs namespace pid";
    return NULL;
}

static const char *check_bind_maps(const struct plan *plan, uint32_t *line) {
    const struct operation *bind = NULL;
    for (uint32_t i = 0; i < plan->count; i++) {
        const struct operation *op = &plan->operation[i];
        if (op->kind == OP_BIND) bind = plan_flag(op->argument[2], "idmap") ? op : NULL;
        else if (op->kind != OP_BIND_UID_MAP && op->kind != OP_BIND_GID_MAP) bind = NULL;
        else if (!bind) {
            *line = op->line;
            return "maps of a bind stand behind one that has idmap";
        }
    }
    return NULL;
}

// The kernel keeps one value of these per namespace; of every other name it has only the machine's.
static const char *check_sysctls(const struct plan *plan, uint32_t *line) {
    for (uint32_t i = 0; i < plan->count; i++) {
        const struct operation *op = &plan->operation[i];
        if (op->kind != OP_SYSCTL) continue;
        char name[256];
        *line = op->line;
        strcpy(name, op->argument[0]);  // bounded by the grammar of the word
        if (!strchr(name, '/'))
            for (char *at = name; *at; at++)
                if (*at == '.') *at = '/';
        int ipc = !strncmp(name, "kernel/shm", 10) || !strncmp(name, "kernel/msg", 10) || !strcmp(name, "kernel/sem") ||
                  !strncmp(name, "fs/mqueue/", 10);
        int net = !strncmp(name, "net/", 4);
        if (!ipc && !net) return "not a sysctl of a namespace";
        if (ipc && !has_namespace(plan, "ipc")) return "this sysctl needs namespace ipc";
        if (net && !has_namespace(plan, "net")) return "this sysctl needs namespace net";
    }
    *line = 0;
    return NULL;
}

static const char *check_walls(const struct plan *plan, const uint32_t *seen, uint32_t *line) {
    uint32_t rules = seen[OP_LANDLOCK_PATH] + seen[OP_LANDLOCK_PORT] + seen[OP_LANDLOCK_SCOPE];
    if ((rules != 0) != (seen[OP_LANDLOCK] != 0)) return "landlock needs rules, and they it";
    if (seen[OP_LANDLOCK] && !seen[OP_NO_NEW_PRIVS]) return "landlock needs no-new-privs";
    if (seen[OP_SECCOMP] > PLAN_FILTERS_MAX) return "too many filters";
    if (seen[OP_DENIALS] && seen[OP_LEARN]) return "denials and learn exclude each other";
    if ((seen[OP_DENIALS] || seen[OP_LEARN]) && !seen[OP_SECCOMP]) return "denials and learn need seccomp";
    for (uint32_t i = 0; i < plan->count; i++) {
        const struct operation *op = &plan->operation[i];
        if (op->kind != OP_SECCOMP) continue;
        *line = op->line;
        int before = op->count > 1 && plan_flag(op->argument[1], "before-capabilities");
        if (before && seen[OP_NO_NEW_PRIVS]) return "before-capabilities is for plans without no-new-privs";
        if (before && !seen[OP_CAPABILITIES]) return "before-capabilities needs capabilities";
        if (!before && !seen[OP_NO_NEW_PRIVS]) return "seccomp needs no-new-privs";
    }
    *line = 0;
    return NULL;
}

const char *rules_check_plan(const struct plan *plan, uint32_t *line) {
    uint32_t seen[OP_COUNT] = {0};
    const char *reason = check_order(plan, seen, line);
    if (reason) return reason;
    if (!seen[OP_ID] || !seen[OP_ARG]) return "id and arg are required";
    if (seen[OP_LOG] + seen[OP_STDIO] + seen[OP_TERMINAL] != 1) return "one of log, stdio and terminal is required";
    if (seen[OP_ATTACH] && !seen[OP_LOG]) return "attach needs log";
    if ((seen[OP_OCI_BIND] || seen[OP_OCI_OVERLAY]) && !seen[OP_OCI_STAGE]) return "oci-bind and oci-overlay need oci-stage";
    if (seen[OP_OCI_STAGE] != seen[OP_OCI_RUNTIME]) return "oci-runtime needs oci-stage, and they each other";
    if (seen[OP_OCI_RUNTIME] && !seen[OP_LOG]) return "oci-runtime needs log";
    if ((reason = check_namespaces(plan, seen, line))) return reason;
    if ((reason = check_root(plan, seen))) return reason;
    if ((reason = check_sysctls(plan, line)) || (reason = check_bind_maps(plan, line))) return reason;
    return check_walls(plan, seen, line);
}

const struct operation *rules_create_only(const struct plan *plan) {
    static const enum operation_kind kinds[] = {
        OP_START_GATE, OP_RUNTIME_HOOKS, OP_HOOK_STATE, OP_HOOK, OP_JOIN_ROOT, OP_OCI_RUNTIME, OP_BIND_UID_MAP, OP_BIND_GID_MAP};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (plan_find(plan, kinds[i])) return plan_find(plan, kinds[i]);
    return NULL;
}
