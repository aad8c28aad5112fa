// The child of the clone. It stays as pid 1 of the task so that orphans are reaped and default signal actions work
// for the payload (pid 1 would ignore them), and it holds no privilege once the payload is started.
#define _GNU_SOURCE
#include "init.h"
#include "capabilities.h"
#include "console.h"
#include "failure.h"
#include "filters.h"
#include "host.h"
#include "identity.h"
#include "keep.h"
#include "mounts.h"
#include "mounts_ahead.h"
#include "namespaces.h"
#include "notify.h"
#include "payload.h"
#include "rootless.h"
#include "rootpath.h"
#include "stack.h"
#include "system.h"
#include "workspace.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define KERNEL_SIGSET_BYTES 8

static char *title TOGETHER;
static size_t title_bytes TOGETHER;

void init_title_area(char *start, size_t bytes) {
    title = start;
    title_bytes = bytes;
}

static void set_title(void) {
    static const char name[] = "init";
    if (title_bytes < sizeof name) return;
    memset(title, 0, title_bytes);
    memcpy(title, name, sizeof name);
    prctl(PR_SET_NAME, name, 0, 0, 0);
}

// Of an init that was cloned before its plan was known; else the clone made it.
static void enter_network(const struct launch *launch) {
    if (launch->own_mounts < 0 || !plan_has_namespace(launch->plan, "net")) return;
    if (launch->net_namespace >= 0 ? setns(launch->net_namespace, CLONE_NEWNET) : unshare(CLONE_NEWNET)) fail(errno, "namespace(net)");
}

static void apply(const struct launch *launch, struct root *root, const struct operation *op) {
    if (op->kind >= OP_ROOT_TMPFS && op->kind <= OP_CHROOT) mounts_apply(root, op);
    else if (op->kind == OP_LOOPBACK && launch->net_namespace >= 0) return;
    else if (op->kind >= OP_HOSTNAME && op->kind <= OP_SYSCTL) system_apply(op);
}

// A mount is a few hundred bytes; so many may be made before the task's groups pay for what it needs.
#define EARLY_MOUNTS_MAX 24

// Whether the task's namespaces are all there but that of cgroups, so that nothing of the host's tree is needed behind the pivot
// but the groups themselves.
static int is_at_home(const struct launch *launch) {
    if (launch->own_mounts < 0 || launch->net_namespace < 0 || !plan_has_namespace(launch->plan, "net")) return 0;
    for (uint32_t i = 0; i < launch->plan->count; i++) {
        const struct operation *op = &launch->plan->operation[i];
        if (op->kind == OP_JOIN_NAMESPACE || (op->kind == OP_NAMESPACE && op->count == 2)) return 0;
    }
    return 1;
}

// Operations that store nothing, in no namespace that init has yet to enter.
static int needs_no_group(const struct plan *plan, const struct operation *op, int at_home) {
    switch (op->kind) {
    case OP_ROOT_READONLY: case OP_PIVOT: case OP_HOSTNAME: case OP_DOMAINNAME: case OP_LOOPBACK: return at_home;
    case OP_BIND: return !plan_joins_group(plan, op->argument[0]);
    case OP_ROOT_BIND: case OP_ROOT_OVERLAY: case OP_PROC: case OP_DEVICE: case OP_MASK: case OP_READONLY: return 1;
    case OP_TMPFS: return !plan_flag(op->argument[2], "tmpcopyup");
    default: return op->kind < OP_ROOT_TMPFS;
    }
}

void init_wait_for(const uint32_t *word, uint32_t value) {
    for (uint32_t now; (now = __atomic_load_n(word, __ATOMIC_ACQUIRE)) < value;) syscall(SYS_futex, word, FUTEX_WAIT, now, NULL, NULL, 0);
}

void init_tell(uint32_t *word, uint32_t value) {
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
    syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

int init_is_orphan(int status) {
    struct pollfd reader = {.fd = status};
    return poll(&reader, 1, 0) != 0;
}

// Nobody else would notice the task's end. Any change of ids clears this, that for making a file as another user too.
static void die_with_supervisor(const struct launch *launch) {
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0) fail(errno, "init(parent death signal)");
    if (init_is_orphan(launch->status)) _exit(126);  // it died before the line above
}

// Who had a moment left when its supervisor died, sharing its descriptors as the carrier of a user namespace does, made it look alive to
// die_with_supervisor: so it is looked at again.
#define ORPHAN_CHECK_SECONDS 1

static void await(const struct launch *launch, const uint32_t *word, uint32_t value) {
    struct timespec limit = {ORPHAN_CHECK_SECONDS, 0};
    for (uint32_t now; (now = __atomic_load_n(word, __ATOMIC_ACQUIRE)) < value;)
        if (syscall(SYS_futex, word, FUTEX_WAIT, now, &limit, NULL, 0) < 0 && errno == ETIMEDOUT && init_is_orphan(launch->status)) _exit(126);
}

// Through the host's /proc, as the supervisor's descriptors are not ours.
static int take_user_namespace(const struct launch *launch) {
    char path[64];
    die_with_supervisor(launch);
    await(launch, launch->user_namespace_is_there, 1);
    snprintf(path, sizeof path, "%d/fd/%u", launch->supervisor, *launch->user_namespace_is_there - 1);
    int fd = host_proc_open(path, O_RDONLY);
    if (fd < 0) fail(errno, "namespace(open user)");
    return fd;
}

// Everything from the root file system to the host name, in plan order.
static void build_jail(const struct launch *launch) {
    const struct plan *plan = launch->plan;
    const struct operation *owner = plan_find(plan, OP_OWNER);
    struct root root = {.fd = -1, .user_namespace = launch->user_namespace};
    uint32_t next = 0;
    if (owner) {
        root.owner_uid = (uint32_t)plan_number(owner->argument[0]);
        root.owner_gid = (uint32_t)plan_number(owner->argument[1]);
        rootpath_set_owner(root.owner_uid, root.owner_gid);
    }
    if (launch->own_mounts >= 0) mounts_build_detached(launch->own_mounts);
    else if (launch->groups) mounts_prepare(plan);
    int at_home = launch->groups && is_at_home(launch);
    int host_root = at_home ? launch->host_root : AT_FDCWD;
    if (at_home) enter_network(launch);
    // While the supervisor makes the groups.
    for (int early = 0; launch->groups && next < plan->count; next++) {
        const struct operation *op = &plan->operation[next];
        if (!needs_no_group(plan, op, at_home) || (early += op->kind >= OP_ROOT_TMPFS && op->kind <= OP_READONLY) > EARLY_MOUNTS_MAX) break;
        apply(launch, &root, op);
    }
    if (launch->groups) {
        die_with_supervisor(launch);
        await(launch, launch->groups, GROUPS_STAND);
    }
    // Joined before anything is stored: what the set-up itself allocates (tmpfs pages) is already the task's own.
    cgroups_join(launch->cgroups, host_root);
    if (launch->groups) await(launch, launch->groups, GROUPS_ARE_SET);
    if (!at_home) enter_network(launch);
    namespaces_enter(plan, launch->user_namespace);
    if (launch->own_mounts < 0 && !launch->groups && plan_has_namespace(plan, "mount")) mounts_prepare(plan);
    for (; next < plan->count; next++) apply(launch, &root, &plan->operation[next]);
    mounts_drop_ahead();
}

// Whether the payload may come to have other ids than the plan's.
static int may_change_ids(const struct plan *plan) {
    return !plan_find(plan, OP_NO_NEW_PRIVS) || capabilities_wanted(plan_find(plan, OP_CAPABILITIES)).permitted & CAPABILITY_SETUID;
}

// Gives up what init no longer needs: it takes the payload's own identity, so that it may signal it and nothing more. Whoever may
// leave that identity must be told to stop all the same: by the power to signal others, of whom init sees only the task's.
static void settle(const struct launch *launch) {
    const struct plan *plan = launch->plan;
    const struct operation *user = plan_find(plan, OP_USER);
    int keep = plan_has_namespace(plan, "pid") && may_change_ids(plan);
    if (launch->user_namespace >= 0) identity_enter_user_namespace(launch->user_namespace);
    if (user) identity_become(user, keep);
    if (keep) capabilities_keep(CAPABILITY_KILL);
    else capabilities_drop();
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) fail(errno, "init(no-new-privs)");
    // Same ids as the payload: not dumpable, so that the payload can neither trace it nor read its memory.
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0) fail(errno, "init(dumpable)");
    if (!plan_has_namespace(plan, "pid")) prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    die_with_supervisor(launch);
}

// Memory that only the launch needed. No static variable is there any more afterwards.
static void release(struct launch *launch) {
    plan_release((struct plan *)(uintptr_t)launch->plan);
    if (launch->shared) munmap(launch->shared, launch->shared_bytes);
    stack_release();
    stack_release_statics();
}

// A task that outlives this is one that stays.
#define MOMENT_NS 30000000

// What ends within this is told with its start, in one go: fewer processes wake up, and nothing is recorded twice.
#define AT_ONCE_NS 400000

static struct payload_end payload_end(int status, const struct rusage *usage) {
    int64_t us = (int64_t)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * 1000000 + usage->ru_utime.tv_usec + usage->ru_stime.tv_usec;
    return (struct payload_end){status, us < UINT32_MAX ? (uint32_t)us : UINT32_MAX};
}

// System calls by number and locals only. The end of the payload is the end of the task: leaving the pid namespace kills whatever
// is left in it.
_Noreturn static void reap(pid_t payload, struct launch *launch) {
    sigset_t all, *signals = &all;
    siginfo_t from;
    int status_pipe = launch->status, started = failure_pipe, lends = launch->lends_memory;
    struct timespec at_once = {0, AT_ONCE_NS}, moment = {0, MOMENT_NS}, *limit = &at_once;
    sigfillset(&all);
    for (;;) {
        struct rusage usage;  // as the kernel fills it: 64-bit fields, the same as libc's here
        int status;
        long pid;
        while ((pid = syscall(SYS_wait4, -1, &status, WNOHANG, &usage)) > 0) {
            if (pid != payload) continue;
            struct payload_end end = payload_end(status, &usage);
            syscall(SYS_exit_group, syscall(SYS_write, status_pipe, &end, sizeof end) == (long)sizeof end ? 0 : 126);
        }
        long signal = syscall(SYS_rt_sigtimedwait, signals, &from, limit, KERNEL_SIGSET_BYTES);
        if (signal < 0 && limit == &moment) {
            limit = NULL;
            release(launch);
        }
        if (signal < 0 && limit == &at_once) {
            // Tells the supervisor that init stands, and by its end of file that the program runs too. Who lent its memory knows that
            // already and says it, as the supervisor then holds the pipe open itself.
            if (!lends || syscall(SYS_write, started, "", 1) == 1) syscall(SYS_close, started);
            limit = &moment;
        }
        // Not what the payload itself sends: its kill(-1) means everybody but the sender.
        if (signal > 0 && signal != SIGCHLD && !(from.si_code <= 0 && from.si_pid == payload)) syscall(SYS_kill, payload, signal);
    }
}

void init_begin(int with_session) {
    sigset_t signals;
    sigfillset(&signals);
    sigprocmask(SIG_SETMASK, &signals, NULL);
    if (with_session && setsid() < 0) fail(errno, "init(setsid)");
    set_title();
}

// What start_payload and the call in it take of the stack. The payload goes on below, on pages that building the jail has touched
// already: init, whose stack it is, does nothing until exec.
#define BORROWED_BELOW 2048

// In the new root, with the host's powers: a terminal of the task's own file system becomes its session's, and belongs to its user.
static void take_terminal(const struct launch *launch) {
    uint32_t uid, gid;
    if (setsid() < 0) fail(errno, "setsid");
    console_take(launch->plan, launch->streams.console, 0);
    identity_host_ids(launch->plan, &uid, &gid);
    if (!rootless_wanted(launch->plan) && fchown(0, uid, gid) < 0) fail(errno, "terminal(owner)");
}

static int run_payload(void *argument) {
    const struct launch *launch = argument;
    if (launch->streams.console >= 0) take_terminal(launch);
    payload_run(launch->plan, launch->user_namespace, &launch->streams);
}

int init_lends_memory(const struct plan *plan) {
    return (!notify_wanted(plan) || filters_let_start(plan)) && !plan_joined_namespace(plan, "pid") && !plan_has_namespace(plan, "time");
}

// Of memory that is lent nothing is copied, and we wait until exec. Where the payload's filter has a listener the table of descriptors is
// lent too: what the payload may not send any more is ours when exec has given it a table of its own.
static pid_t start_payload(struct launch *launch) {
    int listens = notify_wanted(launch->plan);
    if (listens) notify_take(launch->handover, launch->lends_memory);
    if (!launch->lends_memory) {
        pid_t pid = fork();
        if (pid == 0) run_payload(launch);
        return pid;
    }
    int pipe = failure_pipe;
    char *below = (char *)__builtin_frame_address(0) - BORROWED_BELOW;
    if (listens) {
        payload_keep(launch->status);
        payload_keep(launch->user_namespace);
    }
    pid_t pid = clone(run_payload, below - (uintptr_t)below % 16, CLONE_VM | CLONE_VFORK | (listens ? CLONE_FILES : 0) | SIGCHLD, launch);
    if (listens) notify_pass_on();
    else failure_pipe = pipe;  // the payload may have moved its own
    return pid;
}

_Noreturn void init_run(const struct launch *given) {
    struct launch own = *given, *launch = &own;
    if (rootless_wanted(launch->plan)) {
        rootless_await(launch->plan, own.gate);
        own.user_namespace = rootless_nest(launch->plan);
    }
    if (own.namespaces && unshare((int)own.namespaces) < 0) fail(errno, "namespaces");
    if (own.user_namespace_is_there) own.user_namespace = take_user_namespace(launch);
    if (own.streams.console < 0) own.streams.console = console_connect(launch->plan);  // while the host's paths are there
    build_jail(launch);
    pid_t payload = start_payload(launch);
    if (payload < 0) fail(errno, "fork");
    // What reads the task's output is to see its end, whoever else had the descriptors. All of it before init has the payload's ids.
    // Those of a lent table are the task's.
    if (launch->streams.out < 0 || (launch->lends_memory && notify_wanted(launch->plan))) for (int fd = 0; fd < 3; fd++) close(fd);
    int kept[] = {launch->status, failure_pipe, launch->user_namespace};
    keep_only(kept, sizeof kept / sizeof *kept);
    settle(launch);
    if (launch->user_namespace >= 0) close(launch->user_namespace);
    reap(payload, launch);
}
