// See landlock.h. Everything that this kernel's version knows of a kind is handled (refused by default), as soon as the plan has
// a rule of that kind: landlock(7).
#define _GNU_SOURCE
#include "landlock.h"
#include "failure.h"
#include "names.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// The kernel's structures, of which this machine's headers may know an older version.
struct ruleset { uint64_t paths, ports, scopes; };
struct path_rule { uint64_t rights; int32_t parent; } __attribute__((packed));
struct port_rule { uint64_t rights, port; };

#define RULE_PATH 1
#define RULE_PORT 2
#define RIGHT_BIND 1ull
#define RIGHT_CONNECT 2ull
#define RIGHTS_OF_FILES (1ull | 2ull | 4ull | 1ull << 14 | 1ull << 15)  // execute, write, read, truncate, ioctl

struct landlock {
    const struct plan *plan;
    int version, required, ruleset;
    struct ruleset handled;
};

static uint64_t known_rights(int version) {
    uint64_t rights = (1ull << 13) - 1;
    if (version >= 2) rights |= 1ull << 13;  // refer
    if (version >= 3) rights |= 1ull << 14;  // truncate
    if (version >= 5) rights |= 1ull << 15;  // ioctl on devices
    return rights;
}

static uint64_t port_right(const struct operation *op) { return strcmp(op->argument[0], "bind") ? RIGHT_CONNECT : RIGHT_BIND; }

// What the plan has rules of, as far as the kernel can.
static void choose_handled(struct landlock *l) {
    uint64_t scopes = 0;
    for (uint32_t i = 0; i < l->plan->count; i++) {
        const struct operation *op = &l->plan->operation[i];
        if (op->kind == OP_LANDLOCK_PATH) l->handled.paths = known_rights(l->version);
        if (op->kind == OP_LANDLOCK_PORT) l->handled.ports |= port_right(op);
        if (op->kind == OP_LANDLOCK_SCOPE) scopes |= names_mask(names_landlock_scope, op->argument[0]);
    }
    if (l->required && l->handled.ports && l->version < 4)
        fail(EOPNOTSUPP, "landlock-port(needs version 4, the kernel has %d)", l->version);
    if (l->required && scopes && l->version < 6)
        fail(EOPNOTSUPP, "landlock-scope(needs version 6, the kernel has %d)", l->version);
    if (l->version < 4) l->handled.ports = 0;
    l->handled.scopes = l->version < 6 ? 0 : scopes;
    // The first version refuses every move between directories, allowed or not: programs would break, so files stay unheld.
    if (l->version < 2 && !l->required) l->handled.paths = 0;
}

static void allow_path(const struct landlock *l, const struct operation *op) {
    const char *path = op->argument[0], *rights = op->argument[1];
    int fd = openat(AT_FDCWD, path, O_PATH | O_CLOEXEC);
    if (fd < 0) {
        // Where the task's user cannot get to, there is nothing to allow.
        if (errno == EACCES || ((errno == ENOENT || errno == ENOTDIR) && plan_flag(rights, "optional"))) return;
        fail(errno, "landlock-path(%s)", path);
    }
    struct stat info;
    if (fstat(fd, &info) < 0) fail(errno, "landlock-path(%s)", path);
    struct path_rule rule = {names_mask(names_landlock_right, rights) & l->handled.paths, fd};
    if (!S_ISDIR(info.st_mode)) rule.rights &= RIGHTS_OF_FILES;
    if (rule.rights && syscall(SYS_landlock_add_rule, l->ruleset, RULE_PATH, &rule, 0) < 0)
        fail(errno, "landlock-path(%s)", path);
    close(fd);
}

static void allow_port(const struct landlock *l, const struct operation *op) {
    struct port_rule rule = {port_right(op) & l->handled.ports, 0};
    if (!rule.rights || !strcmp(op->argument[1], "none")) return;
    rule.port = plan_number(op->argument[1]);
    if (syscall(SYS_landlock_add_rule, l->ruleset, RULE_PORT, &rule, 0) < 0)
        fail(errno, "landlock-port(%s %s)", op->argument[0], op->argument[1]);
}

void landlock_apply(const struct plan *plan) {
    const struct operation *wanted = plan_find(plan, OP_LANDLOCK);
    if (!wanted) return;
    struct landlock l = {.plan = plan, .required = !strcmp(wanted->argument[0], "required")};
    l.version = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (l.version < 1) {
        if (l.required) fail(errno, "landlock(this kernel has none)");
        return;
    }
    choose_handled(&l);
    if (!l.handled.paths && !l.handled.ports && !l.handled.scopes) return;
    // Older kernels know shorter structures: the part that they have not is zero then, and is not passed.
    size_t size = l.version >= 6 ? 24 : l.version >= 4 ? 16 : 8;
    l.ruleset = (int)syscall(SYS_landlock_create_ruleset, &l.handled, size, 0);
    if (l.ruleset < 0) fail(errno, "landlock(ruleset)");
    for (uint32_t i = 0; i < plan->count; i++) {
        if (plan->operation[i].kind == OP_LANDLOCK_PATH) allow_path(&l, &plan->operation[i]);
        if (plan->operation[i].kind == OP_LANDLOCK_PORT) allow_port(&l, &plan->operation[i]);
    }
    if (syscall(SYS_landlock_restrict_self, l.ruleset, 0) < 0) fail(errno, "landlock(restrict)");
    close(l.ruleset);
}
