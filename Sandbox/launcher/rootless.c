// Two user namespaces, one in the other. The outer one has the ordinary user's ids mapped and owns every other namespace
// of the task, so init may mount and pivot in it. The inner one has the same ids and no power over anything that the
// outer one owns: a payload that got back its capabilities could still neither unmount a mask nor remount a bind.
#define _GNU_SOURCE
#include "rootless.h"
#include "host.h"
#include "identity.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// What the kernel takes (user_namespaces(7)).
#define MAPS_MAX 340
#define MAP_LINE_BYTES 36  // three numbers of 10 digits

int rootless_wanted(const struct plan *plan) { return plan_find(plan, OP_ROOTLESS) != NULL; }

int rootless_open_gate(int gate[2]) { return pipe2(gate, O_CLOEXEC); }

static int groups_are_fixed;

static int write_file(int directory, const char *name, const char *text, size_t length) {
    int fd = openat(directory, name, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    ssize_t n = write(fd, text, length);
    int saved = errno;
    close(fd);
    errno = n < 0 ? saved : EIO;
    return n == (ssize_t)length ? 0 : -1;
}

static int open_process(pid_t pid) {
    char path[32];
    snprintf(path, sizeof path, "/proc/%d", pid);
    return openat(AT_FDCWD, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

// All maps of one kind as the kernel wants them: in one write. `identity`: the host side is the inside, as in the inner namespace.
static int write_maps(int process, const char *file, const struct plan *plan, enum operation_kind kind, int identity) {
    char text[MAPS_MAX * MAP_LINE_BYTES];
    size_t length = 0;
    int maps = 0;
    for (uint32_t i = 0; i < plan->count; i++) {
        char **a = plan->operation[i].argument;
        if (plan->operation[i].kind != kind) continue;
        if (maps++ == MAPS_MAX) { errno = E2BIG; return -1; }
        length += (size_t)snprintf(text + length, sizeof text - length, "%s %s %s\n", a[0], identity ? a[0] : a[1], a[2]);
        if (length >= sizeof text) { errno = E2BIG; return -1; }
    }
    return write_file(process, file, text, length);
}

// newuidmap PID INSIDE HOST COUNT ...: the set-uid program checks the ranges against /etc/subuid and writes them.
static int run_mapper(const char *mapper, pid_t pid, const struct plan *plan, enum operation_kind kind) {
    char number[16];
    char *argv[3 + 3 * MAPS_MAX] = {(char *)(uintptr_t)mapper, number};
    size_t n = 2;
    snprintf(number, sizeof number, "%d", pid);
    for (uint32_t i = 0; i < plan->count; i++) {
        if (plan->operation[i].kind != kind) continue;
        if (n + 3 >= sizeof argv / sizeof *argv) { errno = E2BIG; return -1; }
        for (int k = 0; k < 3; k++) argv[n++] = plan->operation[i].argument[k];
    }
    pid_t child = fork();
    if (child < 0) return -1;
    if (child == 0) {
        static char *nothing[] = {NULL};
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        execve(mapper, argv, nothing);
        _exit(127);
    }
    int status;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR) return -1;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return 0;
    errno = WIFEXITED(status) && WEXITSTATUS(status) == 127 ? ENOENT : EPERM;
    return -1;
}

static int map_directly(const struct plan *plan, pid_t pid, struct failure *failure) {
    int process = open_process(pid);
    if (process < 0) { failure_set(failure, errno, "rootless(/proc/%d)", pid); return -1; }
    int result = -1;
    // A group may be mapped without privilege only by those who can never drop one (user_namespaces(7)).
    if (write_file(process, "setgroups", "deny", 4) < 0) failure_set(failure, errno, "rootless(setgroups)");
    else if (write_maps(process, "uid_map", plan, OP_UID_MAP, 0) < 0) failure_set(failure, errno, "rootless(uid-map)");
    else if (write_maps(process, "gid_map", plan, OP_GID_MAP, 0) < 0) failure_set(failure, errno, "rootless(gid-map)");
    else result = 0;
    close(process);
    return result;
}

// As a caller with power over the ids writes them (root): groups stay changeable. Without it as map_directly does.
static int map_with_power(const struct plan *plan, pid_t pid, struct failure *failure) {
    int process = open_process(pid), result = -1;
    if (process < 0) { failure_set(failure, errno, "rootless(/proc/%d)", pid); return -1; }
    if (write_maps(process, "uid_map", plan, OP_UID_MAP, 0) < 0) failure_set(failure, errno, "rootless(uid-map)");
    else if (write_maps(process, "gid_map", plan, OP_GID_MAP, 0) == 0) result = 0;
    else if (errno != EPERM) failure_set(failure, errno, "rootless(gid-map)");
    else if (write_file(process, "setgroups", "deny", 4) < 0) failure_set(failure, errno, "rootless(setgroups)");
    else if (write_maps(process, "gid_map", plan, OP_GID_MAP, 0) < 0) failure_set(failure, errno, "rootless(gid-map)");
    else { groups_are_fixed = 1; result = 0; }
    close(process);
    return result;
}

int rootless_make_user_namespace(const struct plan *plan, struct failure *failure) {
    const struct operation *op = plan_find(plan, OP_ROOTLESS);
    // A namespace lives as long as something holds it: a short-lived child carries it until it is opened.
    int parent = getpid();
    int became = identity_become_owner();
    pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL);
    if (pid != 0) identity_leave_owner(became);
    if (pid < 0) { failure_set(failure, errno, "rootless(user namespace)"); return -1; }
    if (pid == 0) identity_wait_as_carrier(parent);
    int fd = -1, mapped = -1;
    if (!op || op->count == 1) mapped = map_with_power(plan, pid, failure);
    else if (run_mapper(op->argument[0], pid, plan, OP_UID_MAP) < 0 || run_mapper(op->argument[1], pid, plan, OP_GID_MAP) < 0)
        failure_set(failure, errno, "rootless(%s: the ranges are not granted)", op->argument[0]);
    else mapped = 0;
    if (mapped == 0) {
        char path[64];
        snprintf(path, sizeof path, "/proc/%d/ns/user", pid);
        fd = openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
        if (fd < 0) failure_set(failure, errno, "rootless(open user namespace)");
    }
    kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {}
    return fd;
}

int rootless_admit(const struct plan *plan, int pid, int gate[2], struct failure *failure) {
    const struct operation *op = plan_find(plan, OP_ROOTLESS);
    int result = 0;
    close(gate[0]);
    if (op->count == 1) result = map_directly(plan, pid, failure);
    else if (run_mapper(op->argument[0], pid, plan, OP_UID_MAP) < 0 || run_mapper(op->argument[1], pid, plan, OP_GID_MAP) < 0) {
        failure_set(failure, errno, "rootless(%s: the ranges are not granted)", op->argument[0]);
        result = -1;
    }
    if (result == 0 && write(gate[1], "", 1) != 1) {
        failure_set(failure, errno, "rootless(gate)");
        result = -1;
    }
    close(gate[1]);
    return result;
}

int rootless_groups_are_fixed(void) { return groups_are_fixed; }

void rootless_learn_groups(void) {
    char word[8] = {0};
    int fd = host_proc_open("self/setgroups", O_RDONLY);
    if (fd < 0) return;
    if (read(fd, word, sizeof word - 1) > 0) groups_are_fixed = !strncmp(word, "deny", 4);
    close(fd);
}

void rootless_await(const struct plan *plan, int gate[2]) {
    char byte;
    groups_are_fixed = plan_find(plan, OP_ROOTLESS)->count == 1;
    close(gate[1]);
    ssize_t n;
    while ((n = read(gate[0], &byte, 1)) < 0 && errno == EINTR) {}
    if (n != 1) _exit(126);  // the supervisor has said why
    close(gate[0]);
}

// Carries a new user namespace and tells its own number as the host's /proc has it: init, in a pid namespace of its own,
// knows another one.
_Noreturn static void carry(int parent, int out) {
    char name[16];
    ssize_t length = readlink("/proc/self", name, sizeof name);
    if (length <= 0 || write(out, name, (size_t)length) != length) _exit(1);
    identity_wait_as_carrier(parent);
}

// What the task holds of the kernel's counted things counts as the caller's too: so much of them stays the caller's. Here, in the first
// user namespace, which the task's own lies in, for all that it ever makes (user_namespaces(7), getrlimit(2)).
static void leave_the_caller_some(const struct plan *plan) {
    static const char instances[] = "64";  // of 128, as a rule
    int fd = host_proc_open("sys/user/max_inotify_instances", O_WRONLY), wants_signals = 0;
    ssize_t ignored = fd < 0 ? 0 : write(fd, instances, sizeof instances - 1);  // an old kernel has none
    (void)ignored;
    if (fd >= 0) close(fd);
    for (uint32_t i = 0; i < plan->count; i++)
        wants_signals |= plan->operation[i].kind == OP_RLIMIT && !strcmp(plan->operation[i].argument[0], "sigpending");
    struct rlimit signals;
    if (wants_signals || getrlimit(RLIMIT_SIGPENDING, &signals) < 0) return;
    signals.rlim_cur = signals.rlim_max = signals.rlim_cur / 2;
    setrlimit(RLIMIT_SIGPENDING, &signals);
}

int rootless_nest(const struct plan *plan) {
    leave_the_caller_some(plan);
    int pipes[2];
    if (pipe2(pipes, O_CLOEXEC) < 0) fail(errno, "rootless(pipe)");
    int parent = getpid();
    pid_t child = (pid_t)syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL);
    if (child < 0) fail(errno, "rootless(second user namespace)");
    if (child == 0) carry(parent, pipes[1]);
    close(pipes[1]);
    char path[32] = "/proc/";
    ssize_t n;
    while ((n = read(pipes[0], path + 6, 16)) < 0 && errno == EINTR) {}
    if (n <= 0) fail(EPROTO, "rootless(/proc/self)");
    path[6 + n] = 0;
    close(pipes[0]);
    int process = openat(AT_FDCWD, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (process < 0) fail(errno, "rootless(%s)", path);
    if (write_maps(process, "uid_map", plan, OP_UID_MAP, 1) < 0) fail(errno, "rootless(second uid-map)");
    if (write_maps(process, "gid_map", plan, OP_GID_MAP, 1) < 0) fail(errno, "rootless(second gid-map)");
    int fd = openat(process, "ns/user", O_RDONLY | O_CLOEXEC);
    if (fd < 0) fail(errno, "rootless(open second user namespace)");
    close(process);
    kill(child, SIGKILL);
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR) {}
    return fd;
}
