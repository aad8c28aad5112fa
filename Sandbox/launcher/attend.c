// See attend.h.
#define _GNU_SOURCE
#include "attend.h"
#include "cgroup_make.h"
#include "launch.h"
#include "netpool.h"
#include "prompt.h"
#include "request.h"
#include "spare.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

static void tell(const struct task *task, int office, int kind, int descriptor) {
    union { struct cmsghdr header; char bytes[CMSG_SPACE(sizeof(int))]; } control;
    struct attend_message word = {kind, task->state.supervisor};
    struct iovec data = {&word, sizeof word};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1};
    if (descriptor >= 0) {
        memset(&control, 0, sizeof control);
        message.msg_control = &control;
        message.msg_controllen = sizeof control;
        control.header = (struct cmsghdr){CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
        memcpy(CMSG_DATA(&control.header), &descriptor, sizeof descriptor);
    }
    sendmsg(office, &message, MSG_NOSIGNAL | MSG_DONTWAIT);  // lost when nobody hears: then nobody needs it
}

static int await_client(int listener) {
    int client;
    while ((client = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) < 0)
        if (errno != EINTR && errno != ECONNABORTED) _exit(1);
    return client;
}

// Carries out a request. What `launch_task` returns.
static int serve(struct task *task, struct request *request, struct spare *spare) {
    task->directory = open(request->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (task->directory < 0 || launch_take_lock(task) < 0) {
        failure_set(&task->state.failure, errno, "state(%.200s)", request->directory);
        return 2;
    }
    if (!request->plan) {
        struct failure failure;
        failure_set(&failure, EINVAL, "plan(line %u: %s)", request->error.line, request->error.reason);
        return launch_failed(task, &failure);
    }
    if (spare && !spare_fits(request->plan)) {
        spare_discard_init(spare);
        spare = NULL;
    }
    return launch_task(task, request->plan, spare);
}

static void answer_start(const struct task *task, int result) {
    const struct task_state *s = &task->state;
    if (result == 0)
        request_answer(task->client, "started %d %llu %d %llu\n", s->pid, (unsigned long long)s->pid_start, s->supervisor,
                       (unsigned long long)s->supervisor_start);
    else request_answer(task->client, "%s %d %s\n", result == 1 ? "failed" : "unrecorded", s->failure.error, s->failure.stage);
}

_Noreturn void attend_run(const struct attend *a) {
    static struct task task;
    // What only the launch needs, on pages of its own: they go back.
    static struct { struct request request; struct spare spare; } __attribute__((aligned(4096))) launch;
    struct request *request = &launch.request;
    struct spare *spare = &launch.spare;
    // Nobody is served by a child that the resident launcher no longer knows.
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (getppid() != a->resident) _exit(1);  // it died before the line above
    signal(SIGCHLD, SIG_DFL);
    prompt_begin();
    setsid();
    watch_clear(&task);
    task.keeps_streams = 1;
    watch_prepare(&task);
    task.state.supervisor = getpid();
    if (a->makes_spare ? spare_make(spare, a->host_mounts, a->net_namespace) < 0 : setns(a->host_mounts, CLONE_NEWNS) < 0) {
        tell(&task, a->office, ATTEND_UNABLE, -1);
        _exit(1);
    }
    close(a->host_mounts);
    task.state.supervisor_start = state_process_start(getpid());
    state_boot_id();

    task.client = await_client(a->listener);
    prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0);
    tell(&task, a->office, ATTEND_TAKEN, -1);
    close(a->listener);
    if (request_receive(task.client, request) < 0) _exit(1);  // the client sees the end of the connection
    int result = serve(&task, request, a->makes_spare ? spare : NULL);
    answer_start(&task, result);
    if (result) _exit(result);
    int network_returns = netpool_may_return(request->plan);
    plan_release(request->plan);
    spare_release(spare);
    madvise(&launch, sizeof launch, MADV_DONTNEED);
    watch(&task);
    request_answer(task.client, "ended %d %d\n", task.state.exit_code, task.state.signal);
    cgroup_remove_all();
    if (a->net_namespace >= 0 && network_returns) tell(&task, a->office, ATTEND_NETWORK, a->net_namespace);
    _exit(0);
}
