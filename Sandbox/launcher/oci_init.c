// `swiftlet-sandbox oci-init`: the first process of a container that an OCI runtime made. It starts the program, passes signals on to
// it, reaps what is left to it, and ends as the program does: so a program there is what it is in a sandbox of our own, and not a
// process 1 that signals cannot end. `oci-wall`: the same for a command beside it, which needs no process of ours.
#define _GNU_SOURCE
#include "oci.h"
#include "landlock.h"
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIGNALS 64

// All that a handler can have, except what tells of a child.
static int is_passed_on(int signal) { return signal != SIGKILL && signal != SIGSTOP && signal != SIGCHLD; }

// The kernel tells of a mistake of our own.
static int is_fault(const siginfo_t *info) {
    int signal = info->si_signo;
    return info->si_code > 0 &&
           (signal == SIGSEGV || signal == SIGBUS || signal == SIGFPE || signal == SIGILL || signal == SIGTRAP || signal == SIGSYS);
}

static volatile sig_atomic_t program;

// Not what the program itself sends: its kill(-1) means everybody but the sender. Nor what we bring on ourselves (SIGPIPE).
static void pass_on(int number, siginfo_t *info, void *context) {
    (void)context;
    if (is_fault(info)) {  // comes again, and ends us
        signal(number, SIG_DFL);
        return;
    }
    int saved = errno, is_ours = info->si_code <= 0 && (info->si_pid == program || info->si_pid == getpid());
    if (program > 0 && !is_ours) kill(program, number);
    errno = saved;
}

// NULL: the default action.
static void set_handlers(void (*handler)(int, siginfo_t *, void *)) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_flags = SA_RESTART;
    if (handler) {
        action.sa_sigaction = handler;
        action.sa_flags |= SA_SIGINFO;
    } else action.sa_handler = SIG_DFL;
    for (int signal = 1; signal <= SIGNALS; signal++)
        if (is_passed_on(signal)) sigaction(signal, &action, NULL);  // libc keeps some of the real-time ones to itself
}

// A report is smaller than what a pipe takes at once, and its reader may be gone.
static void say(int to, const void *bytes, size_t size) {
    ssize_t ignored = write(to, bytes, size);
    (void)ignored;
}

static int await_program(pid_t pid) {
    for (;;) {
        int status;
        pid_t ended = waitpid(-1, &status, 0);
        if (ended == pid) return status;
        if (ended < 0 && errno != EINTR) return SIGKILL;
    }
}

// What a runtime has no words for, or no power to do in a namespace of ours: the limits and landlock operations of a plan; inside the
// container, before the program.
static void raise_wall(const char *path) {
    struct plan_error error;
    struct plan *plan = plan_read(path, &error);
    if (!plan) fail(EINVAL, "wall(line %u: %s)", error.line, error.reason);
    for (uint32_t i = 0; i < plan->count; i++)
        if (plan->operation[i].kind == OP_RLIMIT) process_apply(&plan->operation[i]);
    landlock_apply(plan);
}

_Noreturn static void become(const char *wall, char **argument) {
    if (wall) raise_wall(wall);
    execvp(argument[0], argument);
    fail(errno, "exec(%s)", argument[0]);
}

int oci_wall(const char *wall, char **argument) {
    failure_pipe = OCI_COMMAND_FAILURE;
    if (fcntl(failure_pipe, F_SETFD, FD_CLOEXEC) < 0) return 125;
    become(wall, argument);
}

// In a process group of its own it would be in the background, where nobody may read from the terminal.
static void take_terminal(void) {
    if (!isatty(0)) return;
    signal(SIGTTOU, SIG_IGN);
    if (tcsetpgrp(0, getpid()) < 0) fail(errno, "terminal(foreground)");
    signal(SIGTTOU, SIG_DFL);
}

// OCI_STATUS takes the program's wait status, OCI_FAILURE a struct failure when it cannot be run, else its end at exec.
int oci_init(const char *wall, char **argument) {
    // Nobody of the container reads or traces us, or writes into our descriptors by /proc/1/fd.
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    if (fcntl(OCI_STATUS, F_SETFD, FD_CLOEXEC) < 0 || fcntl(OCI_FAILURE, F_SETFD, FD_CLOEXEC) < 0) return 125;
    sigset_t all, none;
    sigfillset(&all);
    sigemptyset(&none);
    set_handlers(pass_on);
    // What comes before there is a program waits until there is.
    sigprocmask(SIG_BLOCK, &all, NULL);
    pid_t pid = fork();
    if (pid == 0) {
        set_handlers(NULL);
        setpgid(0, 0);
        failure_pipe = OCI_FAILURE;
        take_terminal();
        sigprocmask(SIG_SETMASK, &none, NULL);
        become(wall, argument);
    }
    program = pid;
    close(OCI_FAILURE);
    for (int i = 0; i < 3; i++) close(i);  // they are the program's, and end with it
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (pid < 0) return 126;
    int status = await_program(pid);
    say(OCI_STATUS, &status, sizeof status);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
