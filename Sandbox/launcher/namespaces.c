// See namespaces.h. A namespace belongs to the user namespace of its maker, for ever: what the payload is to have power over is
// made by a short-lived child that has entered the payload's user namespace, and joined from outside.
#define _GNU_SOURCE
#include "namespaces.h"
#include "failure.h"
#include "host.h"
#include "identity.h"
#include "join.h"
#include "names.h"
#include "rootless.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// Those that a process of another user namespace can make and hand over; one of time has nothing to have power over.
static const uint64_t ownable = CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET | CLONE_NEWCGROUP;

static uint64_t own_namespaces(const struct plan *plan, int owned) {
    uint64_t flags = 0;
    for (uint32_t i = 0; i < plan->count; i++) {
        const struct operation *op = &plan->operation[i];
        if (op->kind == OP_NAMESPACE && (op->count == 2) == owned) flags |= names_value(names_namespace, op->argument[0]);
    }
    return flags;
}

uint64_t namespaces_clone_flags(const struct plan *plan) {
    // With `rootless` the user namespace is there first and owns everything.
    uint64_t flags = own_namespaces(plan, 0) | (rootless_wanted(plan) ? own_namespaces(plan, 1) : 0);
    flags &= CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET;
    return rootless_wanted(plan) && plan_has_namespace(plan, "user") ? flags | CLONE_NEWUSER : flags;
}

// Makes the namespaces inside the user namespace, says its pid as the host's /proc has it, and waits for its end.
_Noreturn static void carry(int parent, int user_namespace, int flags, int out) {
    char name[16];
    int proc = host_proc_open(".", O_PATH | O_DIRECTORY);
    ssize_t length = proc < 0 ? -1 : readlinkat(proc, "self", name, sizeof name);
    if (length <= 0 || setns(user_namespace, CLONE_NEWUSER) < 0 || unshare(flags) < 0) _exit(errno & 127);
    if (write(out, name, (size_t)length) != length) _exit(EIO);
    identity_wait_as_carrier(parent);
}

static void take_over(const char *process, uint64_t flags) {
    for (const struct name *kind = names_namespace; kind->word; kind++) {
        if (!(flags & kind->value)) continue;
        char path[64];
        snprintf(path, sizeof path, "%s/ns/%s", process, kind->word);
        int fd = host_proc_open(path, O_RDONLY);
        if (fd < 0 || setns(fd, (int)kind->value) < 0) fail(errno, "namespace(%s owned)", kind->word);
        close(fd);
    }
}

static void make_owned(uint64_t flags, int user_namespace) {
    int pipes[2], status;
    char process[17] = {0};
    if (pipe2(pipes, O_CLOEXEC) < 0) fail(errno, "namespace(owned)");
    int parent = getpid();
    pid_t child = fork();
    if (child < 0) fail(errno, "namespace(owned)");
    if (child == 0) {
        close(pipes[0]);
        carry(parent, user_namespace, (int)flags, pipes[1]);
    }
    close(pipes[1]);
    ssize_t n;
    while ((n = read(pipes[0], process, sizeof process - 1)) < 0 && errno == EINTR) {}
    close(pipes[0]);
    if (n > 0) take_over(process, flags);
    kill(child, SIGKILL);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {}
    if (n <= 0) fail(WIFEXITED(status) ? WEXITSTATUS(status) : EIO, "namespace(owned)");
}

int namespaces_make_time(const struct plan *plan) {
    if (!plan_has_namespace(plan, "time")) return 0;
    if (unshare(CLONE_NEWTIME) < 0) return -1;
    for (uint32_t i = 0; i < plan->count; i++) {
        const struct operation *op = &plan->operation[i];
        if (op->kind != OP_TIME_OFFSET) continue;
        char line[96];
        int length = snprintf(line, sizeof line, "%s %s %s\n", op->argument[0], op->argument[1], op->argument[2]);
        int fd = host_proc_open("self/timens_offsets", O_WRONLY);
        ssize_t n = fd < 0 ? -1 : write(fd, line, (size_t)length);
        int saved = errno;
        if (fd >= 0) close(fd);
        errno = saved;
        if (n != length) return -1;
    }
    return 0;
}

void namespaces_enter(const struct plan *plan, int user_namespace) {
    struct failure failure;
    uint64_t owned = user_namespace >= 0 && !rootless_wanted(plan) ? own_namespaces(plan, 1) & ownable : 0;
    host_keep();
    // After joining the groups, or the namespace's root would be the supervisor's group.
    if (plan_has_namespace(plan, "cgroup") && !(owned & CLONE_NEWCGROUP) && unshare(CLONE_NEWCGROUP) < 0)
        fail(errno, "namespace(cgroup)");
    if (owned) make_owned(owned, user_namespace);
    if (namespaces_make_time(plan) < 0) fail(errno, "namespace(time)");
    if (join_namespaces(plan, &failure) < 0) fail(failure.error, "%s", failure.stage);
}
