// Start of a task: one supervisor process per task, detached from the agent, that outlives it.
#define _GNU_SOURCE
#include "supervise.h"
#include "cgroup_make.h"
#include "identity.h"
#include "init.h"
#include "namespaces.h"
#include "rootless.h"
#include "watch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// A set-up that hangs (a dead network file system below a mount) is a start error, not a hang of the agent.
#define START_DEADLINE_MS 30000

static int failed_before_clone(struct task *task, struct failure *failure) {
    task->state.phase = "failed";
    task->state.failure = *failure;
    task->state.exit_code = 128;
    task->state.finished_at = timestamp_now();
    return state_write(task->directory, &task->state, &task->cgroups, &task->log, 1) < 0 ? 2 : 1;
}

// Without a record the reason goes to standard error, and the exit status is what shells and container runtimes use.
static int say_failure(const struct failure *failure) {
    fprintf(stderr, "swiftlet-sandbox: %s%s%s\n", failure->stage, failure->error ? ": " : "", failure->error ? strerror(failure->error) : "");
    if (strncmp(failure->stage, "exec(", 5)) return 125;
    return failure->error == ENOENT ? 127 : 126;
}

// One supervisor per directory. The lock goes with the process, so nobody need clean it up after a crash.
static int take_lock(struct task *task) {
    if (task->directory < 0) return 0;  // nobody but our parent knows this task
    task->lock = openat(task->directory, LOCK_FILE, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    return task->lock < 0 ? -1 : flock(task->lock, LOCK_EX | LOCK_NB);
}

static void write_lock(struct task *task) {
    char boot[64], text[160];
    state_read_boot_id(boot);
    int n = snprintf(text, sizeof text, "%d %llu %s\n", task->state.supervisor,
                     (unsigned long long)task->state.supervisor_start, boot);
    if (ftruncate(task->lock, 0) == 0 && pwrite(task->lock, text, (size_t)n, 0) != n) return;  // only `kill` reads it
}

struct pipes { int out[2], err[2], status[2], failure[2], lifeline[2], gate[2]; };

static int open_pipes(struct pipes *p, const struct plan *plan) {
    int *all[] = {p->status, p->failure, p->lifeline, p->out, p->err};
    int inherited = plan_find(plan, OP_STDIO) != NULL;
    p->out[0] = p->out[1] = p->err[0] = p->err[1] = -1;
    for (size_t i = 0; i < (inherited ? 3 : 5); i++)
        if (pipe2(all[i], O_CLOEXEC) < 0) return -1;
    if (rootless_wanted(plan) && rootless_open_gate(p->gate) < 0) return -1;
    if (inherited) return 0;
    uint32_t uid, gid;
    identity_host_ids(plan, &uid, &gid);
    // So that the task may open /dev/stdout and /dev/stderr again by name.
    // An ordinary user cannot give them to another of his ids.
    if ((fchown(p->out[1], uid, gid) < 0 || fchown(p->err[1], uid, gid) < 0) && !rootless_wanted(plan)) return -1;
    fcntl(p->out[0], F_SETFL, O_NONBLOCK);
    fcntl(p->err[0], F_SETFL, O_NONBLOCK);
    return 0;
}

static pid_t clone_init(struct task *task, const struct plan *plan, struct pipes *p, int user_namespace) {
    struct clone_args args = {
        .flags = CLONE_PIDFD | namespaces_clone_flags(plan), .pidfd = (uint64_t)(uintptr_t)&task->init, .exit_signal = SIGCHLD};
    pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);
    if (pid != 0) return pid;
    close(task->lock);  // a lock that the task inherits would outlive its supervisor
    close(task->directory);
    close(task->log.fd);
    close(task->signals);
    if (task->ready >= 0) close(task->ready);
    close(p->out[0]); close(p->err[0]); close(p->status[0]); close(p->failure[0]); close(p->lifeline[1]);
    failure_pipe = p->failure[1];
    struct launch launch = {plan, &task->cgroups, user_namespace, p->out[1], p->err[1], p->status[1], p->lifeline[0], {p->gate[0], p->gate[1]}};
    init_run(&launch);
}

// Waits until exec succeeded (end of file) or a stage failed. 0 or -1 with `failure` set.
static int await_exec(int pipe, struct failure *failure) {
    struct pollfd ready = {.fd = pipe, .events = POLLIN};
    int64_t deadline = timestamp_monotonic_ms() + START_DEADLINE_MS;
    for (;;) {
        int64_t left = deadline - timestamp_monotonic_ms();
        int n = left > 0 ? poll(&ready, 1, (int)left) : 0;
        if (n < 0 && errno == EINTR) continue;
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

// From an accepted plan to a running task. 0 when it runs, else the exit status for `supervise`.
static int launch_task(struct task *task, struct plan *plan) {
    struct failure failure = {0};
    struct pipes p;
    const struct operation *log = plan_find(plan, OP_LOG), *grace = plan_find(plan, OP_GRACE);
    task->grace_ms = grace ? (int64_t)plan_number(grace->argument[0]) : 30000;
    if (cgroup_make_all(plan, &failure) < 0) return failed_before_clone(task, &failure);
    if (cgroups_open(&task->cgroups, plan, &failure) < 0) return failed_before_clone(task, &failure);
    task->log.fd = -1;
    if (log && log_open(&task->log, log->argument[0], plan_number(log->argument[1])) < 0) {
        failure_set(&failure, errno, "log(open %s)", log->argument[0]);
        return failed_before_clone(task, &failure);
    }
    if (open_pipes(&p, plan) < 0) {
        failure_set(&failure, errno, "pipe");
        return failed_before_clone(task, &failure);
    }
    int user_namespace = identity_make_user_namespace(plan, &failure);
    if (user_namespace == -2) return failed_before_clone(task, &failure);

    task->state.started_at = timestamp_now();
    task->state.pid = clone_init(task, plan, &p, user_namespace);
    if (task->state.pid < 0) {
        failure_set(&failure, errno, "clone");
        return failed_before_clone(task, &failure);
    }
    close(p.out[1]); close(p.err[1]); close(p.status[1]); close(p.failure[1]); close(p.lifeline[0]);
    if (user_namespace >= 0) close(user_namespace);
    cgroups_close_join_files(&task->cgroups);
    if ((rootless_wanted(plan) && rootless_admit(plan, task->state.pid, p.gate, &failure) < 0) || await_exec(p.failure[0], &failure) < 0) {
        kill_and_reap(task);
        cgroups_read_usage(&task->cgroups, &task->state.usage);
        return failed_before_clone(task, &failure);
    }
    close(p.failure[0]);
    task->status = p.status[0];
    task->lifeline = p.lifeline[1];
    task->stream[0].fd = p.out[0];
    task->stream[1].fd = p.err[0];
    task->state.pid_start = state_process_start(task->state.pid);
    task->state.phase = "running";
    // Not durable: after a power cut the task is gone too, and the boot id says so.
    return state_write(task->directory, &task->state, &task->cgroups, &task->log, 0) < 0 ? 2 : 0;
}

static int run(struct task *task, const char *plan_path) {
    struct plan_error error;
    task->state.supervisor = getpid();
    task->state.supervisor_start = state_process_start(getpid());
    write_lock(task);
    struct plan *plan = plan_read(plan_path, &error);
    if (!plan) {
        struct failure failure;
        failure_set(&failure, EINVAL, "plan(line %u: %s)", error.line, error.reason);
        return failed_before_clone(task, &failure);
    }
    if (chdir("/") < 0) return 2;  // holds no directory busy; after the plan, whose path may be relative
    snprintf(task->state.id, sizeof task->state.id, "%s", plan_find(plan, OP_ID)->argument[0]);
    int result = launch_task(task, plan);
    plan_release(plan);
    if (result == 2 && task->state.pid > 0) kill_and_reap(task);  // a task without a record must not run
    return result;
}

int supervise(const char *plan_path, const char *state_directory, int foreground) {
    static struct task task;  // all zero: its pages exist once they are used
    task.ready = task.lock = task.stream[0].fd = task.stream[1].fd = -1;
    task.stream[0].name = "stdout";
    task.stream[1].name = "stderr";
    task.directory = state_directory ? open(state_directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (task.directory < 0 && state_directory) { fprintf(stderr, "%s: %s\n", state_directory, strerror(errno)); return 2; }
    if (take_lock(&task) < 0) {
        fprintf(stderr, "%s: %s\n", state_directory, errno == EWOULDBLOCK ? "has a supervisor already" : strerror(errno));
        return 2;
    }
    int ready[2] = {-1, -1};
    if (!foreground) {
        if (pipe2(ready, O_CLOEXEC) < 0) return 2;
        pid_t child = fork();
        if (child < 0) return 2;
        if (child > 0) {
            // The agent waits for this process: its exit says that the record is written.
            unsigned char result = 2;
            close(ready[1]);
            while (read(ready[0], &result, 1) < 0 && errno == EINTR) {}
            _exit(result);
        }
        close(ready[0]);
        setsid();
        task.ready = ready[1];
    }
    watch_prepare(&task);
    unsigned char result = (unsigned char)run(&task, plan_path);
    if (result) cgroup_remove_all();
    if (task.ready >= 0) {
        ssize_t ignored = write(task.ready, &result, 1);  // the agent may be gone: the task goes on
        (void)ignored;
        close(task.ready);
    }
    if (result && !state_directory) return say_failure(&task.state.failure);
    if (result) return result == 1 && foreground ? 128 : result;
    watch(&task);
    cgroup_remove_all();
    return foreground ? task.state.exit_code : 0;
}
