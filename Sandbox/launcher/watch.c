// The supervisor's loop. It sleeps in poll(2) unless the task writes, ends, or is to be stopped.
#define _GNU_SOURCE
#include "watch.h"
#include "init.h"
#include "keep.h"
#include "stack.h"
#include "supervise.h"
#include "workspace.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// Output that is still in the pipes after the last process died; a descriptor passed to a stranger must not hold us.
#define DRAIN_DEADLINE_MS 2000
// For what is on its way to clients of `attach`, beside that.
#define CATCH_UP_DEADLINE_MS 5000
// Members that SIGKILL reached but that sit in an uninterruptible call.
#define KILL_DEADLINE_MS 10000

enum { STDOUT, STDERR, SIGNALS, INIT, OUT_OF_MEMORY, NOTIFY, WATCHED };

struct ending {
    int have_status, status;  // of the payload
    int64_t payload_us;       // its processor time; -1: not known
    int64_t kill_at;          // monotonic ms; 0: not asked to stop
    int64_t deadline_at;      // of the whole task; 0: none
    int64_t look_at;          // for processes that the end of memory took; 0: nothing says so
    int look_ms;              // from that look to the next
};

// A task that outlives this is one that stays.
#define MOMENT_MS 30

static char output[2][LOG_LINE_MAX] __attribute__((aligned(4096)));

static void clear_descriptors(struct task *task) {
    task->directory = task->record = task->lock = task->ready = task->init = task->status = -1;
    task->mounts = task->out_of_memory = task->client = task->log.fd = task->stream[0].fd = task->stream[1].fd = task->notify.fd = -1;
}

void watch_clear(struct task *task) {
    clear_descriptors(task);
    task->signals = -1;
    task->stream[0].bytes = output[0];
    task->stream[1].bytes = output[1];
    task->stream[0].name = "stdout";
    task->stream[1].name = "stderr";
    task->stream[0].channel = ATTACH_STDOUT;
    task->stream[1].channel = ATTACH_STDERR;
    attach_clear(&task->attach);
}

void watch_prepare(struct task *task) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGPIPE);
    static const int passed_on[] = {SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH};
    for (size_t i = 0; task->foreground && i < sizeof passed_on / sizeof *passed_on; i++) sigaddset(&set, passed_on[i]);
    sigprocmask(SIG_BLOCK, &set, NULL);
    sigdelset(&set, SIGPIPE);
    task->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

void watch_leave_groups(struct task *task) {
    int open[USAGE_FILES_MAX + CGROUPS_MAX + 1] = {task->out_of_memory}, count = 1;
    for (int i = 0; i < task->usage_files.count; i++) open[count++] = task->usage_files.fd[i];
    for (int i = 0; i < task->cgroups.count; i++) open[count++] = task->cgroups.group[i].directory;
    close_all(open, count);
    task->usage_files.count = task->cgroups.count = 0;
    task->out_of_memory = -1;
}

void watch_renew(struct task *task) {
    struct signalfd_siginfo info;
    int open[] = {task->record, task->status, task->log.fd, task->init, task->notify.fd, task->directory, task->client, task->lock};
    close_all(open, sizeof open / sizeof *open);
    // Who meant the former task could not know that it is over.
    while (read(task->signals, &info, sizeof info) == (ssize_t)sizeof info) {}
    clear_descriptors(task);
    if (task->log.total || task->log.dropped) memset(output, 0, sizeof output);
    task->state = (struct task_state){.supervisor = task->state.supervisor, .supervisor_start = task->state.supervisor_start};
    task->log = (struct log_file){.fd = -1};
    memset(&task->notify, 0, sizeof task->notify);
    task->notify.fd = -1;
    task->grace_ms = task->deadline_ms = 0;
    task->stop_signal = SIGTERM;
    task->over = 0;
    task->serial++;
}

static void signal_init(struct task *task, int signal) { syscall(SYS_pidfd_send_signal, task->init, signal, NULL, 0); }

// The time to stop in: the control file's, else the plan's.
static int64_t grace(const struct task *task) {
    char text[32] = {0};
    int fd = openat(task->directory, GRACE_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return task->grace_ms;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n <= 0 || text[0] < '0' || text[0] > '9') return task->grace_ms;
    int64_t value = strtoll(text, NULL, 10);
    return value > 86400000 ? 86400000 : value;
}

static void request_stop(struct task *task, struct ending *ending) {
    int64_t given = grace(task), kill_at = timestamp_monotonic_ms() + given;
    // A second request may shorten the time, never lengthen it.
    if (!ending->kill_at || kill_at < ending->kill_at) ending->kill_at = kill_at;
    // Without a grace there is nothing to ask for: a task that died of either signal would have an end that depends on the moment.
    if (!task->state.stop_requested && given > 0) {
        if (task->ask) task->ask(task);
        else signal_init(task, task->stop_signal);
    }
    task->state.stop_requested = 1;
}

// The kernel tells of the end of memory before it counts whom it kills, and who begins to listen in between hears nothing: looks again,
// less and less often, for some 7 s.
#define FIRST_LOOK_MS 5
#define LAST_LOOK_MS 5120

// As memory.oom.group of version 2: a task that lost one of its processes is not a task any more.
static void look_for_kills(struct task *task, struct ending *ending) {
    int killed = cgroup_usage_kills(&task->cgroups) > 0;
    if (killed) signal_init(task, SIGKILL);
    ending->look_at = killed || ending->look_ms > LAST_LOOK_MS ? 0 : timestamp_monotonic_ms() + ending->look_ms;
    ending->look_ms *= 4;
    stack_release();  // of a task that stays only what it needs all the time does
}

static void begin_to_look(struct task *task, struct ending *ending) {
    ending->look_ms = FIRST_LOOK_MS;
    look_for_kills(task, ending);
}

static void on_out_of_memory(struct task *task, struct ending *ending) {
    uint64_t times;
    if (read(task->out_of_memory, &times, sizeof times) == (ssize_t)sizeof times) begin_to_look(task, ending);
}

static void on_signals(struct task *task, struct ending *ending) {
    struct signalfd_siginfo info;
    while (read(task->signals, &info, sizeof info) == (ssize_t)sizeof info) {
        if (task->foreground && info.ssi_signo != SIGTERM) { signal_init(task, (int)info.ssi_signo); continue; }
        if (info.ssi_signo == SIGHUP) { log_reopen(&task->log); continue; }
        if (info.ssi_code == SI_QUEUE && info.ssi_int != task->serial) continue;  // `kill`, of a task that is over
        request_stop(task, ending);
    }
}

// Of two times, of which 0 is none.
static int64_t earlier(int64_t a, int64_t b) { return !a || (b && b < a) ? b : a; }

// Milliseconds until the next thing that time brings; -1: nothing does. Does what is due.
static int next_due(struct task *task, struct ending *ending) {
    if (!ending->kill_at && !ending->deadline_at && !ending->look_at) return -1;
    int64_t now = timestamp_monotonic_ms();
    if (ending->deadline_at && now >= ending->deadline_at) {
        ending->deadline_at = 0;
        if (!task->state.stop_requested) task->state.reason = "DeadlineExceeded";
        request_stop(task, ending);
    }
    if (ending->kill_at && now >= ending->kill_at) { signal_init(task, SIGKILL); ending->kill_at = 0; }
    if (ending->look_at && now >= ending->look_at) look_for_kills(task, ending);
    int64_t due = earlier(ending->look_at, earlier(ending->kill_at, ending->deadline_at));
    return !due ? -1 : due - now > 3600000 ? 3600000 : (int)(due - now);
}

// Of a stream of which poll(2) told `events`: an end alone means that nothing is left to read.
static void pump(struct task *task, int n, short events) {
    struct log_stream *stream = &task->stream[n];
    int bytes = events == POLLHUP ? 0 : log_pump(&task->log, stream);
    if (bytes == 0 || (bytes < 0 && errno != EAGAIN && errno != EINTR)) log_finish(&task->log, stream);
}

// The task lives on: what served the launch goes, and what a short task does without comes.
static void settle(struct task *task, struct ending *ending) {
    if (task->settle) task->settle(task);
    cgroup_usage_close(&task->usage_files);
    task->out_of_memory = cgroups_watch_out_of_memory(&task->cgroups);
    workspace_release();
    if (task->out_of_memory >= 0) begin_to_look(task, ending);
    else stack_release();
}

// How often who holds the task up is looked at again.
#define BEHIND_CHECK_MS 1000

// Runs until init is gone.
static void follow(struct task *task, struct ending *ending) {
    int64_t settles_at = timestamp_monotonic_ms() + MOMENT_MS;
    for (;;) {
        int64_t moment_left = settles_at ? settles_at - timestamp_monotonic_ms() : 0;
        if (settles_at && moment_left <= 0) {
            settles_at = 0;
            settle(task, ending);
        }
        int timeout = next_due(task, ending);
        if (settles_at && (timeout < 0 || timeout > moment_left)) timeout = (int)moment_left;
        int behind = attach_is_behind(&task->attach);
        if (behind && (timeout < 0 || timeout > BEHIND_CHECK_MS)) timeout = BEHIND_CHECK_MS;
        struct pollfd fds[WATCHED + ATTACH_WATCHED] = {
            [STDOUT] = {behind ? -1 : task->stream[0].fd, POLLIN, 0}, [STDERR] = {behind ? -1 : task->stream[1].fd, POLLIN, 0},
            [SIGNALS] = {task->signals, POLLIN, 0},     [INIT] = {task->init, POLLIN, 0},
            [OUT_OF_MEMORY] = {task->out_of_memory, POLLIN, 0}, [NOTIFY] = {task->notify.fd, POLLIN, 0}};
        attach_watch(&task->attach, fds + WATCHED);
        if (poll(fds, task->attach.listener >= 0 ? WATCHED + ATTACH_WATCHED : WATCHED, timeout) < 0) continue;
        if (fds[SIGNALS].revents) on_signals(task, ending);
        if (fds[STDOUT].revents) pump(task, 0, fds[STDOUT].revents);
        if (fds[STDERR].revents && !attach_is_behind(&task->attach)) pump(task, 1, fds[STDERR].revents);
        attach_ready(&task->attach, fds + WATCHED);
        if (fds[INIT].revents) return;
        if (fds[OUT_OF_MEMORY].revents) on_out_of_memory(task, ending);
        if (fds[NOTIFY].revents) notify_ready(&task->notify);
    }
}

static void drain(struct task *task) {
    int64_t begun = timestamp_monotonic_ms(), deadline = begun + DRAIN_DEADLINE_MS;
    while (task->stream[0].fd >= 0 || task->stream[1].fd >= 0) {
        int64_t left = deadline - timestamp_monotonic_ms();
        struct pollfd fds[2] = {{task->stream[0].fd, POLLIN, 0}, {task->stream[1].fd, POLLIN, 0}};
        if (left <= 0 || poll(fds, 2, (int)left) == 0) break;
        for (int i = 0; i < 2; i++) {
            if (!fds[i].revents) continue;
            int64_t before = timestamp_monotonic_ms();
            attach_catch_up(&task->attach, begun + CATCH_UP_DEADLINE_MS);
            deadline += timestamp_monotonic_ms() - before;  // nobody's output is lost to the log for a client's sake
            pump(task, i, fds[i].revents);
        }
    }
    attach_catch_up(&task->attach, begun + CATCH_UP_DEADLINE_MS);
    for (int i = 0; i < 2; i++)
        if (task->stream[i].fd >= 0) log_finish(&task->log, &task->stream[i]);
}

// Without a pid namespace, or with one that is slow to die: nobody of the task's cgroups stays.
static void sweep_cgroups(struct task *task) {
    int64_t deadline = timestamp_monotonic_ms() + KILL_DEADLINE_MS;
    while (cgroups_kill(&task->cgroups) > 0 && timestamp_monotonic_ms() < deadline) poll(NULL, 0, 5);
}

// Whether it was over at once, having done what it was to do.
static int was_brief(const struct task *task, const struct ending *ending, struct cgroup_brief *brief) {
    *brief = (struct cgroup_brief){(timestamp_now() - task->state.started_at) / 1000, ending->payload_us};
    return task->over && ending->status == 0 && brief->lived_us > 0 && brief->payload_us >= 0;
}

static void read_status(const struct task *task, struct ending *ending) {
    struct payload_end end;
    ssize_t n = read(task->status, &end, sizeof end);
    ending->have_status = n >= (ssize_t)sizeof end.status;
    if (ending->have_status) ending->status = end.status;
    ending->payload_us = n == (ssize_t)sizeof end ? end.cpu_us : -1;
}

static void reap_init(struct task *task, struct ending *ending) {
    siginfo_t info = {0};
    struct rusage usage;
    memset(&usage, 0, sizeof usage);  // as the kernel fills it: 64-bit fields, the same as libc's here
    // Own status record: a payload that init reaped reported through the pipe; else init itself was ended.
    while (syscall(SYS_waitid, P_PIDFD, task->init, &info, WEXITED, &usage) < 0 && errno == EINTR) {}
    if (!ending->have_status && task->status >= 0) read_status(task, ending);
    if (!ending->have_status && task->init_is_payload) {
        // As a wait status.
        ending->status = info.si_code == CLD_EXITED ? (info.si_status & 0xff) << 8 : info.si_status | (info.si_code == CLD_DUMPED ? 0x80 : 0);
        ending->have_status = 1;
    }
    if (!ending->have_status) ending->status = SIGKILL;  // as a wait status: killed by SIGKILL
    task->state.resources = usage;
    struct cgroup_usage *u = &task->state.usage;
    struct cgroup_brief brief;
    // Closed when nobody waits any more.
    cgroup_usage_read(&task->cgroups, task->usage_files.count ? &task->usage_files : NULL, was_brief(task, ending, &brief) ? &brief : NULL, u);
    // Without cgroups the kernel's sums over the reaped processes are the next best.
    int64_t user = (int64_t)usage.ru_utime.tv_sec * 1000000000 + usage.ru_utime.tv_usec * 1000;
    int64_t system = (int64_t)usage.ru_stime.tv_sec * 1000000000 + usage.ru_stime.tv_usec * 1000;
    if (u->cpu_user_ns < 0) u->cpu_user_ns = user;
    if (u->cpu_system_ns < 0) u->cpu_system_ns = system;
    if (u->cpu_total_ns < 0) u->cpu_total_ns = user + system;
    if (u->memory_peak_bytes < 0) u->memory_peak_bytes = (int64_t)usage.ru_maxrss * 1024;
}

// Its own pipes and files stay; what the launch left on standard descriptors goes.
static void leave_streams(void) {
    int null = openat(AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; fd < 3 && null >= 0; fd++) dup2(null, fd);
    if (null > 2) close(null);
}

static int write_end(struct task *task, const struct ending *ending) {
    struct task_state *state = &task->state;
    if (notify_end(&task->notify) < 0 && !state->reason) state->reason = "LearningFailed";
    state->finished_at = timestamp_now();
    state->phase = "exited";
    state->core_dumped = WIFSIGNALED(ending->status) && WCOREDUMP(ending->status);
    if (WIFSIGNALED(ending->status)) state->signal = WTERMSIG(ending->status);
    state->exit_code = state->signal ? 128 + state->signal : WEXITSTATUS(ending->status);
    int record = task->record;
    task->record = -1;
    for (int attempt = 0; attempt < 60; attempt++) {
        if (state_write(task->directory, record, state, &task->cgroups, &task->log) == 0) return 0;
        if (task->over) {  // who asked for it is still to be told that it was started
            failure_set(&state->failure, errno, "state(write)");
            return -1;
        }
        // A full disk may clear up again.
        record = -1;
        poll(NULL, 0, 1000);
    }
    return 0;
}

int watch(struct task *task) {
    struct ending ending = {.deadline_at = task->deadline_ms ? timestamp_monotonic_ms() + task->deadline_ms : 0};
    if (!task->keeps_streams) leave_streams();
    follow(task, &ending);
    if (!task->own_pids) sweep_cgroups(task);
    drain(task);
    attach_finish(&task->attach);
    reap_init(task, &ending);
    return write_end(task, &ending);
}
