// The grammar of the launch plan as a table: argument types, phase, how often an operation may stand.
#define _GNU_SOURCE
#include "plan_rules.h"
#include "names.h"
#include "plan_words.h"

#include <string.h>

// Argument types are plan_words.h's letters; '?' after one: may be missing; '*': any number of it.
// The phase only grows from line to line: this *is* the order of the jail (Sandbox/README.md says why each).
static const struct rule {
    const char *name, *types;
    int phase, once;
} rule[OP_COUNT] = {
    [OP_ID] = {"id", "k", 0, 1},
    [OP_LOG] = {"log", "pnn?n?k?", 0, 1},
    [OP_STDIO] = {"stdio", "k", 0, 1},
    [OP_GRACE] = {"grace", "n", 0, 1},
    [OP_STOP_SIGNAL] = {"stop-signal", "n", 0, 1},
    [OP_TERMINAL] = {"terminal", "pk?", 0, 1},
    [OP_DEADLINE] = {"deadline", "n", 0, 1},
    [OP_DENIALS] = {"denials", "n", 0, 1},
    [OP_LEARN] = {"learn", "p", 0, 1},
    [OP_START_GATE] = {"start-gate", "pk?", 0, 1},
    [OP_ATTACH] = {"attach", "a", 0, 1},
    [OP_PRESERVE_FDS] = {"preserve-fds", "n", 0, 1},
    [OP_CONSOLE_SIZE] = {"console-size", "nn", 0, 1},
    [OP_RUNTIME_HOOKS] = {"runtime-hooks", "", 0, 1},
    [OP_HOOK_STATE] = {"hook-state", "ss", 0, 1},
    [OP_HOOK] = {"hook", "kpn", 0, 0},
    [OP_HOOK_ARG] = {"hook-arg", "s", 0, 0},
    [OP_HOOK_ENV] = {"hook-env", "s", 0, 0},
    [OP_OCI_RUNTIME] = {"oci-runtime", "kpnnsk", 0, 1},
    [OP_OCI_STAGE] = {"oci-stage", "pp?", 0, 1},
    [OP_OCI_OVERLAY] = {"oci-overlay", "psf", 0, 1},
    [OP_OCI_BIND] = {"oci-bind", "ppf", 0, 0},
    [OP_CGROUP_MAKE] = {"cgroup-make", "vp", 0, 0},
    [OP_CGROUP_SET] = {"cgroup-set", "pks", 0, 0},
    [OP_CGROUP] = {"cgroup", "vkp", 0, 0},
    [OP_CGROUP_REMOVE] = {"cgroup-remove", "p", 0, 0},
    [OP_NAMESPACE] = {"namespace", "kk?", 0, 0},
    [OP_JOIN_NAMESPACE] = {"join-namespace", "kp", 0, 0},
    [OP_JOIN_ROOT] = {"join-root", "p", 0, 1},
    [OP_TIME_OFFSET] = {"time-offset", "kzn", 0, 0},
    [OP_UID_MAP] = {"uid-map", "nnnk?", 0, 0},
    [OP_GID_MAP] = {"gid-map", "nnnk?", 0, 0},
    [OP_OWNER] = {"owner", "nn", 0, 1},
    [OP_ROOTLESS] = {"rootless", "sp?", 0, 1},
    [OP_ROOT_TMPFS] = {"root-tmpfs", "pt", 10, 1},
    [OP_ROOT_BIND] = {"root-bind", "ppf", 10, 1},
    [OP_ROOT_OVERLAY] = {"root-overlay", "psf", 10, 1},
    [OP_ROOT_DETACHED] = {"root-detached", "p", 10, 1},
    [OP_ROOT_PROPAGATION] = {"root-propagation", "k", 11, 1},
    [OP_MKDIR] = {"mkdir", "po", 20, 0},
    [OP_SYMLINK] = {"symlink", "sp", 20, 0},
    [OP_FILE] = {"file", "pos", 20, 0},
    [OP_BIND] = {"bind", "ppf", 20, 0},
    [OP_BIND_UID_MAP] = {"bind-uid-map", "nnn", 20, 0},
    [OP_BIND_GID_MAP] = {"bind-gid-map", "nnn", 20, 0},
    [OP_TMPFS] = {"tmpfs", "ptf", 20, 0},
    [OP_MOUNT] = {"mount", "kspfs", 20, 0},
    [OP_PROC] = {"proc", "pq?", 20, 0},
    [OP_DEVICE] = {"device", "k", 20, 0},
    [OP_DEVICE_NODE] = {"device-node", "pknnonn", 20, 0},
    [OP_MASK] = {"mask", "p", 20, 0},
    [OP_READONLY] = {"readonly", "pk?", 20, 0},
    [OP_ROOT_READONLY] = {"root-readonly", "", 30, 1},
    [OP_PIVOT] = {"pivot", "", 31, 1},
    [OP_CHROOT] = {"chroot", "k", 31, 1},
    [OP_HOSTNAME] = {"hostname", "k", 40, 1},
    [OP_DOMAINNAME] = {"domainname", "k", 40, 1},
    [OP_LOOPBACK] = {"loopback", "", 40, 1},
    [OP_SYSCTL] = {"sysctl", "ys", 40, 0},
    [OP_RLIMIT] = {"rlimit", "kuu", 50, 0},
    [OP_OOM_SCORE_ADJ] = {"oom-score-adj", "i", 50, 1},
    [OP_UMASK] = {"umask", "o", 50, 1},
    [OP_NICE] = {"nice", "i", 50, 1},
    [OP_SCHEDULER] = {"scheduler", "kis?n?n?n?", 50, 1},
    [OP_IO_PRIORITY] = {"io-priority", "kn", 50, 1},
    [OP_CPU_AFFINITY] = {"cpu-affinity", "l", 50, 1},
    [OP_MEMORY_POLICY] = {"memory-policy", "kkl?", 50, 1},
    [OP_PERSONALITY] = {"personality", "h", 50, 1},
    [OP_ENTER_USER_NAMESPACE] = {"enter-user-namespace", "", 51, 1},
    [OP_SECUREBITS] = {"securebits", "b", 52, 1},
    [OP_BOUNDING_SET] = {"bounding-set", "c", 53, 1},
    [OP_USER] = {"user", "nnn*", 54, 1},
    [OP_CAPABILITIES] = {"capabilities", "cc?c?c?", 55, 1},
    [OP_NO_NEW_PRIVS] = {"no-new-privs", "", 56, 1},
    [OP_CWD] = {"cwd", "p", 57, 1},
    [OP_LANDLOCK] = {"landlock", "k", 58, 1},
    [OP_LANDLOCK_PATH] = {"landlock-path", "pr", 59, 0},
    [OP_LANDLOCK_PORT] = {"landlock-port", "kk", 59, 0},
    [OP_LANDLOCK_SCOPE] = {"landlock-scope", "e", 59, 1},
    [OP_ENV] = {"env", "s", 60, 0},
    [OP_ARG] = {"arg", "s", 61, 0},
    [OP_SECCOMP] = {"seccomp", "xm?", 62, 0},
};

// From the last one that was found on: a plan's operations stand in much the table's order.
int rules_kind(const char *name, enum operation_kind *kind) {
    for (int i = 0, at = *kind; i < OP_COUNT; i++, at = at + 1 < OP_COUNT ? at + 1 : 0)
        if (rule[at].name[0] == name[0] && !strcmp(rule[at].name, name)) { *kind = (enum operation_kind)at; return 1; }
    return 0;
}

int rules_phase(enum operation_kind kind) { return rule[kind].phase; }
int rules_once(enum operation_kind kind) { return rule[kind].once; }

static const char *check_map(const struct operation *op) {
    uint64_t inside = plan_number(op->argument[0]), host = plan_number(op->argument[1]);
    uint64_t count = plan_number(op->argument[2]);
    if (op->count == 4 && strcmp(op->argument[3], "host-root")) return "expected nothing or host-root behind the range";
    int is_mount = op->kind == OP_BIND_UID_MAP || op->kind == OP_BIND_GID_MAP;  // nobody is ever in that namespace
    if (!host && op->count < 4 && !is_mount) return "the host's root may not be mapped (unless the line ends with host-root)";
    if (!count || inside + count > UINT32_MAX || host + count > UINT32_MAX) return "id range out of bounds";
    return NULL;
}

static const char *check_capabilities(const struct operation *op) {
    if (op->count == 1) return strcmp(op->argument[0], "none") ? "expected none, or four sets" : NULL;
    if (op->count != 4) return "expected EFFECTIVE PERMITTED INHERITABLE AMBIENT";
    uint64_t set[4];
    for (int i = 0; i < 4; i++) set[i] = names_mask(names_capability, op->argument[i]);
    if (set[0] & ~set[1]) return "an effective capability is not permitted";
    if (set[3] & ~(set[1] & set[2])) return "an ambient capability is not permitted and inheritable";
    return NULL;
}

static const char *check_scheduler(const struct operation *op) {
    if (!names_find(names_scheduler, op->argument[0], strlen(op->argument[0]))) return "unknown scheduling policy";
    int64_t priority = plan_signed(op->argument[1]);
    if (priority < -20 || priority > 99) return "priority out of bounds";
    static const struct name *const tables[] = {names_scheduler_flag, NULL};
    if (op->count > 2 && !names_known(tables, op->argument[2])) return "unknown scheduler flag";
    if (op->count > 3 && op->count != 6) return "expected RUNTIME DEADLINE PERIOD";
    if (!strcmp(op->argument[0], "deadline") && op->count != 6) return "policy deadline needs RUNTIME DEADLINE PERIOD";
    return NULL;
}

static const char *check_device_node(const struct operation *op) {
    static const char types[] = "cbup";
    if (strlen(op->argument[1]) != 1 || !strchr(types, op->argument[1][0])) return "expected c, b, u or p";
    if (plan_number(op->argument[2]) > 0xfff || plan_number(op->argument[3]) > 0xfffff) return "device number out of bounds";
    if (plan_number(op->argument[5]) >= UINT32_MAX || plan_number(op->argument[6]) >= UINT32_MAX) return "id out of bounds";
    return NULL;
}

static const char *check_numbers(const char *list, const char *reason) {
    for (const char *at = list; *at; at++) {
        uint64_t number = 0;
        for (; *at >= '0' && *at <= '9'; at++) number = number * 10 + (uint64_t)(*at - '0');
        if (number >= 1024) return reason;
        if (!*at) break;
    }
    return NULL;
}

static const char *one_of(const char *word, const char *first, const char *second, const char *reason) {
    return !strcmp(word, first) || !strcmp(word, second) ? NULL : reason;
}

// What the letters of the table cannot say.
// A preserved descriptor costs nothing, but a number without bound is a mistake.
static const char *check_hook(const struct operation *op) {
    if (op->kind == OP_PRESERVE_FDS) return plan_number(op->argument[0]) > 1024 ? "too many descriptors" : NULL;
    if (plan_number(op->argument[2]) > 86400000) return "a timeout is at most a day";
    return one_of(op->argument[0], "create-container", "start-container", "expected create-container or start-container");
}

static const char *check_meaning(const struct operation *op) {
    char **a = op->argument;
    switch (op->kind) {
    case OP_LOG: return op->count > 4 && strcmp(a[4], "late") ? "expected nothing or late behind the age" : NULL;
    case OP_STDIO: return strcmp(a[0], "inherit") ? "expected inherit" : NULL;
    case OP_GRACE:
    case OP_DEADLINE: return plan_number(a[0]) > 1ull << 53 ? "time out of bounds" : NULL;
    case OP_STOP_SIGNAL: {  // 32 and 33 are libc's own
        uint64_t number = plan_number(a[0]);
        return number < 1 || number > 64 || number == 32 || number == 33 ? "not the number of a signal" : NULL;
    }
    case OP_HOOK:
    case OP_PRESERVE_FDS: return check_hook(op);
    case OP_CONSOLE_SIZE: return plan_number(a[0]) > 65535 || plan_number(a[1]) > 65535 ? "size out of bounds" : NULL;
    case OP_CHROOT: return one_of(a[0], "move", "detached", "expected move or detached");
    case OP_CGROUP_SET: return a[1][0] == '.' ? "not the name of a cgroup file" : NULL;
    case OP_JOIN_NAMESPACE:
    case OP_NAMESPACE:
        if (!names_value(names_namespace, a[0])) return "unknown namespace";
        if (op->kind == OP_NAMESPACE && op->count == 2) {
            if (strcmp(a[1], "owned")) return "expected nothing or owned behind the namespace";
            if (!strcmp(a[0], "user") || !strcmp(a[0], "mount") || !strcmp(a[0], "pid")) return "this namespace cannot be owned";
        }
        return NULL;
    case OP_TIME_OFFSET:
        if (plan_number(a[2]) > 999999999) return "nanoseconds out of bounds";
        return one_of(a[0], "monotonic", "boottime", "expected monotonic or boottime");
    case OP_UID_MAP:
    case OP_GID_MAP:
    case OP_BIND_UID_MAP:
    case OP_BIND_GID_MAP: return check_map(op);
    case OP_ROOTLESS:
        if (op->count == 1) return strcmp(a[0], "direct") ? "expected direct, or the paths of newuidmap and newgidmap" : NULL;
        return plan_word_fits('p', a[0]) ? NULL : "expected the paths of newuidmap and newgidmap";
    case OP_OWNER:
    case OP_USER:
        for (uint32_t i = 0; i < op->count; i++)
            if (plan_number(a[i]) >= UINT32_MAX) return "id out of bounds";
        return NULL;
    case OP_ROOT_PROPAGATION: return names_value(names_mount_propagation, a[0]) ? NULL : "unknown propagation";
    case OP_START_GATE: return op->count > 1 && strcmp(a[1], "unseen") ? "expected nothing or unseen behind the path" : NULL;
    case OP_TERMINAL: return op->count > 1 && strcmp(a[1], "plain") ? "expected nothing or plain behind the path" : NULL;
    case OP_READONLY: return op->count > 1 && strcmp(a[1], "top") ? "expected nothing or top behind the path" : NULL;
    case OP_DEVICE: return a[0][0] == '.' ? "not a device name" : NULL;
    case OP_DEVICE_NODE: return check_device_node(op);
    case OP_RLIMIT: return names_find(names_rlimit, a[0], strlen(a[0])) ? NULL : "unknown limit";
    case OP_OOM_SCORE_ADJ: return plan_signed(a[0]) < -1000 || plan_signed(a[0]) > 1000 ? "score out of bounds" : NULL;
    case OP_NICE: return plan_signed(a[0]) < -20 || plan_signed(a[0]) > 19 ? "nice value out of bounds" : NULL;
    case OP_SCHEDULER: return check_scheduler(op);
    case OP_IO_PRIORITY:
        if (!names_value(names_io_class, a[0])) return "unknown class of input and output";
        return plan_number(a[1]) > 7 ? "level out of bounds" : NULL;
    case OP_CPU_AFFINITY: return check_numbers(a[0], "a CPU's number is out of bounds");
    case OP_MEMORY_POLICY: {
        static const struct name *const flags[] = {names_memory_flag, NULL};
        if (!names_find(names_memory_mode, a[0], strlen(a[0]))) return "unknown memory policy";
        if (!names_known(flags, a[1])) return "unknown memory policy flag";
        return op->count > 2 ? check_numbers(a[2], "a node's number is out of bounds") : NULL;
    }
    case OP_CAPABILITIES: return check_capabilities(op);
    case OP_LANDLOCK: return one_of(a[0], "required", "best", "expected required or best");
    case OP_LANDLOCK_PORT:
        if (strcmp(a[1], "none") && (!plan_word_fits('n', a[1]) || plan_number(a[1]) > 65535)) return "expected a port or none";
        return one_of(a[0], "bind", "connect", "expected bind or connect");
    case OP_ENV: return strchr(a[0], '=') > a[0] ? NULL : "expected NAME=VALUE";
    case OP_SECCOMP: return strlen(a[0]) % 16 || strlen(a[0]) / 16 > 4096 ? "a filter is 1 to 4096 times 8 bytes" : NULL;
    default: return NULL;
    }
}

const char *rules_check_operation(const struct operation *op) {
    const char *types = rule[op->kind].types;
    for (uint32_t i = 0; i < op->count; i++) {
        if (!*types) return "too many arguments";
        if (!plan_word_fits(types[0], op->argument[i])) return "an argument is not of the kind expected";
        if (types[1] != '*') types += types[1] == '?' ? 2 : 1;
    }
    if (*types && types[1] != '?' && types[1] != '*') return "too few arguments";
    return check_meaning(op);
}
