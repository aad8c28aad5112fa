// See hooks.h. Each hook is a child with the caller's standard output and error, the state on standard input, default signals, and a time
// limit if the plan gives one. Inside the container it has the program's environment unless it has its own, and the program's walls.
#define _GNU_SOURCE
#include "hooks.h"
#include "capabilities.h"
#include "failure.h"
#include "filters.h"
#include "timestamp.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

void hooks_ask_caller(const struct plan *plan, int sync) {
    char word = 'H';
    if (!plan_find(plan, OP_RUNTIME_HOOKS)) return;
    if (write(sync, &word, 1) != 1) fail(errno, "hooks(caller)");
    ssize_t n;
    while ((n = read(sync, &word, 1)) < 0 && errno == EINTR) {}
    if (n != 1) _exit(126);  // the caller's hook failed, and the caller has said so
}

// The state with this process's pid in its place; a pipe holds it whole (the plan's words are far below 64 KiB each).
static int state_pipe(const struct plan *plan) {
    const struct operation *state = plan_find(plan, OP_HOOK_STATE);
    int ends[2];
    char pid[16];
    if (pipe2(ends, O_CLOEXEC) < 0) fail(errno, "hooks(pipe)");
    fcntl(ends[1], F_SETPIPE_SZ, 1 << 20);
    int length = snprintf(pid, sizeof pid, "%d", getpid());
    fcntl(ends[1], F_SETFL, O_NONBLOCK);
    const char *part[] = {state ? state->argument[0] : "", pid, state ? state->argument[1] : ""};
    size_t bytes[] = {strlen(part[0]), state ? (size_t)length : 0, strlen(part[2])};
    for (int i = 0; i < 3; i++)
        if (write(ends[1], part[i], bytes[i]) != (ssize_t)bytes[i]) fail(EMSGSIZE, "hooks(state)");
    close(ends[1]);
    return ends[0];
}

static int is_inside(const struct plan *plan, uint32_t at) { return !strcmp(plan->operation[at].argument[0], "start-container"); }

// What the program will not be allowed to do, an image's program that is called before it may not do either.
static void raise_walls(const struct plan *plan) {
    filters_load(plan);
    if (!filters_before_capabilities(plan)) return;
    struct capability_sets sets = capabilities_wanted(plan_find(plan, OP_CAPABILITIES));
    capabilities_finish(&sets);
}

_Noreturn static void execute(const struct plan *plan, uint32_t at, int input) {
    static char *argv[PLAN_OPERATIONS_MAX + 1], *envp[PLAN_OPERATIONS_MAX + 1];
    size_t arguments = 0, entries = 0;
    for (uint32_t i = at + 1; i < plan->count; i++) {
        const struct operation *op = &plan->operation[i];
        if (op->kind == OP_HOOK_ARG) argv[arguments++] = op->argument[0];
        else if (op->kind == OP_HOOK_ENV) envp[entries++] = op->argument[0];
        else break;
    }
    if (!entries && is_inside(plan, at))
        for (uint32_t i = 0; i < plan->count; i++)
            if (plan->operation[i].kind == OP_ENV) envp[entries++] = plan->operation[i].argument[0];
    sigset_t none;
    sigemptyset(&none);
    for (int signal = 1; signal < NSIG; signal++) {
        struct sigaction action = {.sa_handler = SIG_DFL};
        sigaction(signal, &action, NULL);
    }
    sigprocmask(SIG_SETMASK, &none, NULL);
    setpgid(0, 0);  // its own group: a hook that takes too long goes with its children
    if (dup2(input, 0) < 0 || syscall(SYS_close_range, 3, ~0U, 4 /* CLOSE_RANGE_CLOEXEC */) < 0) _exit(126);
    char *path = plan->operation[at].argument[1];
    if (!arguments) argv[0] = path;
    failure_pipe = -1;  // whoever made us tells of the hook's end
    if (is_inside(plan, at)) raise_walls(plan);
    execve(path, argv, envp);
    _exit(errno == ENOENT ? 127 : 126);
}

// The wait status, or -1 when the time was over.
static int await_end(pid_t pid, int64_t timeout_ms) {
    int status = 0, handle = (int)syscall(SYS_pidfd_open, pid, 0);
    if (timeout_ms > 0 && handle >= 0) {
        int64_t deadline = timestamp_monotonic_ms() + timeout_ms;
        for (;;) {
            struct pollfd ended = {.fd = handle, .events = POLLIN};
            int64_t left = deadline - timestamp_monotonic_ms();
            int n = left > 0 ? poll(&ended, 1, (int)left) : 0;
            if (n > 0) break;
            if (n < 0 && errno == EINTR) continue;
            kill(-pid, SIGKILL);
            kill(pid, SIGKILL);
            while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {}
            close(handle);
            return -1;
        }
    }
    if (handle >= 0) close(handle);
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR) return -1;
    return status;
}

// In runc's words, which callers look for.
static void describe(const struct plan *plan, uint32_t at, char *text, size_t bytes) {
    int number = 0;
    for (uint32_t i = 0; i < at; i++)
        number += plan->operation[i].kind == OP_HOOK && !strcmp(plan->operation[i].argument[0], plan->operation[at].argument[0]);
    snprintf(text, bytes, "error running %s hook #%d: %.200s", is_inside(plan, at) ? "startContainer" : "createContainer", number,
             plan->operation[at].argument[1]);
}

static void run_one(const struct plan *plan, uint32_t at) {
    const struct operation *hook = &plan->operation[at];
    char what[256];
    describe(plan, at, what, sizeof what);
    int input = state_pipe(plan);
    pid_t pid = fork();
    if (pid < 0) fail(errno, "%s: fork", what);
    if (pid == 0) execute(plan, at, input);
    close(input);
    int status = await_end(pid, (int64_t)plan_number(hook->argument[2]));
    if (status == 0) return;
    if (status < 0) fail(ETIMEDOUT, "%s", what);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS) fail(0, "%s: signal: bad system call", what);
    if (WIFSIGNALED(status)) fail(0, "%s: signal: %s", what, strsignal(WTERMSIG(status)));
    fail(0, "%s: exit status %d", what, WEXITSTATUS(status));
}

void hooks_run(const struct plan *plan, const char *point) {
    for (uint32_t i = 0; i < plan->count; i++)
        if (plan->operation[i].kind == OP_HOOK && !strcmp(plan->operation[i].argument[0], point)) run_one(plan, i);
}
