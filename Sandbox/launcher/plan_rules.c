// The grammar of the launch plan as a table: argument types, phase, how often an operation may stand.
#define _GNU_SOURCE
#include "plan_rules.h"

#include <limits.h>
#include <string.h>

// Argument types: p absolute path without ".." or empty components, n unsigned number, i signed number below 10000,
// o octal mode, k keyword [A-Za-z0-9._-], s any string, x hexadecimal bytes, f mount flags, t tmpfs options,
// c controller version "1" or "2". '*' after a type: any number more of it.
// The phase only grows from line to line: this *is* the order of the jail (Sandbox/README.md says why each).
static const struct rule {
    const char *name, *types;
    int phase, once;
} rule[OP_COUNT] = {
    [OP_ID] = {"id", "k", 0, 1},
    [OP_LOG] = {"log", "pn", 0, 1},
    [OP_GRACE] = {"grace", "n", 0, 1},
    [OP_CGROUP] = {"cgroup", "ckp", 0, 0},
    [OP_NAMESPACE] = {"namespace", "k", 0, 0},
    [OP_UID_MAP] = {"uid-map", "nnn", 0, 1},
    [OP_GID_MAP] = {"gid-map", "nnn", 0, 1},
    [OP_OWNER] = {"owner", "nn", 0, 1},
    [OP_ROOT_TMPFS] = {"root-tmpfs", "pt", 10, 1},
    [OP_ROOT_BIND] = {"root-bind", "ppf", 10, 1},
    [OP_MKDIR] = {"mkdir", "po", 20, 0},
    [OP_SYMLINK] = {"symlink", "sp", 20, 0},
    [OP_FILE] = {"file", "pos", 20, 0},
    [OP_BIND] = {"bind", "ppf", 20, 0},
    [OP_TMPFS] = {"tmpfs", "ptf", 20, 0},
    [OP_PROC] = {"proc", "p", 20, 0},
    [OP_DEVICE] = {"device", "k", 20, 0},
    [OP_MASK] = {"mask", "p", 20, 0},
    [OP_READONLY] = {"readonly", "p", 20, 0},
    [OP_ROOT_READONLY] = {"root-readonly", "", 30, 1},
    [OP_PIVOT] = {"pivot", "", 31, 1},
    [OP_HOSTNAME] = {"hostname", "k", 40, 1},
    [OP_LOOPBACK] = {"loopback", "", 40, 1},
    [OP_RLIMIT] = {"rlimit", "knn", 50, 0},
    [OP_OOM_SCORE_ADJ] = {"oom-score-adj", "i", 50, 1},
    [OP_UMASK] = {"umask", "o", 50, 1},
    [OP_ENTER_USER_NAMESPACE] = {"enter-user-namespace", "", 51, 1},
    [OP_BOUNDING_SET] = {"bounding-set", "k", 52, 1},
    [OP_USER] = {"user", "nnn*", 53, 1},
    [OP_CAPABILITIES] = {"capabilities", "k", 54, 1},
    [OP_NO_NEW_PRIVS] = {"no-new-privs", "", 55, 1},
    [OP_CWD] = {"cwd", "p", 56, 1},
    [OP_ENV] = {"env", "s", 57, 0},
    [OP_ARG] = {"arg", "s", 58, 0},
    [OP_SECCOMP] = {"seccomp", "x", 59, 1},
};

static const char *const namespaces[] = {"user", "mount", "pid", "ipc", "uts", "cgroup", "net"};
static const char *const mount_flags[] = {"ro", "rw", "nosuid", "nodev", "noexec", "rec", "idmap", "optional", "link"};
static const char *const tmpfs_options[] = {"size", "nr_inodes", "mode", "uid", "gid"};

static int listed(const char *word, size_t length, const char *const *list, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (strlen(list[i]) == length && !strncmp(list[i], word, length)) return 1;
    return 0;
}

int rules_kind(const char *name, enum operation_kind *kind) {
    for (int i = 0; i < OP_COUNT; i++)
        if (!strcmp(rule[i].name, name)) { *kind = (enum operation_kind)i; return 1; }
    return 0;
}

static int is_number(const char *text, size_t max_digits, char top) {
    size_t length = strspn(text, top == '7' ? "01234567" : "0123456789");
    return length > 0 && length <= max_digits && !text[length];
}

static int is_path(const char *text) {
    if (text[0] != '/' || strlen(text) >= PATH_MAX) return 0;
    if (!text[1]) return 1;
    for (const char *at = text; *at;) {
        const char *part = at + 1;
        size_t length = strcspn(part, "/");
        if (!length || (length == 1 && part[0] == '.') || (length == 2 && part[0] == '.' && part[1] == '.')) return 0;
        at = part + length;
    }
    return 1;
}

// A comma-separated list of flags, or of key=value pairs when `pairs` is set.
static int is_list(const char *text, const char *const *list, size_t count, int pairs) {
    for (const char *at = text;; at++) {
        size_t length = strcspn(at, ",");
        const char *equals = pairs ? memchr(at, '=', length) : at + length;
        if (!equals || !listed(at, (size_t)(equals - at), list, count)) return 0;
        if (pairs && (equals + 1 == at + length || strspn(equals + 1, "0123456789") < (size_t)(at + length - equals - 1)))
            return 0;
        at += length;
        if (!*at) return 1;
    }
}

static int fits(char type, const char *text) {
    switch (type) {
    case 'p': return is_path(text);
    case 'n': return is_number(text, 18, '9');
    case 'o': return is_number(text, 4, '7');
    case 'i': return is_number(text[0] == '-' ? text + 1 : text, 4, '9');
    case 'k': return *text && !text[strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")];
    case 's': return 1;
    case 'x': return *text && strlen(text) % 2 == 0 && !text[strspn(text, "0123456789ABCDEF")];
    case 'f': return is_list(text, mount_flags, sizeof mount_flags / sizeof *mount_flags, 0);
    case 't': return is_list(text, tmpfs_options, sizeof tmpfs_options / sizeof *tmpfs_options, 1);
    case 'c': return !strcmp(text, "1") || !strcmp(text, "2");
    default: return 0;
    }
}

const char *rules_check_operation(const struct operation *op) {
    const char *types = rule[op->kind].types;
    char last = 0;
    int repeats = 0;
    for (uint32_t i = 0; i < op->count; i++) {
        if (*types) last = *types++;
        else if (!repeats) return "too many arguments";
        if (*types == '*') { repeats = 1; types++; }
        if (!fits(last, op->argument[i])) return "an argument is not of the kind expected";
    }
    // "nnn*" means the third is optional.
    if (*types && !(types[0] && types[1] == '*')) return "too few arguments";
    switch (op->kind) {
    case OP_NAMESPACE:
        if (!listed(op->argument[0], strlen(op->argument[0]), namespaces, sizeof namespaces / sizeof *namespaces))
            return "unknown namespace";
        return NULL;
    case OP_UID_MAP:
    case OP_GID_MAP: {
        uint64_t inside = plan_number(op->argument[0]), host = plan_number(op->argument[1]);
        uint64_t count = plan_number(op->argument[2]);
        if (!host) return "the host's root may not be mapped";
        if (!count || inside + count > UINT32_MAX || host + count > UINT32_MAX) return "id range out of bounds";
        return NULL;
    }
    case OP_OWNER:
    case OP_USER:
        for (uint32_t i = 0; i < op->count; i++)
            if (plan_number(op->argument[i]) >= UINT32_MAX) return "id out of bounds";
        return NULL;
    case OP_BOUNDING_SET:
    case OP_CAPABILITIES: return strcmp(op->argument[0], "none") ? "only \"none\" is defined in version 1" : NULL;
    case OP_SECCOMP: return strlen(op->argument[0]) % 16 ? "a filter is a multiple of 8 bytes" : NULL;
    case OP_DEVICE: return op->argument[0][0] == '.' ? "not a device name" : NULL;
    case OP_ENV: return strchr(op->argument[0], '=') > op->argument[0] ? NULL : "expected NAME=VALUE";
    default: return NULL;
    }
}

const char *rules_check_plan(const struct plan *plan, uint32_t *line) {
    int phase = 0;
    uint32_t seen[OP_COUNT] = {0};
    for (uint32_t i = 0; i < plan->count; i++) {
        const struct operation *op = &plan->operation[i];
        *line = op->line;
        if (rule[op->kind].phase < phase) return "operation stands too late in the order";
        phase = rule[op->kind].phase;
        if (seen[op->kind]++ && rule[op->kind].once) return "operation may stand only once";
    }
    *line = 0;
    if (!seen[OP_ID] || !seen[OP_LOG] || !seen[OP_ARG]) return "id, log and arg are required";
    if (seen[OP_ROOT_TMPFS] && seen[OP_ROOT_BIND]) return "root-tmpfs and root-bind exclude each other";
    int root = seen[OP_ROOT_TMPFS] || seen[OP_ROOT_BIND];
    if (root != (seen[OP_PIVOT] != 0)) return "a root needs pivot, and pivot a root";
    if (root && !plan_has_namespace(plan, "mount")) return "a root needs namespace mount";
    for (int kind = OP_MKDIR; kind <= OP_ROOT_READONLY; kind++)
        if (seen[kind] && !root) return "file system operations need a root";
    if (seen[OP_PROC] && !plan_has_namespace(plan, "pid")) return "proc needs namespace pid";
    if (seen[OP_HOSTNAME] && !plan_has_namespace(plan, "uts")) return "hostname needs namespace uts";
    if (seen[OP_LOOPBACK] && !plan_has_namespace(plan, "net")) return "loopback needs namespace net";
    int user = plan_has_namespace(plan, "user");
    if (user != (seen[OP_UID_MAP] && seen[OP_GID_MAP])) return "namespace user needs uid-map and gid-map, and they it";
    if (user != (seen[OP_ENTER_USER_NAMESPACE] != 0)) return "namespace user needs enter-user-namespace, and it that";
    if (user && !seen[OP_USER]) return "namespace user needs user";
    if (seen[OP_SECCOMP] && !seen[OP_NO_NEW_PRIVS]) return "seccomp needs no-new-privs";
    return NULL;
}
