// `run --detach`, which is create and start in one process of the runtime, and what lies around it: pipes, log, record, the container's first process as our own child.
#define _GNU_SOURCE
#include "oci.h"
#include "cgroup_make.h"
#include "console.h"
#include "identity.h"
#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static struct oci_runtime runtime;

static int keep(const struct plan *plan, const char **program) {
    const struct operation *op = plan_find(plan, OP_OCI_RUNTIME);
    size_t count = 0;
    *program = op->argument[4];
    int fits = (size_t)snprintf(runtime.name, sizeof runtime.name, "%s", op->argument[0]) < sizeof runtime.name;
    fits &= (size_t)snprintf(runtime.bundle, sizeof runtime.bundle, "%s", op->argument[1]) < sizeof runtime.bundle;
    fits &= (size_t)snprintf(runtime.id, sizeof runtime.id, "%s", plan_find(plan, OP_ID)->argument[0]) < sizeof runtime.id;
    runtime.create_ms = (int64_t)plan_number(op->argument[2]);
    runtime.verb_ms = (int64_t)plan_number(op->argument[3]);
    for (uint32_t i = 0; i < plan->count; i++) {
        if (plan->operation[i].kind == OP_ENV && putenv(strdup(plan->operation[i].argument[0]))) return -1;
        if (plan->operation[i].kind != OP_ARG) continue;
        if (count == sizeof runtime.command / sizeof *runtime.command - 1) fits = 0;
        else runtime.command[count++] = strdup(plan->operation[i].argument[0]);
    }
    if (!fits) errno = E2BIG;
    return fits ? 0 : -1;
}

// The process whose number the runtime wrote, which must be a child of ours by now. 0, or -1 with `failure` set.
static int take_init(struct task *task, const char *path, struct failure *failure) {
    char text[32] = {0}, *end = text;
    int fd = openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    if (fd >= 0) close(fd);
    long pid = n > 0 ? strtol(text, &end, 10) : 0;
    if (pid <= 1 || pid > 1 << 22 || (*end && *end != '\n')) {
        failure_set(failure, 0, "%s run: its pid file holds no process id", runtime.name);
        return -1;
    }
    siginfo_t info = {0};
    task->init = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);
    // A stranger's number is nobody's to wait for.
    if (task->init < 0 || waitid(P_PIDFD, (id_t)task->init, &info, WEXITED | WNOHANG | WNOWAIT) < 0) {
        failure_set(failure, 0, "%s run: process %ld of its pid file is not the container's", runtime.name, pid);
        if (task->init >= 0) close(task->init);
        task->init = -1;
        return -1;
    }
    task->state.pid = (pid_t)pid;
    task->state.pid_start = state_process_start((pid_t)pid);
    return 0;
}

static int call(const char *verb, const char *first, const char *second, struct failure *failure) {
    struct oci_call c = {.verb = verb, .argument = {first, second}, .user_namespace = -1, .input = -1, .output = -1, .errors = -1, .status = -1,
                         .failed = -1, .deadline_ms = runtime.verb_ms};
    return oci_call(&runtime, &c, failure);
}

void oci_forget(struct task *task) {
    struct failure ignored;
    (void)task;
    call("delete", "--force", runtime.id, &ignored);
}

// The runtime passes it on, as it may be more than a process of this machine; where it does not, the process is told.
static void ask_to_stop(struct task *task) {
    struct failure failure;
    char number[16];
    snprintf(number, sizeof number, "%d", task->stop_signal);
    if (call("kill", runtime.id, number, &failure) != 0) syscall(SYS_pidfd_send_signal, task->init, task->stop_signal, NULL, 0);
}

static int open_log(struct task *task, const struct plan *plan, struct failure *failure) {
    const struct operation *log = plan_find(plan, OP_LOG), *grace = plan_find(plan, OP_GRACE), *deadline = plan_find(plan, OP_DEADLINE),
                           *stop_signal = plan_find(plan, OP_STOP_SIGNAL);
    task->grace_ms = grace ? (int64_t)plan_number(grace->argument[0]) : 30000;
    task->stop_signal = stop_signal ? (int)plan_number(stop_signal->argument[0]) : SIGTERM;
    task->deadline_ms = deadline ? (int64_t)plan_number(deadline->argument[0]) : 0;
    if (!log) return 0;
    struct log_bounds bounds = {.bytes = plan_number(log->argument[1]), .files = log->count > 2 ? plan_number(log->argument[2]) : 2,
                                .seconds = log->count > 3 ? plan_number(log->argument[3]) : 0};
    if (log_open(&task->log, log->argument[0], bounds, log->count > 4) == 0) return 0;
    failure_set(failure, errno, "log(open %s)", log->argument[0]);
    return -1;
}

// Whatever it left: processes in the container's groups, orphans that became ours, the runtime's own records.
static int give_up(struct task *task, struct failure *failure) {
    cgroups_open_directories(&task->cgroups);
    // What was killed is gone in a moment; two seconds at most.
    for (int round = 0; cgroups_kill(&task->cgroups) > 0 && round < 400; round++) usleep(5000);
    oci_forget(task);
    while (waitpid(-1, NULL, WNOHANG) > 0) {}
    return launch_failed(task, failure);
}

// Until our own first process of the container has run the program, or could not. 0, or -1 with `failure` set.
static int await_exec(struct channel *c, struct failure *failure) {
    close(c->failure[1]);
    c->failure[1] = -1;
    struct pollfd report = {c->failure[0], POLLIN, 0};
    int ready = poll(&report, 1, (int)runtime.create_ms);
    if (ready <= 0) failure_set(failure, ETIMEDOUT, "%s run: the program was not begun", runtime.name);
    int failed = ready <= 0 || read(c->failure[0], failure, sizeof *failure) == (ssize_t)sizeof *failure;
    if (!failed) failure->stage[0] = 0;
    return failed ? -1 : 0;
}

static void close_pair(int pair[2]) {
    for (int i = 0; i < 2; i++) {
        if (pair[i] >= 0) close(pair[i]);
        pair[i] = -1;
    }
}

static int make(struct task *task, const struct plan *plan, struct channel *c, const char *program, struct failure *failure) {
    char pid_file[1100];
    snprintf(pid_file, sizeof pid_file, "%s/pid", runtime.bundle);
    unlink(pid_file);
    int user_namespace = identity_make_user_namespace(plan, failure);
    if (user_namespace == -2) return -1;
    int has_init = c->status[1] >= 0, next = 5;
    struct oci_call run = {
        .verb = "run", .argument = {"--detach", "--bundle", runtime.bundle, "--pid-file", pid_file}, .binds = plan,
        .user_namespace = user_namespace, .input = c->attach.input[0], .output = c->out[1], .errors = c->err[1], .status = c->status[1],
        .failed = c->failure[1], .deadline_ms = runtime.create_ms, .mounts = &task->mounts};
    struct console_socket console = {.listener = -1};
    const struct operation *attach = plan_find(plan, OP_ATTACH);
    if (attach && plan_flag(attach->argument[0], "terminal")) {
        if (console_socket_open(&console) < 0) { failure_set(failure, errno, "terminal(socket)"); return -1; }
        run.argument[next++] = "--console-socket";
        run.argument[next++] = console.path;
    }
    if (has_init) {
        run.argument[next++] = "--preserve-fds";
        run.argument[next++] = "2";
    }
    run.argument[next] = runtime.id;
    int status = oci_call(&runtime, &run, failure);
    if (user_namespace >= 0) close(user_namespace);
    if (console.listener >= 0) c->attach.console[0] = console_socket_take(&console);
    if (status > 0) oci_complaint(&runtime, "run", status, c->err[0], program, failure);
    if (status != 0 || take_init(task, pid_file, failure) < 0) return -1;
    if (console.path[0] && c->attach.console[0] < 0) { failure_set(failure, 0, "%s run: it sent no terminal", runtime.name); return -1; }
    return has_init ? await_exec(c, failure) : 0;
}

static int record(struct task *task, struct failure *failure) {
    if (state_write(task->directory, -1, &task->state, &task->cgroups, &task->log) == 0) return 0;
    failure_set(failure, errno, "state");
    return -1;
}

int oci_launch(struct task *task, const struct plan *plan) {
    struct failure failure = {0};
    struct channel c;
    const char *program;
    task->log.fd = -1;
    snprintf(task->state.id, sizeof task->state.id, "%s", plan_find(plan, OP_ID)->argument[0]);
    launch_write_lock(task);
    if (keep(plan, &program) < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0 || launch_open_channel(&c, 1, 0) < 0 ||
        attach_open_ends(plan, &c.attach) < 0) {
        failure_set(&failure, errno, "oci-runtime");
        return launch_failed(task, &failure);
    }
    int has_init = !strcmp(plan_find(plan, OP_OCI_RUNTIME)->argument[5], "init");
    if (!has_init) close_pair(c.status), close_pair(c.failure);
    uint32_t uid, gid;
    identity_host_ids(plan, &uid, &gid);
    // So that it may open /dev/stdout again by name.
    if (fchown(c.out[0], uid, gid) < 0 || fchown(c.err[0], uid, gid) < 0 || (c.attach.input[0] >= 0 && fchown(c.attach.input[0], uid, gid) < 0)) {
        failure_set(&failure, errno, "pipe");
        return launch_failed(task, &failure);
    }
    if (cgroups_note(&task->cgroups, plan, &failure) < 0 || attach_listen(&task->attach, plan, task->directory, &failure) < 0 ||
        open_log(task, plan, &failure) < 0) return launch_failed(task, &failure);
    task->forget = oci_forget;
    task->ask = ask_to_stop;
    task->init_is_payload = !has_init;
    task->state.started_at = timestamp_now();
    task->state.phase = "running";
    // Before the program begins: whoever finds this and no supervisor knows that it may have begun, and never begins it again.
    if (record(task, &failure) < 0) return launch_failed(task, &failure);
    if (make(task, plan, &c, program, &failure) < 0) return give_up(task, &failure);
    cgroups_open_directories(&task->cgroups);
    task->stream[0].fd = c.out[0];
    task->stream[1].fd = c.err[0];
    close(c.out[1]);
    close(c.err[1]);
    if (attach_begin(&task->attach, &c.attach, task->stream) < 0) { failure_set(&failure, errno, "attach"); return give_up(task, &failure); }
    if (has_init) {
        close(c.status[1]);
        close_pair(c.failure);
        task->status = c.status[0];
    }
    return record(task, &failure) < 0 ? give_up(task, &failure) : 0;
}
