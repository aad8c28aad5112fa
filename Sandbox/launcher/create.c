// See create.h. This process prepares what only the host may (cgroups, id maps, sockets), enters namespaces, clones the
// container's process as its own sibling and ends; the clone builds the jail around itself and becomes the program.
#define _GNU_SOURCE
#include "create.h"
#include "cgroup.h"
#include "console.h"
#include "failure.h"
#include "gate.h"
#include "hooks.h"
#include "host.h"
#include "identity.h"
#include "join.h"
#include "mounts.h"
#include "namespaces.h"
#include "payload.h"
#include "rootless.h"
#include "system.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

struct container {
    const struct plan *plan;
    struct cgroups cgroups;
    int sync, gate, console;
    int user_namespace;  // a new one's descriptor, or -1
    int joins;           // enters an existing container: its processes are there already, and may be hostile
    int is_watched;      // so, or joins any namespace: whose processes are who we are there, before we are the program
};

static struct container container;

static int report(const struct failure *failure) {
    return write(container.sync, failure, sizeof *failure) == (ssize_t)sizeof *failure ? 1 : 2;
}

// Root in the user namespace that was just entered; its maps may lack id 0.
static void become_root_inside(void) {
    if (setgroups(0, NULL) < 0 && errno != EPERM) fail(errno, "user-namespace(groups)");
    if (setresgid(0, 0, 0) < 0 && errno != EINVAL) fail(errno, "user-namespace(gid 0)");
    if (setresuid(0, 0, 0) < 0 && errno != EINVAL) fail(errno, "user-namespace(uid 0)");
}

static void before_root(const struct root *root) {
    hooks_ask_caller(container.plan, container.sync);
    // Hooks begin in the root, as with runc; the host's paths are there all the same.
    if (root->fd >= 0 && fchdir(root->fd) < 0) fail(errno, "hooks(root)");
    hooks_run(container.plan, "create-container");
}

static void build_jail(const struct plan *plan) {
    struct root root = {.fd = -1, .user_namespace = -1};
    cgroups_join(&container.cgroups, AT_FDCWD);
    if (plan_has_namespace(plan, "cgroup") && unshare(CLONE_NEWCGROUP) < 0) fail(errno, "namespace(cgroup)");
    int asked = 0;
    if (plan_has_namespace(plan, "mount")) mounts_prepare(plan);
    for (uint32_t i = 0; i < plan->count; i++) {
        const struct operation *op = &plan->operation[i];
        // Hooks see the host's paths and the container's mounts.
        if ((op->kind == OP_PIVOT || op->kind == OP_CHROOT) && !asked++) before_root(&root);
        if (op->kind >= OP_ROOT_TMPFS && op->kind <= OP_CHROOT) mounts_apply(&root, op);
        else if (op->kind >= OP_HOSTNAME && op->kind <= OP_SYSCTL) system_apply(op);
    }
    if (!asked) before_root(&root);
}

// So that the program may open /dev/stdout and its like again by name (runc does the same).
static void own_standard_streams(const struct plan *plan) {
    const struct operation *user = plan_find(plan, OP_USER);
    if (!user) return;
    uid_t uid = (uid_t)plan_number(user->argument[0]);
    for (int fd = 0; fd < 3; fd++) {
        struct stat info;
        if (fstat(fd, &info) < 0 || info.st_uid == uid) continue;
        if (S_ISCHR(info.st_mode) && info.st_rdev == makedev(1, 3)) continue;  // /dev/null is everybody's
        // Files of others, and ids that are not mapped, stay as they are.
        if (fchown(fd, uid, (gid_t)-1) < 0 && errno != EPERM && errno != EINVAL && errno != EROFS) fail(errno, "stdio(chown)");
    }
}

// Called by the payload when all is set but the filter and exec.
static void before_exec(void) {
    if (container.gate >= 0) {
        char word = 'R';
        gate_heed_signals();
        if (write(container.sync, &word, 1) != 1) _exit(126);
        close(container.sync);
        failure_pipe = gate_wait(container.gate);
    }
    hooks_run(container.plan, "start-container");
}

_Noreturn static void run(void) {
    const struct plan *plan = container.plan;
    failure_pipe = container.sync;
    // Among a container's processes nobody may look into this one before it is the program.
    if (prctl(PR_SET_DUMPABLE, !container.is_watched, 0, 0, 0) < 0) fail(errno, "dumpable");
    if (setsid() < 0) fail(errno, "setsid");
    build_jail(plan);
    if (container.console >= 0) console_take(plan, container.console, !container.joins);
    own_standard_streams(plan);
    payload_before_exec = before_exec;
    payload_keep(container.gate);
    payload_keep(container.sync);
    const struct streams streams = {.in = -1, .out = 1, .err = 2, .console = -1};
    payload_run(plan, -1, &streams);
}

// A user namespace that is joined gives its ids to mounts as one of the container's own does.
static void prepare_idmapped(const struct plan *plan) {
    int joined = -1;
    for (uint32_t i = 0; i < plan->count && container.user_namespace < 0; i++) {
        const struct operation *op = &plan->operation[i];
        if (op->kind != OP_JOIN_NAMESPACE || strcmp(op->argument[0], "user")) continue;
        joined = openat(AT_FDCWD, op->argument[1], O_RDONLY | O_CLOEXEC);
        if (joined < 0) fail(errno, "join-namespace(%s)", op->argument[1]);
    }
    mounts_prepare_idmapped(plan, joined >= 0 ? joined : container.user_namespace);
    if (joined >= 0) close(joined);
}

static int prepare(const struct plan *plan, struct failure *failure) {
    const struct operation *gate = plan_find(plan, OP_START_GATE);
    if (cgroups_open(&container.cgroups, plan, failure) < 0) return -1;
    if (gate && (container.gate = gate_listen(gate->argument[0])) < 0) {
        failure_set(failure, errno, "start-gate(%.200s)", gate->argument[0]);
        return -1;
    }
    container.console = console_connect(plan);
    if (container.console >= 0 && container.joins) console_prepare();
    if (!plan_has_namespace(plan, "mount")) host_keep();
    if (plan_has_namespace(plan, "user")) {
        container.user_namespace = rootless_make_user_namespace(plan, failure);
        if (container.user_namespace < 0) return -1;
    }
    prepare_idmapped(plan);
    int has_users = plan_has_namespace(plan, "user") || plan_joined_namespace(plan, "user");
    int has_mounts = plan_has_namespace(plan, "mount") && !plan_joined_namespace(plan, "mount");
    if (has_users && has_mounts && geteuid() == 0) mounts_prepare_sources(plan);
    // Opened while its path means what the plan means.
    const struct operation *joined_root = plan_find(plan, OP_JOIN_ROOT);
    int root = joined_root ? openat(AT_FDCWD, joined_root->argument[0], O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
    if (joined_root && root < 0) {
        failure_set(failure, errno, "join-root(%.200s)", joined_root->argument[0]);
        return -1;
    }
    if (join_namespaces(plan, failure) < 0) return -1;
    if (root >= 0 && (fchdir(root) < 0 || chroot(".") < 0)) {
        failure_set(failure, errno, "join-root(%.200s)", joined_root->argument[0]);
        return -1;
    }
    if (root >= 0) close(root);
    // The host's root may set a clock's offset, which the task's root may not: the namespace is nobody's to have power over.
    int has_time = !plan_has_namespace(plan, "time");
    if (!has_time && geteuid() == 0) has_time = namespaces_make_time(plan) == 0;
    if (container.user_namespace >= 0) {
        // Entered before the clone: every namespace that the clone makes belongs to it.
        identity_enter_user_namespace(container.user_namespace);
        close(container.user_namespace);
    }
    if (plan_joined_namespace(plan, "user")) rootless_learn_groups();
    if (container.user_namespace >= 0 || plan_joined_namespace(plan, "user")) become_root_inside();
    if (!has_time && namespaces_make_time(plan) < 0) {
        failure_set(failure, errno, "namespace(time)");
        return -1;
    }
    return 0;
}

int create(const char *plan_path, int sync) {
    struct plan_error error;
    struct failure failure = {0};
    container.gate = container.console = container.user_namespace = -1;
    container.sync = failure_pipe = sync;
    fcntl(sync, F_SETFD, FD_CLOEXEC);
    const struct plan *plan = plan_read(plan_path, &error);
    if (!plan) {
        failure_set(&failure, EINVAL, "plan(line %u: %s)", error.line, error.reason);
        return report(&failure);
    }
    container.plan = plan;
    container.joins = plan_find(plan, OP_JOIN_ROOT) || (plan_joined_namespace(plan, "mount") && !plan_find(plan, OP_ROOT_DETACHED));
    container.is_watched = container.joins || plan_find(plan, OP_JOIN_NAMESPACE);
    if (container.is_watched) prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    if (prepare(plan, &failure) < 0) return report(&failure);
    // The caller's child, not ours: we end at once, and the caller is who waits for it.
    struct clone_args args = {.flags = (namespaces_clone_flags(plan) & ~(uint64_t)CLONE_NEWUSER) | CLONE_PARENT};
    pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);
    if (pid < 0) {
        failure_set(&failure, errno, "clone");
        return report(&failure);
    }
    if (pid == 0) run();
    char word[16] = "P";
    int length = snprintf(word + 1, sizeof word - 1, "%d", pid);
    return write(sync, word, (size_t)length + 1) == length + 1 ? 0 : 2;
}
