// The order here is the order of the jail: cgroups, user namespace, init; then, while init builds, what only the supervisor
// needs (log, record).
#define _GNU_SOURCE
#include "launch.h"
#include "cgroup_make.h"
#include "identity.h"
#include "namespaces.h"
#include "plan_rules.h"
#include "rootless.h"
#include "spare.h"
#include "supervise.h"
#include "text.h"
#include "watch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// A set-up that hangs (a dead network file system below a mount) is a start error, not a hang of the agent.
#define START_DEADLINE_MS 30000
// Within this it is done, as a rule.
#define USUAL_START_MS 100

int launch_failed(struct task *task, const struct failure *failure) {
    task->state.phase = "failed";
    task->state.failure = *failure;
    task->state.exit_code = 128;
    task->state.finished_at = timestamp_now();
    int result = state_write(task->directory, -1, &task->state, &task->cgroups, &task->log) < 0 ? 2 : 1;
    watch_leave_groups(task);
    cgroup_remove_all();
    return result;
}

int launch_take_lock(struct task *task) {
    if (task->directory < 0) return 0;  // nobody but our parent knows this task
    const int flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW;
    task->lock = openat(task->directory, LOCK_FILE, flags | O_EXCL, 0600);
    task->lock_is_old = task->lock < 0 && errno == EEXIST;
    if (task->lock_is_old) task->lock = openat(task->directory, LOCK_FILE, flags, 0600);
    return task->lock < 0 ? -1 : flock(task->lock, LOCK_EX | LOCK_NB);
}

void launch_write_lock(struct task *task) {
    char place[160];
    if (task->lock < 0) return;
    struct text text = text_begin(place, sizeof place);
    text_put_integer(&text, task->state.supervisor);
    text_put(&text, " ");
    text_put_integer(&text, (int64_t)task->state.supervisor_start);
    text_put(&text, " ");
    text_put(&text, state_boot_id());
    text_put(&text, " ");
    text_put_integer(&text, task->serial);
    text_put(&text, "\n");
    ptrdiff_t n = text_end(&text);
    // What a former supervisor left is overwritten whole: a longer rest would not parse as another number.
    if (write(task->lock, place, (size_t)n) != n || (task->lock_is_old && ftruncate(task->lock, n) < 0)) return;  // only `kill` reads it
}

int launch_open_channel(struct channel *c, int with_output, int with_notify) {
    c->user_namespace = -1;
    c->attach = (struct attach_channel_ends){{-1, -1}, {-1, -1}};
    c->out[0] = c->out[1] = c->err[0] = c->err[1] = c->gate[0] = c->gate[1] = c->notify[0] = c->notify[1] = -1;
    // Where somebody killed init there is nothing in it, and its end may be open here too.
    if (pipe2(c->status, O_CLOEXEC | O_NONBLOCK) < 0 || pipe2(c->failure, O_CLOEXEC) < 0) return -1;
    if (with_notify && notify_open(c->notify) < 0) return -1;
    return with_output ? launch_open_output(c) : 0;
}

int launch_open_output(struct channel *c) {
    if (pipe2(c->out, O_CLOEXEC) < 0 || pipe2(c->err, O_CLOEXEC) < 0) return -1;
    fcntl(c->out[0], F_SETFL, O_NONBLOCK);
    fcntl(c->err[0], F_SETFL, O_NONBLOCK);
    return 0;
}

// So that the task may open /dev/stdout and /dev/stderr again by name. An ordinary user cannot give them to another of his ids.
static int give_output(const struct channel *c, const struct plan *plan) {
    uint32_t uid, gid;
    if (c->out[0] < 0) return 0;
    identity_host_ids(plan, &uid, &gid);
    int given = fchown(c->out[0], uid, gid) == 0 && fchown(c->err[0], uid, gid) == 0 &&
                (c->attach.input[0] < 0 || fchown(c->attach.input[0], uid, gid) == 0);
    return given || rootless_wanted(plan) ? 0 : -1;
}

// What the supervisor makes after the clone, in memory that init shares.
struct ahead { uint32_t groups, user_namespace; };

static pid_t clone_init(struct task *task, const struct plan *plan, struct channel *c, int user_namespace, struct ahead *ahead) {
    uint64_t namespaces = namespaces_clone_flags(plan), later = ahead ? namespaces & ~(uint64_t)CLONE_NEWPID : 0;
    int supervisor = getpid();
    struct clone_args args = {
        .flags = CLONE_PIDFD | (namespaces & ~later), .pidfd = (uint64_t)(uintptr_t)&task->init, .exit_signal = SIGCHLD};
    pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);
    if (pid != 0) return pid;
    close(task->lock);  // a lock that the task inherits would outlive its supervisor
    close(task->directory);
    close(task->signals);
    if (task->ready >= 0) close(task->ready);
    if (task->out_of_memory >= 0) close(task->out_of_memory);
    close(c->out[0]); close(c->err[0]); close(c->status[0]); close(c->failure[0]);
    if (c->notify[0] >= 0) close(c->notify[0]);
    if (c->attach.input[1] >= 0) close(c->attach.input[1]);
    if (c->attach.console[0] >= 0) close(c->attach.console[0]);
    failure_pipe = c->failure[1];
    struct launch launch = {
        .plan = plan, .cgroups = &task->cgroups, .user_namespace = user_namespace, .net_namespace = -1, .own_mounts = -1,
        .streams = {c->attach.input[0], c->out[1], c->err[1], c->attach.console[1]}, .status = c->status[1],
        .lends_memory = init_lends_memory(plan), .handover = c->notify[1], .gate = {c->gate[0], c->gate[1]},
        .namespaces = later, .supervisor = supervisor};
    if (ahead) {
        launch.groups = &ahead->groups;
        if (plan_has_namespace(plan, "user")) launch.user_namespace_is_there = &ahead->user_namespace;
        launch.shared = ahead;
        launch.shared_bytes = sizeof *ahead;
    }
    init_begin(1);
    init_run(&launch);
}

// Waits until exec succeeded (end of file; or, where this side holds the pipe's other end too, a byte or the end of init, whose handle
// is given then) or a stage failed. 0 or -1 with `failure` set.
static int await_exec(int pipe, int init, struct task *task, struct failure *failure) {
    struct notify *notify = &task->notify;
    int64_t deadline = timestamp_monotonic_ms() + START_DEADLINE_MS;
    for (int usual = task->busy != NULL;;) {
        int64_t left = usual ? USUAL_START_MS : deadline - timestamp_monotonic_ms();
        // What the filter asks about may be exec itself.
        struct pollfd ready[] = {{pipe, POLLIN, 0}, {notify->fd, POLLIN, 0}, {init, POLLIN, 0}};
        int n = left > 0 ? poll(ready, 3, (int)left) : 0;
        if (n < 0 && errno == EINTR) continue;
        if (n == 0 && usual) {
            usual = 0;
            task->busy(task);
            continue;
        }
        if (n > 0 && ready[1].revents) notify_ready(notify);
        // What a stage said before init's end may have come just behind the look at its pipe.
        if (n > 0 && !ready[0].revents && ready[2].revents && poll(ready, 1, 0) == 0) return 0;
        if (n > 0 && !ready[0].revents) continue;
        if (n <= 0) { failure_set(failure, ETIMEDOUT, "start"); return -1; }
        ssize_t bytes = read(pipe, failure, sizeof *failure);
        if (bytes == (ssize_t)sizeof *failure) return -1;
        failure->stage[0] = 0;
        return 0;
    }
}

static void kill_and_reap(struct task *task) {
    syscall(SYS_pidfd_send_signal, task->init, SIGKILL, NULL, 0);
    while (waitpid(task->state.pid, NULL, 0) < 0 && errno == EINTR) {}
}

// When init can begin before all of it is there: in a mount namespace of its own, which no other namespace stands before. NULL: it
// cannot.
static struct ahead *open_ahead(const struct plan *plan) {
    if (rootless_wanted(plan) || plan_find(plan, OP_JOIN_NAMESPACE) || !plan_has_namespace(plan, "mount") || !plan_find(plan, OP_CGROUP)) return NULL;
    void *ahead = mmap(NULL, sizeof(struct ahead), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return ahead == MAP_FAILED ? NULL : ahead;
}

// Everything that must be there before init may be cloned. 0, or -1 with `failure` set.
static int prepare(struct task *task, const struct plan *plan, struct channel *c, int *user_namespace, int ahead, struct failure *failure) {
    if (ahead ? cgroups_note(&task->cgroups, plan, failure) < 0
              : cgroup_make_all(plan, failure) < 0 || cgroups_open(&task->cgroups, plan, failure) < 0) return -1;
    if (give_output(c, plan) < 0) { failure_set(failure, errno, "pipe"); return -1; }
    if (rootless_wanted(plan) && rootless_open_gate(c->gate) < 0) { failure_set(failure, errno, "pipe"); return -1; }
    if (ahead) return 0;
    *user_namespace = identity_make_user_namespace(plan, failure);
    return *user_namespace == -2 ? -1 : 0;
}

// The rest, while init makes its namespaces and builds the root. 0, or -1 with `failure` set.
static int follow_up(struct task *task, const struct plan *plan, struct channel *c, struct ahead *ahead, struct failure *failure) {
    c->user_namespace = identity_make_user_namespace(plan, failure);
    if (c->user_namespace == -2) return -1;
    if (c->user_namespace >= 0) init_tell(&ahead->user_namespace, (uint32_t)c->user_namespace + 1);
    struct cgroup_making making = {.groups = &task->cgroups};
    if (cgroup_make_begin(plan, &making, failure) < 0) return -1;
    init_tell(&ahead->groups, GROUPS_STAND);
    if (cgroup_make_finish(plan, &making, failure) < 0) return -1;
    init_tell(&ahead->groups, GROUPS_ARE_SET);
    return 0;
}

// With the init of a spare, which builds the root already, while the groups are made here. 0, or -1 with `failure` set.
static int start_spare(struct task *task, const struct plan *plan, struct spare *spare, struct failure *failure) {
    task->state.started_at = timestamp_now();
    task->state.pid = spare->init_pid;
    task->state.pid_start = spare->init_start;
    task->init = spare->init;
    // An init that waits in the host's mount namespace opens the groups itself.
    struct cgroup_making making = {.groups = &task->cgroups};
    if (cgroups_note(&task->cgroups, plan, failure) == 0 && cgroup_make_begin(plan, &making, failure) == 0) {
        spare_tell_groups(spare, &task->cgroups);
        int given = give_output(&spare->channel, plan);  // while init joins
        if (given < 0) failure_set(failure, errno, "pipe");
        else if (cgroup_make_finish(plan, &making, failure) == 0) {
            spare_tell_limits(spare);
            return 0;
        }
    }
    kill_and_reap(task);
    return -1;
}

static void close_end(int *end) {
    if (*end >= 0) close(*end);
    *end = -1;
}

static void close_childs_ends(struct channel *c) {
    int *ends[] = {c->out, c->err, c->status, c->failure, c->notify};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) close_end(&ends[i][1]);
}

static int start_fresh(struct task *task, const struct plan *plan, struct channel *c, struct failure *failure) {
    int user_namespace = -1;
    struct ahead *ahead = open_ahead(plan);
    if (prepare(task, plan, c, &user_namespace, ahead != NULL, failure) < 0) return -1;
    task->state.started_at = timestamp_now();
    task->state.pid = clone_init(task, plan, c, user_namespace, ahead);
    if (task->state.pid < 0) {
        failure_set(failure, errno, "clone");
        return -1;
    }
    close_childs_ends(c);
    if (user_namespace >= 0) close(user_namespace);
    if (!ahead) {
        cgroups_close_join_files(&task->cgroups);
        return 0;
    }
    int result = follow_up(task, plan, c, ahead, failure);
    if (result < 0) kill_and_reap(task);
    munmap(ahead, sizeof *ahead);
    return result;
}

// In the shadow of init's work: what the supervisor alone needs, and what may fail the start.
static int open_own_files(struct task *task, const struct plan *plan, struct failure *failure) {
    const struct operation *log = plan_find(plan, OP_LOG), *grace = plan_find(plan, OP_GRACE), *deadline = plan_find(plan, OP_DEADLINE),
                           *stop_signal = plan_find(plan, OP_STOP_SIGNAL);
    task->grace_ms = grace ? (int64_t)plan_number(grace->argument[0]) : 30000;
    task->stop_signal = stop_signal ? (int)plan_number(stop_signal->argument[0]) : SIGTERM;
    task->deadline_ms = deadline ? (int64_t)plan_number(deadline->argument[0]) : 0;
    // A guest in the namespace of another task must not end that one's processes with its own.
    task->own_pids = plan_has_namespace(plan, "pid") || plan_joined_namespace(plan, "pid");
    launch_write_lock(task);
    struct log_bounds bounds = {.files = 2};
    if (log) bounds.bytes = plan_number(log->argument[1]);
    if (log && log->count > 2) bounds.files = plan_number(log->argument[2]);
    if (log && log->count > 3) bounds.seconds = plan_number(log->argument[3]);
    if (attach_listen(&task->attach, plan, task->directory, failure) < 0) return -1;
    if (log && log_open(&task->log, log->argument[0], bounds, log->count > 4) < 0) {
        failure_set(failure, errno, "log(open %s)", log->argument[0]);
        return -1;
    }
    cgroup_usage_open(&task->cgroups, &task->usage_files);
    if (task->directory >= 0) task->record = state_open(task->directory);
    return 0;
}

static int has_status(const struct task *task) {
    struct pollfd status = {task->status, POLLIN, 0};
    return poll(&status, 1, 0) > 0 && status.revents & POLLIN;
}

int launch_task(struct task *task, const struct plan *plan, struct spare *spare) {
    struct failure failure = {0};
    struct channel own, *c = spare ? &spare->channel : &own;
    task->log.fd = -1;
    struct text id = text_begin(task->state.id, sizeof task->state.id);
    text_put(&id, plan_find(plan, OP_ID)->argument[0]);
    text_end(&id);
    const struct operation *foreign = rules_create_only(plan);
    if (foreign) {
        failure_set(&failure, EINVAL, "plan(line %u: this operation is for the verb create)", foreign->line);
        return launch_failed(task, &failure);
    }
    // An interactive task is never a spare's (spare_fits).
    if (!spare && (launch_open_channel(c, plan_find(plan, OP_LOG) != NULL, notify_wanted(plan)) < 0 || attach_open_ends(plan, &c->attach) < 0)) {
        failure_set(&failure, errno, "pipe");
        return launch_failed(task, &failure);
    }
    if ((spare ? start_spare(task, plan, spare, &failure) : start_fresh(task, plan, c, &failure)) < 0) return launch_failed(task, &failure);
    int told_by_init = spare && spare->lends_memory;
    if (spare && !told_by_init) close_end(&c->failure[1]);
    if (notify_wanted(plan)) {
        close_end(&c->notify[1]);
        notify_begin(&task->notify, plan, c->notify[0]);
        c->notify[0] = -1;
    }
    task->state.refused = &task->notify;
    if (open_own_files(task, plan, &failure) < 0 ||
        (rootless_wanted(plan) && rootless_admit(plan, task->state.pid, c->gate, &failure) < 0) ||
        await_exec(c->failure[0], told_by_init ? task->init : -1, task, &failure) < 0) {
        kill_and_reap(task);
        cgroup_usage_read(&task->cgroups, NULL, NULL, &task->state.usage);
        return launch_failed(task, &failure);
    }
    if (!told_by_init) close_end(&c->failure[0]);  // else another task's init may have the other end
    if (c->user_namespace >= 0) close(c->user_namespace);
    if (spare) {
        task->mounts = spare_take_mounts(spare);
        spare_give_ends(spare, task);
    } else {
        task->status = c->status[0];
        task->stream[0].fd = c->out[0];
        task->stream[1].fd = c->err[0];
        if (attach_begin(&task->attach, &c->attach, task->stream) < 0) {
            failure_set(&failure, errno, "attach");
            kill_and_reap(task);
            return launch_failed(task, &failure);
        }
    }
    if (!spare) task->state.pid_start = state_process_start(task->state.pid);
    task->state.phase = "running";
    // The last record, which is due at once, says all that this one would.
    task->over = task->client >= 0 && has_status(task);
    if (task->over) return 0;
    cgroups_open_directories(&task->cgroups);
    // Not durable: after a power cut the task is gone too, and the boot id says so.
    int record = task->record;
    task->record = -1;
    if (state_write(task->directory, record, &task->state, &task->cgroups, &task->log) == 0) return 0;
    kill_and_reap(task);  // a task without a record must not run
    watch_leave_groups(task);
    cgroup_remove_all();
    return 2;
}
