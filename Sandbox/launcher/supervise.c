// `swiftlet-sandbox supervise`: one supervisor process per task, detached from its caller, that outlives it.
#define _GNU_SOURCE
#include "supervise.h"
#include "cgroup_make.h"
#include "launch.h"
#include "oci.h"
#include "watch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

// Without a record the reason goes to standard error, and the exit status is what shells and container runtimes use.
static int say_failure(const struct failure *failure) {
    fprintf(stderr, "swiftlet-sandbox: %s%s%s\n", failure->stage, failure->error ? ": " : "", failure->error ? strerror(failure->error) : "");
    if (strncmp(failure->stage, "exec(", 5)) return 125;
    return failure->error == ENOENT ? 127 : 126;
}

static int run(struct task *task, const char *plan_path) {
    struct plan_error error;
    task->state.supervisor = getpid();
    task->state.supervisor_start = task->directory < 0 ? 0 : state_process_start(getpid());
    struct plan *plan = plan_read(plan_path, &error);
    int descriptor;
    // A file in memory whose pages would stay as long as the task does: a plan that came as a descriptor is read once.
    if (sscanf(plan_path, "/proc/self/fd/%d", &descriptor) == 1 && descriptor > 2) close(descriptor);
    if (!plan) {
        struct failure failure;
        failure_set(&failure, EINVAL, "plan(line %u: %s)", error.line, error.reason);
        return launch_failed(task, &failure);
    }
    if (chdir("/") < 0) return 2;  // holds no directory busy; after the plan, whose path may be relative
    int result = plan_find(plan, OP_OCI_RUNTIME) ? oci_launch(task, plan) : launch_task(task, plan, NULL);
    plan_release(plan);
    return result;
}

// The caller waits for this process: its exit says that the record is written. Returns in the child alone.
static void detach(struct task *task) {
    int ready[2];
    if (pipe2(ready, O_CLOEXEC) < 0) _exit(2);
    pid_t child = fork();
    if (child < 0) _exit(2);
    if (child > 0) {
        unsigned char result = 2;
        close(ready[1]);
        while (read(ready[0], &result, 1) < 0 && errno == EINTR) {}
        _exit(result);
    }
    close(ready[0]);
    setsid();
    task->ready = ready[1];
}

int supervise(const char *plan_path, const char *state_directory, int foreground) {
    static struct task task;  // all zero: its pages exist once they are used
    watch_clear(&task);
    task.directory = state_directory ? openat(AT_FDCWD, state_directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (task.directory < 0 && state_directory) { fprintf(stderr, "%s: %s\n", state_directory, strerror(errno)); return 2; }
    if (launch_take_lock(&task) < 0) {
        fprintf(stderr, "%s: %s\n", state_directory, errno == EWOULDBLOCK ? "has a supervisor already" : strerror(errno));
        return 2;
    }
    if (!foreground) detach(&task);
    task.foreground = foreground;
    watch_prepare(&task);
    unsigned char result = (unsigned char)run(&task, plan_path);
    if (task.ready >= 0) {
        ssize_t ignored = write(task.ready, &result, 1);  // the agent may be gone: the task goes on
        (void)ignored;
        close(task.ready);
        // Nobody waits for it any more.
        if (task.mounts >= 0) close(task.mounts);
        task.mounts = -1;
    }
    if (result && !state_directory) return say_failure(&task.state.failure);
    if (result) return result == 1 && foreground ? 128 : result;
    watch(&task);
    if (task.forget) task.forget(&task);
    watch_leave_groups(&task);
    cgroup_remove_all();
    return foreground ? task.state.exit_code : 0;
}
