// The kernel's more dangerous calls: a sandbox without a filter leaves them within reach.
#include "probe.h"

#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/timex.h>
#include <sys/wait.h>
#include <time.h>

// Arguments that the kernel refuses after its permission check: anything but a refusal of permission is open.
static enum verdict by_permission(long result, const char *what) {
    int error = errno;
    int refused = result < 0 && (error == EPERM || error == EACCES || error == ENOSYS);
    detail("%s: %s", what, result >= 0 ? "succeeded" : strerror(error));
    return refused ? BLOCKED : OPEN;
}

static enum verdict user_namespace(void) {
    pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
    if (pid == 0) _exit(0);
    if (pid > 0) { waitpid(pid, NULL, 0); return by_result(0, "clone(NEWUSER)"); }
    struct { uint64_t word[11]; } args = {{CLONE_NEWUSER, 0, 0, 0, SIGCHLD}};
    pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);
    if (pid == 0) _exit(0);
    if (pid > 0) { waitpid(pid, NULL, 0); return by_result(0, "clone3(NEWUSER)"); }
    return by_result(unshare(CLONE_NEWUSER), "clone, clone3 and unshare(NEWUSER)");
}

static enum verdict unshare_others(void) {
    static const int kinds[] = {CLONE_NEWNS, CLONE_NEWNET, CLONE_NEWPID, CLONE_NEWIPC, CLONE_NEWUTS, CLONE_NEWCGROUP, 0x80};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (unshare(kinds[i]) == 0) { detail("unshare(0x%x) succeeded", kinds[i]); return OPEN; }
    return by_result(-1, "unshare of 7 namespaces");
}

static enum verdict join_namespaces(void) {
    static const char *const names[] = {"mnt", "net", "pid", "user", "ipc", "uts", "cgroup"};
    char path[64];
    for (size_t i = 0; i < 7; i++) {
        snprintf(path, sizeof path, "/proc/%ld/ns/%s", ctx.control ? ctx.host_pid : 1, names[i]);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd >= 0 && setns(fd, 0) == 0) return by_result(0, path);
    }
    int handle = (int)syscall(SYS_pidfd_open, ctx.control ? ctx.host_pid : 1, 0);
    return by_result(setns(handle, CLONE_NEWNS | CLONE_NEWNET), "setns to pid 1's namespaces");
}

static enum verdict keys(void) {
    if (syscall(SYS_keyctl, 0, -2 /* the process keyring */, 1) >= 0) return by_result(0, "keyctl");
    if (syscall(SYS_request_key, "user", "x", NULL, 0) >= 0) return by_result(0, "request_key");
    return by_result(syscall(SYS_add_key, "user", "attack", "x", 1, -2), "keyctl, request_key and add_key");
}

static enum verdict bpf_program(void) {
    union bpf_attr attr = {.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};
    return by_result(syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof attr), "bpf(MAP_CREATE)");
}

static enum verdict perf(void) {
    struct perf_event_attr attr = {.type = PERF_TYPE_SOFTWARE, .size = sizeof attr, .config = PERF_COUNT_SW_CPU_CLOCK, .exclude_kernel = 1};
    return by_result(syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0), "perf_event_open");
}

static enum verdict fault_handler(void) {
    if (syscall(SYS_userfaultfd, O_CLOEXEC) >= 0) return by_result(0, "userfaultfd");
    if (syscall(SYS_userfaultfd, O_CLOEXEC | 1) >= 0) return by_result(0, "userfaultfd(user mode)");
    return open_for("/dev/userfaultfd", O_RDWR);
}

static enum verdict ring(void) {
    unsigned char parameters[120] = {0};
    return by_result(syscall(SYS_io_uring_setup, 1, parameters), "io_uring_setup");
}

static enum verdict kexec(void) {
    if (by_permission(syscall(SYS_kexec_load, 0, 1000, NULL, 0), "kexec_load") == OPEN) return OPEN;
    return by_permission(syscall(SYS_kexec_file_load, -1, -1, 0, "", 0xffff), "kexec_load, kexec_file_load");
}

static enum verdict module(void) {
    if (by_permission(syscall(SYS_init_module, "x", 1, ""), "init_module") == OPEN) return OPEN;
    if (by_permission(syscall(SYS_finit_module, -1, "", 0), "finit_module") == OPEN) return OPEN;
    return by_permission(syscall(SYS_delete_module, "no-such-module", O_NONBLOCK), "init_module, finit_module, delete_module");
}

// Wrong magic: the kernel asks for permission first, so EINVAL means permitted and nothing happens.
static enum verdict restart(void) { return by_permission(syscall(SYS_reboot, 1, 2, 3, NULL), "reboot"); }
static enum verdict swap(void) { return by_permission(syscall(SYS_swapon, "/no-such-file", 0), "swapon"); }
static enum verdict ports(void) {
    if (by_permission(syscall(SYS_ioperm, 0x80, 1, 0), "ioperm") == OPEN) return OPEN;
    return by_permission(syscall(SYS_iopl, 0), "ioperm, iopl");
}
static enum verdict segment(void) {
    unsigned descriptor[4] = {0};
    descriptor[2] = 0;
    return by_result(syscall(SYS_modify_ldt, 0, descriptor, sizeof descriptor), "modify_ldt");
}
static enum verdict watch_files(void) { return by_result(syscall(SYS_fanotify_init, 0, O_RDONLY), "fanotify_init"); }
static enum verdict accounting(void) { return by_permission(syscall(SYS_acct, "/no-such-file"), "acct"); }

static enum verdict trace_child(void) {
    pid_t pid = fork();
    if (pid == 0) { for (;;) pause(); }
    long result = ptrace(PTRACE_SEIZE, pid, 0, 0);
    enum verdict verdict = by_result(result, "ptrace(SEIZE) of a child");
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    return verdict;
}

static enum verdict memory_policy(void) {
    if (syscall(SYS_set_mempolicy, 0, NULL, 0) == 0) return by_result(0, "set_mempolicy");
    if (syscall(SYS_migrate_pages, 0, 1, NULL, NULL) >= 0) return by_result(0, "migrate_pages");
    return by_result(-1, "set_mempolicy, migrate_pages");
}

static enum verdict set_clock(void) {
    struct timex change = {.modes = 0};
    adjtimex(&change);
    change.modes = ADJ_TICK;  // to what it is already
    if (syscall(SYS_clock_adjtime, CLOCK_REALTIME, &change) >= 0) return by_result(0, "clock_adjtime");
    return by_result(adjtimex(&change), "clock_adjtime, adjtimex");
}

static enum verdict priority(void) {
    struct sched_param fifo = {.sched_priority = 1};
    int before = getpriority(PRIO_PROCESS, 0);
    if (setpriority(PRIO_PROCESS, 0, before - 1) == 0) return by_result(0, "a better nice value");
    if (sched_setscheduler(0, SCHED_FIFO, &fifo) == 0) return by_result(0, "SCHED_FIFO");
    return by_result(syscall(SYS_ioprio_set, 1, 0, 1 << 13), "nice, SCHED_FIFO, real-time I/O");
}

static enum verdict limits(void) {
    struct rlimit limit;
    static const int kinds[] = {RLIMIT_NOFILE, RLIMIT_CORE, RLIMIT_MEMLOCK, RLIMIT_NICE, RLIMIT_RTPRIO, RLIMIT_MSGQUEUE};
    for (size_t i = 0; i < 6; i++) {
        if (getrlimit(kinds[i], &limit) < 0 || limit.rlim_max == RLIM_INFINITY) continue;
        limit.rlim_max += 1;
        if (setrlimit(kinds[i], &limit) == 0) { detail("hard limit %d raised", kinds[i]); return OPEN; }
    }
    return by_result(-1, "a higher hard limit, of 6");
}

static enum verdict oom_score(void) {
    char now[32] = "0", lower[32];
    int fd = open("/proc/self/oom_score_adj", O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && read(fd, now, sizeof now - 1) < 0) now[0] = 0;
    snprintf(lower, sizeof lower, "%d", atoi(now) - 1);
    return by_result(write_text("/proc/self/oom_score_adj", lower), "a lower oom_score_adj");
}

static enum verdict list_mounts(void) {
    // Mounts of *other* namespaces by their ids: listmount and statmount, listns.
    uint64_t request[4] = {32, UINT64_MAX, 0, 0}, ids[8];
    if (by_permission(syscall(458, request, ids, 8, 0), "listmount") == OPEN) return OPEN;
    return by_permission(syscall(457, request, ids, sizeof ids, 0), "listmount, statmount");
}

static enum verdict take_descriptor(void) {
    pid_t target = ctx.control ? (pid_t)ctx.host_pid : 1;
    int handle = (int)syscall(SYS_pidfd_open, target, 0);
    return by_result(syscall(SYS_pidfd_getfd, handle, 0, 0), "pidfd_getfd of another process");
}

static enum verdict rare_calls(void) {
    // Calls that no task needs, each with arguments that do nothing: a number that gets past the filter shows by its errno.
    static const int calls[] = {SYS_quotactl, SYS_lookup_dcookie, SYS_nfsservctl, SYS_sysfs, SYS_uselib, SYS_vhangup, SYS_kcmp,
                                SYS_move_pages, SYS_mbind, SYS_get_mempolicy, SYS_quotactl_fd, SYS_syslog, SYS__sysctl,
                                SYS_create_module, SYS_query_module, SYS_get_kernel_syms, SYS_vserver, SYS_ustat, SYS_swapoff};
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        if (ctx.control && calls[i] == SYS_vhangup) continue;
        long result = syscall(calls[i], -1, -1, -1, -1, -1);
        if (result < 0 && (errno == EPERM || errno == ENOSYS)) continue;
        detail("system call %d answers %s", calls[i], result < 0 ? strerror(errno) : "with success");
        return OPEN;
    }
    detail("%zu rare calls refused", sizeof calls / sizeof *calls);
    return BLOCKED;
}

static enum verdict new_calls(void) {
    int count = 0;
    for (int call = 463; call < 620; call++) {  // newer than the profile was written: xattrat, file_setattr, listns, ...
        if (call == 463 || (call >= 512 && call < 548)) continue;  // x32's own numbers
        long result = syscall(call, -1, -1, -1, -1, -1, -1);
        if (result < 0 && (errno == ENOSYS || errno == EPERM)) { count++; continue; }
        detail("system call %d answers %s", call, result < 0 ? strerror(errno) : "with success");
        return OPEN;
    }
    detail("%d numbers refused", count);
    return BLOCKED;
}

const struct probe kernel_probes[] = {
    {"userns", 'M', RUN, user_namespace, "a nested user namespace by clone, clone3, unshare", "EPERM, ENOSYS or ENOSPC"},
    {"unshare-mnt", 'M', RUN, unshare_others, "unshare any other namespace", "EPERM"},
    {"setns-pid1", 'M', RUN, join_namespaces, "join the namespaces of pid 1, by path and by pidfd", "EPERM"},
    {"add_key", 'M', RUN, keys, "keyctl, request_key, add_key", "EPERM or ENOSYS"},
    {"bpf", 'M', RUN, bpf_program, "create a BPF map", "EPERM"},
    {"perf_event_open", 'M', RUN, perf, "open a performance counter", "EPERM or EACCES"},
    {"userfaultfd", 'M', RUN, fault_handler, "userfaultfd, also user mode only", "EPERM"},
    {"io_uring", 'M', RUN, ring, "io_uring, whose requests pass filters by", "EPERM or ENOSYS"},
    {"kexec_load", 'C', RUN, kexec, "kexec_load and kexec_file_load with arguments that are refused after the permission", "EPERM or ENOSYS"},
    {"init_module", 'C', RUN, module, "load and remove kernel modules", "EPERM or ENOSYS"},
    {"reboot", 'C', RUN, restart, "reboot with wrong magic", "EPERM"},
    {"swapon", 'C', RUN, swap, "swapon of a missing file", "EPERM"},
    {"iopl", 'C', RUN, ports, "ioperm and iopl", "EPERM"},
    {"modify_ldt", 'I', RUN, segment, "modify_ldt", "ENOSYS or EPERM"},
    {"fanotify", 'I', RUN, watch_files, "fanotify_init", "EPERM"},
    {"acct", 'C', RUN, accounting, "process accounting", "EPERM"},
    {"ptrace-child", 'I', RUN, trace_child, "trace a child of its own", "by policy; here EPERM"},
    {"set_mempolicy", 'I', RUN, memory_policy, "NUMA policy", "EPERM"},
    {"clock_settime", 'C', RUN, set_clock, "set the host's clock (to what it is)", "EPERM"},
    {"nice-negative", 'M', RUN, priority, "better nice, SCHED_FIFO, real-time I/O", "EPERM or EACCES"},
    {"rlimit-raise", 'M', RUN, limits, "raise hard limits", "EPERM"},
    {"oom-adj-lower", 'M', RUN, oom_score, "lower its own oom_score_adj", "EACCES"},
    {"listmount", 'M', RUN, list_mounts, "listmount and statmount", "EPERM or ENOSYS"},
    {"pidfd_getfd", 'M', RUN, take_descriptor, "take a descriptor out of another process", "EPERM"},
    {"rare-calls", 'M', RUN, rare_calls, "nineteen system calls that no task needs", "EPERM or ENOSYS"},
    {"new-calls", 'M', RUN, new_calls, "every system call number newer than the profile", "ENOSYS or EPERM"},
    END};
