// Signals and tracing across the edge.
#include "probe.h"

#include <sched.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/prctl.h>
#include <sys/resource.h>

static enum verdict trace(void) {
    long result = ptrace(PTRACE_SEIZE, ctx.host_pid, 0, 0);
    return by_result(result, "ptrace(SEIZE) of a host process");
}
static enum verdict signal_host(void) { return by_result(kill((pid_t)ctx.host_pid, 0), "kill(host process, 0)"); }

static enum verdict signal_all(void) {
    int result = kill(-1, 0);  // signal 0: reaches, harms nobody
    detail("kill(-1): %s", result < 0 ? strerror(errno) : "reaches processes");
    if (result < 0) return BLOCKED;
    return same_namespace("pid", ctx.ns_pid) ? OPEN : CONTAINED;
}

static char state_of(int pid) {
    char path[64], line[512] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *file = fopen(path, "re");
    if (file) { if (!fgets(line, sizeof line, file)) line[0] = 0; fclose(file); }
    char *at = strrchr(line, ')');
    return at && at[1] ? at[2] : '?';
}

static enum verdict signal_init(void) {
    if (ctx.control) return by_result(kill(1, 0), "kill(1, 0)");
    if (same_namespace("pid", ctx.ns_pid)) return by_result(kill(1, 0), "kill(host's pid 1, 0)");
    kill(1, SIGSTOP);
    kill(1, SIGKILL);
    usleep(20000);
    char state = state_of(1);
    detail("pid 1 is in state %c after STOP and KILL", state);
    return state == 'T' ? OPEN : BLOCKED;  // '?': hidden (hidepid); that it still reaps, zombie-reaping shows
}

static enum verdict trace_init(void) {
    if (getpid() != 1 && getppid() == 1 && !ctx.control) { detail("pid 1 is the task itself"); return CONTAINED; }
    return by_result(ptrace(PTRACE_SEIZE, ctx.control ? ctx.host_pid : 1, 0, 0), "ptrace(SEIZE) of pid 1");
}

static enum verdict handle(void) {
    int fd = (int)syscall(SYS_pidfd_open, ctx.host_pid, 0);
    return by_result(fd < 0 ? -1 : syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0), "pidfd_send_signal to a host process");
}

static enum verdict schedule(void) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(0, &set);
    if (getpriority(PRIO_PROCESS, (id_t)ctx.host_pid) != -1 && setpriority(PRIO_PROCESS, (id_t)ctx.host_pid, 0) == 0)
        return by_result(0, "setpriority of a host process");
    return by_result(sched_getaffinity((pid_t)ctx.host_pid, sizeof set, &set) < 0 ? -1 : 0, "scheduling of a host process");
}

static enum verdict limit(void) {
    struct rlimit now;
    return by_result(prlimit((pid_t)ctx.host_pid, RLIMIT_NOFILE, NULL, &now), "prlimit of a host process");
}

static enum verdict owner(void) {
    // SIGIO by F_SETOWN carries the sender's powers: aimed at a host process.
    int fds[2];
    if (pipe(fds) < 0) return BLOCKED;
    return by_result(fcntl(fds[0], F_SETOWN, (int)ctx.host_pid), "F_SETOWN to a host process");
}

static enum verdict forged(void) {
    siginfo_t info = {.si_signo = 0};
    info.si_code = SI_QUEUE;
    return by_result(syscall(SYS_rt_sigqueueinfo, (pid_t)ctx.host_pid, 0, &info), "rt_sigqueueinfo to a host process");
}

const struct probe signal_probes[] = {
    {"ptrace-host-pid", 'C', RUN, trace, "trace a host process", "ESRCH: pid namespace"},
    {"kill-host-pid", 'C', RUN, signal_host, "signal a host process", "ESRCH: pid namespace"},
    {"kill-all", 'I', RUN, signal_all, "kill(-1) with signal 0", "reaches only the sandbox"},
    {"signal-supervisor", 'C', RUN, signal_init, "STOP and KILL to pid 1", "init is immune"},
    {"ptrace-init", 'M', RUN, trace_init, "trace pid 1", "EPERM"},
    {"pidfd-signal", 'C', RUN, handle, "signal a host process by pidfd", "ESRCH"},
    {"sched-host", 'M', RUN, schedule, "change or read a host process's scheduling", "ESRCH"},
    {"prlimit-host", 'M', RUN, limit, "read a host process's limits", "ESRCH"},
    {"fcntl-owner", 'M', RUN, owner, "let the kernel signal a host process for us (F_SETOWN)", "ESRCH"},
    {"sigqueue-host", 'M', RUN, forged, "a forged siginfo to a host process", "ESRCH"},
    END};
