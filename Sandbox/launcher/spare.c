// See spare.h.
#define _GNU_SOURCE
#include "spare.h"
#include "cgroup_place.h"
#include "host.h"
#include "identity.h"
#include "keep.h"
#include "mounts_ahead.h"
#include "namespaces.h"
#include "text.h"
#include "workspace.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define OWN_MOUNT_NAMESPACE _IO(0xFF, 3)  // PIDFD_GET_MNT_NAMESPACE, Linux 6.11
#define CLONED_NAMESPACES (CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS)
#define SPARE_NAMESPACES (CLONE_NEWNS | CLONED_NAMESPACES)

struct order {
    uint32_t go, groups;
    cpu_set_t processors;  // those of the supervisor, which are the task's too; none: init may be on them already
    char proc_options[MOUNTS_AHEAD_OPTIONS];  // of the next task, as far as anybody knows
    struct launch launch;
    struct cgroups cgroups;
    _Alignas(4096) char arena[];
};

// The namespace is kept by its descriptor, and its map files by theirs: writing the maps later needs no process inside.
static int make_user_namespace(struct spare *spare) {
    char path[64];
    char stack[CARRIER_STACK_BYTES];
    pid_t pid = identity_make_carrier(stack);
    if (pid < 0) return -1;
    text_process_path(path, sizeof path, pid, "uid_map");
    spare->uid_map = openat(AT_FDCWD, path, O_WRONLY | O_CLOEXEC);
    text_process_path(path, sizeof path, pid, "gid_map");
    spare->gid_map = openat(AT_FDCWD, path, O_WRONLY | O_CLOEXEC);
    text_process_path(path, sizeof path, pid, "ns/user");
    spare->user_namespace = openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {}
    return spare->uid_map < 0 || spare->gid_map < 0 || spare->user_namespace < 0 ? -1 : 0;
}

static int wait_as_init(void *argument) {
    struct spare *spare = argument;
    struct channel *c = &spare->channel;
    struct order *order = spare->order;
    failure_pipe = c->failure[1];
    // A spare whose supervisor died serves nobody. The change of ids clears this, and init asks again then.
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    init_begin(0);
    // A supervisor that died before the request above is told by the pipe's other end, of which we have no copy now. What else was
    // inherited goes behind the payload's start (init_run); the payload closes its own copies before it goes anywhere (descriptors.c).
    close(c->status[0]);
    if (init_is_orphan(c->status[1])) _exit(126);
    mounts_make_ahead(order->proc_options);
    int host_root = openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    init_wait_for(&order->go, 1);
    if (CPU_COUNT(&order->processors)) sched_setaffinity(0, sizeof order->processors, &order->processors);
    struct launch launch = order->launch;
    launch.own_mounts = spare->mounts;
    launch.host_root = host_root;
    init_run(&launch);
}

// Four times what the deepest copy of directories (copyup.c), a plan of nothing but arguments, or any path takes. What is not touched
// is not there.
#define STACK_BYTES (1u << 20)

// On a stack of its own: the supervisor's is not shared, so that none of its pages is copied when it goes on.
static int clone_waiting_init(struct spare *spare) {
    if (!spare->stack) {
        spare->stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
        if (spare->stack == MAP_FAILED) { spare->stack = NULL; return -1; }
        workspace_keep(spare->stack, 4096);  // in the init nothing is there: the stack's end
    }
    cgroup_places_inherit();
    spare->init_pid = clone(wait_as_init, spare->stack + STACK_BYTES, CLONE_PIDFD | CLONED_NAMESPACES | SIGCHLD, spare, &spare->init);
    return spare->init_pid < 0 ? -1 : 0;
}

int spare_present_mounts(struct spare *spare) {
    if (spare->self <= 0) spare->self = (int)syscall(SYS_pidfd_open, getpid(), 0);
    return spare->self < 0 ? -1 : ioctl(spare->self, OWN_MOUNT_NAMESPACE, 0);
}

int spare_take_mounts(struct spare *spare) {
    int mounts = spare->mounts;
    spare->mounts = -1;
    return mounts;
}

// The task's mount namespace is made before its init, which begins, and waits, in the host's.
static int make_mount_namespace(struct spare *spare, int host_mounts, int slim_mounts) {
    if (setns(slim_mounts, CLONE_NEWNS) < 0) return -1;
    spare->mounts = unshare(CLONE_NEWNS) < 0 ? -1 : spare_present_mounts(spare);
    return setns(host_mounts, CLONE_NEWNS) < 0 || spare->mounts < 0 ? -1 : 0;
}

static void shut(int *fd) {
    if (*fd >= 0) close(*fd);
    *fd = -1;
}

// The supervisor's ends.
static void shut_channel(struct channel *c) {
    int *all[] = {c->status, c->failure, c->notify, c->out, c->err};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) shut(&all[i][0]), shut(&all[i][1]);
}

// What a task that is gone left is used again, as nobody but its init ever had the other ends. Output is new each time: a task may
// have passed it on.
static int open_channel(struct channel *c) {
    struct pollfd rest[] = {{c->status[0], POLLIN, 0}, {c->failure[0], POLLIN, 0}};
    int *all[] = {c->status, c->failure, c->notify}, whole = 1;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) whole &= all[i][0] >= 0 && all[i][1] >= 0;
    if (whole && poll(rest, 2, 0) == 0) return launch_open_output(c);
    shut_channel(c);
    return launch_open_channel(c, 1, 1);
}

int spare_make(struct spare *spare, int host_mounts, int slim_mounts, int net_namespace) {
    spare->net_namespace = net_namespace;
    spare->order_bytes = sizeof(struct order) + PLAN_ARENA_BYTES;
    if (!spare->order) {
        spare->order = mmap(NULL, spare->order_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        memset(&spare->channel, 0xff, sizeof spare->channel);  // -1: nothing is open
        if (spare->order != MAP_FAILED) strcpy(spare->order->proc_options, "hidepid=invisible");  // as pods have it
    }
    if (spare->order == MAP_FAILED) return -1;
    if (open_channel(&spare->channel) < 0) return -1;
    plan_use_arena(spare->order->arena);
    if (make_user_namespace(spare) < 0 || make_mount_namespace(spare, host_mounts, slim_mounts) < 0) return -1;
    uint64_t before = state_ticks_since_boot();
    if (clone_waiting_init(spare) < 0) return -1;
    uint64_t behind = state_ticks_since_boot();
    struct channel *c = &spare->channel;
    // The other ends of the rest stay open here: init's end is told by its own handle, once, and not first by that of a pipe.
    spare->out = c->out[1];
    spare->err = c->err[1];
    shut(&c->out[1]);
    shut(&c->err[1]);
    // It began between the two; its file in /proc is asked only when the clock ticked just then.
    spare->init_start = before == behind ? before : state_process_start(spare->init_pid);
    return 0;
}

static int fits(const struct operation *op) {
    char **a = op->argument;
    switch (op->kind) {
    case OP_NAMESPACE: return op->count == 1 && strcmp(a[0], "time");
    case OP_JOIN_NAMESPACE: return !strcmp(a[0], "net");
    case OP_ROOTLESS:
    case OP_TERMINAL:
    case OP_START_GATE:
    case OP_ATTACH:
    case OP_PRESERVE_FDS:
    case OP_RUNTIME_HOOKS:
    case OP_HOOK:
    case OP_ROOT_DETACHED:
    case OP_ROOT_PROPAGATION:
    case OP_CHROOT: return 0;
    // Its layers' views are mounted for a moment, which nobody may do in the host's mount namespace.
    case OP_ROOT_OVERLAY: return !plan_flag(a[2], "idmap");
    case OP_BIND: return !plan_flag(a[2], "shared") && !plan_flag(a[2], "rshared") && !plan_flag(a[2], "slave") && !plan_flag(a[2], "rslave");
    default: return 1;
    }
}

int spare_fits(const struct plan *plan) {
    for (uint32_t i = 0; i < plan->count; i++)
        if (!fits(&plan->operation[i])) return 0;
    return plan_find(plan, OP_PIVOT) && (namespaces_clone_flags(plan) & SPARE_NAMESPACES) == SPARE_NAMESPACES;
}

int spare_map_ids(struct spare *spare, const struct plan *plan, struct failure *failure) {
    if (plan_has_namespace(plan, "user")) {
        if (identity_write_map(spare->uid_map, plan, OP_UID_MAP) < 0) { failure_set(failure, errno, "uid-map"); return -1; }
        if (identity_write_map(spare->gid_map, plan, OP_GID_MAP) < 0) { failure_set(failure, errno, "gid-map"); return -1; }
    }
    return 0;
}

// Not where the supervisor is: there it would begin when that one sleeps, its own half done. The kernel looks for an idle processor only,
// and on a virtual machine one that is halted seems not to count as such. Init goes back to all of them by itself.
static void begin_elsewhere(struct spare *spare) {
    cpu_set_t others;
    if (sched_getaffinity(0, sizeof others, &others) < 0) return;
    spare->order->processors = others;
    CPU_CLR((size_t)sched_getcpu(), &others);
    if (!CPU_COUNT(&others) || sched_setaffinity(spare->init_pid, sizeof others, &others) < 0) CPU_ZERO(&spare->order->processors);
}

void spare_go(struct spare *spare, const struct plan *plan, int is_alone) {
    struct order *order = spare->order;
    struct channel *c = &spare->channel;
    spare->lends_memory = init_lends_memory(plan);
    order->launch = (struct launch){
        .lends_memory = spare->lends_memory,
        .plan = plan, .cgroups = &order->cgroups, .groups = &order->groups, .net_namespace = spare->net_namespace,
        .user_namespace = plan_has_namespace(plan, "user") ? spare->user_namespace : -1,
        .streams = {.in = -1, .out = plan_find(plan, OP_LOG) ? spare->out : -1, .err = plan_find(plan, OP_LOG) ? spare->err : -1, .console = -1},
        .status = c->status[1],
        .handover = c->notify[1], .gate = {-1, -1},
        .shared = order, .shared_bytes = sizeof *order};
    if ((spare->is_alone = is_alone)) begin_elsewhere(spare);
    init_tell(&order->go, 1);
}

void spare_tell_groups(struct spare *spare, const struct cgroups *cgroups) {
    struct order *order = spare->order;
    order->cgroups.count = cgroups->count;
    memcpy(order->cgroups.group, cgroups->group, (size_t)cgroups->count * sizeof *cgroups->group);
    for (int i = 0; i < cgroups->count; i++) {
        order->cgroups.group[i].join = order->cgroups.group[i].directory = -1;
        order->cgroups.group[i].place = cgroup_place_inherited(cgroups->group[i].path, &order->cgroups.group[i].rest);
    }
    // Else init would only take its turn for a third of what is left to do.
    if (spare->is_alone) init_tell(&order->groups, GROUPS_STAND);
}

void spare_tell_limits(struct spare *spare) { init_tell(&spare->order->groups, GROUPS_ARE_SET); }

void spare_discard_init(struct spare *spare) {
    int status;
    syscall(SYS_pidfd_send_signal, spare->init, SIGKILL, NULL, 0);
    while (waitpid(spare->init_pid, &status, 0) < 0 && errno == EINTR) {}
    close(spare->init);
    close(spare->mounts);
    shut_channel(&spare->channel);
}

static void close_user_namespace(struct spare *spare) {
    int all[] = {spare->user_namespace, spare->uid_map, spare->gid_map};
    close_all(all, sizeof all / sizeof *all);
}

void spare_release(struct spare *spare) {
    if (!spare->order) return;
    if (spare->stack) munmap(spare->stack, STACK_BYTES);
    spare->stack = NULL;
    munmap(spare->order, spare->order_bytes);
    spare->order = NULL;
    shut_channel(&spare->channel);
    close_user_namespace(spare);
}

void spare_give_ends(struct spare *spare, struct task *task) {
    struct channel *c = &spare->channel;
    task->status = c->status[0];
    task->stream[0].fd = c->out[0];
    task->stream[1].fd = c->err[0];
    c->status[0] = c->out[0] = c->err[0] = -1;
}

void spare_clear(struct spare *spare, struct task *task, struct plan *plan) {
    const struct operation *proc = plan_find(plan, OP_PROC);
    spare->channel.status[0] = task->status;
    task->status = -1;
    memset(spare->order, 0, sizeof *spare->order);
    if (proc && proc->count > 1) {
        struct text options = text_begin(spare->order->proc_options, MOUNTS_AHEAD_OPTIONS);
        text_put(&options, proc->argument[1]);
        text_end(&options);  // what is cut off is of no task, so nothing made ahead is used
    }
    plan_wipe(plan);
    close_user_namespace(spare);
}
