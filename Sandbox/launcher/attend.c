// See attend.h.
#define _GNU_SOURCE
#include "attend.h"
#include "cgroup_make.h"
#include "cgroup_place.h"
#include "host.h"
#include "identity.h"
#include "launch.h"
#include "prompt.h"
#include "request.h"
#include "spare.h"
#include "workspace.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

// A burst leaves more children than are wanted: they serve again rather than that others are made, until it is quiet for so long.
#define SURPLUS_SECONDS 1

// The supervisor's own, in memory that the init of a spare does not get. The request is what only the launch needs: its pages go back.
static struct own { struct task task; struct request request __attribute__((aligned(4096))); } *own TOGETHER;
static struct attend *office TOGETHER;
// What the init sees too.
static struct spare jail TOGETHER;

static void tell(int kind, const struct network *network) {
    union { struct cmsghdr header; char bytes[CMSG_SPACE(sizeof *network)]; } control;
    struct attend_message word = {kind, own->task.state.supervisor};
    struct iovec data = {&word, sizeof word};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1};
    if (network) {
        memset(&control, 0, sizeof control);
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(sizeof *network);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_len = CMSG_LEN(sizeof *network);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        memcpy(CMSG_DATA(header), network, sizeof *network);
    }
    sendmsg(office->office, &message, MSG_NOSIGNAL | MSG_DONTWAIT);  // lost when nobody hears: then nobody needs it
}

static void note(enum attend_state state) { __atomic_store_n(&office->board->state[office->place], state, __ATOMIC_RELAXED); }

int attend_waiting(const struct attend_board *board) {
    int count = 0;
    for (int i = 0; i < ATTEND_MAX; i++) {
        int state = __atomic_load_n(&board->state[i], __ATOMIC_RELAXED);
        count += state == ATTEND_COMING || state == ATTEND_WAITING;
    }
    return count;
}

// The resident launcher counts on this child no longer, and its place is another's.
static void leave_office(struct task *of) {
    if (of->lasts) return;
    of->lasts = 1;
    tell(ATTEND_TAKEN, NULL);
    close(office->listener);  // who asks when the resident launcher is gone is to notice it
}

// Gives back what the launch needed: this process may live for days now.
static void settle_down(struct task *of) {
    leave_office(of);
    if (own->request.plan) plan_release(own->request.plan);
    request_release();
    cgroup_places_release();
    spare_release(&jail);
    madvise(&own->request, sizeof own->request, MADV_DONTNEED);
}

// Nobody is served by a child that the resident launcher no longer knows.
static void depend_on_resident(void) {
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (getppid() != office->resident) _exit(1);  // it died before the line above
}

// Whether another child works, at a launch or at what is behind one or before.
static int has_company(void) {
    int working = 0;
    for (int i = 0; i < ATTEND_MAX && working < 2; i++) {
        int state = __atomic_load_n(&office->board->state[i], __ATOMIC_RELAXED);
        working += state == ATTEND_BUSY || state == ATTEND_COMING;
    }
    return working > 1;
}

static int is_surplus(void) { return attend_waiting(office->board) > office->wanted; }

static void wake(int signal) { (void)signal; }

// -1 when the burst that needed this child is over.
static int await_client(void) {
    int client, surplus;
    note(ATTEND_WAITING);
    if ((surplus = is_surplus())) alarm(SURPLUS_SECONDS);
    while ((client = accept4(office->listener, NULL, NULL, SOCK_CLOEXEC)) < 0) {
        if (errno == EINTR && surplus && is_surplus()) return -1;
        if (errno != EINTR && errno != ECONNABORTED) _exit(1);
    }
    if (surplus) alarm(0);
    note(ATTEND_BUSY);
    __atomic_fetch_add(&office->board->served, 1, __ATOMIC_SEQ_CST);
    if (!attend_waiting(office->board) && !__atomic_load_n(&office->board->is_crowded, __ATOMIC_SEQ_CST)) tell(ATTEND_SHORT, NULL);
    prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0);
    return client;
}

// Takes the directory and its lock. 0, or -1 with the failure.
static int take_directory(const char *path) {
    own->task.directory = openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (own->task.directory >= 0 && launch_take_lock(&own->task) == 0) return 0;
    failure_set(&own->task.state.failure, errno, "state(%.200s)", path);
    return -1;
}

// Carries out a request. What `launch_task` returns.
static int serve(struct request *request, struct spare *spare) {
    struct failure failure = {0};
    if (!request->plan) failure_set(&failure, EINVAL, "plan(line %u: %s)", request->error.line, request->error.reason);
    else if (spare && !spare_fits(request->plan)) {
        leave_office(&own->task);
        spare_discard_init(spare);
        workspace_share(own, sizeof *own);
        workspace_share_stack();
        spare = NULL;
    }
    // init builds the root from here on. It starts nothing before the groups are there: where the launch ends below, it goes with us.
    else if (spare && spare_map_ids(spare, request->plan, &failure) == 0) spare_go(spare, request->plan, !has_company());
    if (take_directory(request->directory) < 0) return 2;
    return failure.stage[0] ? launch_failed(&own->task, &failure) : launch_task(&own->task, request->plan, spare);
}

#define ANSWER_BYTES 512

static void put_started(struct text *text) {
    const struct task_state *s = &own->task.state;
    int64_t words[] = {s->pid, (int64_t)s->pid_start, s->supervisor, (int64_t)s->supervisor_start};
    text_put(text, "started");
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        text_put(text, " ");
        text_put_integer(text, words[i]);
    }
    text_put(text, "\n");
}

static void answer_start(int result) {
    const struct failure *failure = &own->task.state.failure;
    char place[ANSWER_BYTES];
    struct text text = text_begin(place, sizeof place);
    if (result == 0) put_started(&text);
    else {
        text_put(&text, result == 1 ? "failed " : "unrecorded ");
        text_put_integer(&text, failure->error);
        text_put(&text, " ");
        text_put(&text, failure->stage);
        text_put(&text, "\n");
    }
    request_answer(own->task.client, &text);
}

// What is over at once is told in one message. Whether anybody heard it.
static int answer_end(void) {
    char place[ANSWER_BYTES];
    struct text text = text_begin(place, sizeof place);
    if (own->task.over) put_started(&text);
    text_put(&text, "ended ");
    text_put_integer(&text, own->task.state.exit_code);
    text_put(&text, " ");
    text_put_integer(&text, own->task.state.signal);
    text_put(&text, "\n");
    return request_answer(own->task.client, &text);
}

// The first steps of the child, which happen once.
static int begin(int *slim_mounts) {
    depend_on_resident();
    signal(SIGCHLD, SIG_DFL);
    sigaction(SIGALRM, &(struct sigaction){.sa_handler = wake}, NULL);  // ends the waiting of whoever is not needed
    prompt_begin();
    identity_leave_groups();
    setsid();
    watch_clear(&own->task);
    watch_prepare(&own->task);
    workspace_separate();
    if (office->makes_spare) {
        workspace_keep(office->board, sizeof *office->board);
        workspace_keep_stack();
    } else workspace_share(own, sizeof *own);
    own->task.state.supervisor = getpid();
    *slim_mounts = office->makes_spare ? spare_present_mounts(&jail) : -1;
    if ((office->makes_spare && *slim_mounts < 0) || setns(office->host_mounts, CLONE_NEWNS) < 0) return -1;
    host_keep();  // for every init that comes
    host_processors();
    cgroup_places_keep();
    own->task.state.supervisor_start = state_process_start(getpid());
    return 0;
}

// Its end is not a death that the resident launcher should wonder about.
_Noreturn static void end(int status) {
    leave_office(&own->task);
    _exit(status);
}

// One task from its request to its end. 1 when everything is as it was before, for another.
static int attend_one(int slim_mounts) {
    struct request *request = &own->request;
    if (office->makes_spare && spare_make(&jail, office->host_mounts, slim_mounts, office->network.space) < 0) {
        tell(ATTEND_UNABLE, NULL);
        _exit(1);
    }
    depend_on_resident();  // making a namespace for another owner made it forgotten
    own->task.client = await_client();
    if (own->task.client < 0) {
        tell(ATTEND_NETWORK, &office->network);  // nobody entered it since it was looked at
        return 0;
    }
    if (request_receive(own->task.client, request, leave_office, &own->task) < 0) end(1);  // the client sees the end of the connection
    int result = serve(request, office->makes_spare ? &jail : NULL);
    if (!own->task.over) answer_start(result);
    if (result) end(result);
    int network_returns = office->network.space >= 0 && netpool_may_return(request->plan);
    int recorded = watch(&own->task);
    if (recorded < 0) {
        answer_start(2);
        watch_leave_groups(&own->task);
        cgroup_remove_all();
        end(2);
    }
    int heard = answer_end();
    sched_yield();  // whoever waited for it goes on before what is left to clear up
    if (own->task.mounts >= 0) close(own->task.mounts);
    watch_leave_groups(&own->task);
    cgroup_remove_all();
    // Whoever hung up watches this process, so its end must tell the task's.
    if (office->makes_spare && !own->task.lasts && heard && attend_waiting(office->board) < ATTEND_MAX / 2 && network_returns && netpool_is_unused(&office->network)) {
        note(ATTEND_COMING);
        spare_clear(&jail, &own->task, request->plan);
        return 1;
    }
    if (network_returns) tell(ATTEND_NETWORK, &office->network);
    return 0;
}

_Noreturn void attend_run(struct attend *attend) {
    int slim_mounts;
    office = attend;
    if (!(own = workspace_new(sizeof *own))) _exit(1);
    own->task.busy = leave_office;
    own->task.settle = settle_down;
    own->task.keeps_streams = 1;
    if (begin(&slim_mounts) < 0) {
        tell(ATTEND_UNABLE, NULL);
        _exit(1);
    }
    while (attend_one(slim_mounts)) watch_renew(&own->task);
    end(0);
}
