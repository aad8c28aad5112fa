// One verb of an OCI runtime: run, waited for within a deadline, ended whole when it hangs.
#define _GNU_SOURCE
#include "oci.h"
#include "mount_tree.h"
#include "overlay.h"
#include "timestamp.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

// On a place of the same kind, a directory or a file, which is made if need be.
static void attach(int tree, const char *place) {
    struct stat facts;
    if (fstat(tree, &facts) < 0) fail(errno, "stat(%s)", place);
    int made = S_ISDIR(facts.st_mode) ? mkdir(place, 0755) : mknod(place, S_IFREG | 0644, 0);
    if (made < 0 && errno != EEXIST) fail(errno, "mount(make %s)", place);
    int target = openat(AT_FDCWD, place, O_PATH | O_CLOEXEC | O_NOFOLLOW);
    if (target < 0) fail(errno, "mount(open %s)", place);
    mount_tree_attach(tree, target, "mount", place);
}

// A file that is the namespace as long as it is mounted.
static void bind_user_namespace(int user_namespace, const char *place) {
    char source[32];
    snprintf(source, sizeof source, "/proc/self/fd/%d", user_namespace);
    if (mknod(place, S_IFREG | 0600, 0) < 0 || mount(source, place, NULL, MS_BIND, NULL) < 0) fail(errno, "user-namespace(%s)", place);
}

void oci_bind_all(const struct plan *plan, int user_namespace) {
    struct root root = {.fd = -1, .user_namespace = user_namespace};
    if (unshare(CLONE_NEWNS) < 0) fail(errno, "namespace(mount)");
    // What is unmounted outside goes here too; what is mounted here stays here.
    if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0) fail(errno, "mount(slave)");
    // The runtime sets the container up with the container's own ids: they have no way through directories of records.
    const struct operation *place_of_all = plan_find(plan, OP_OCI_STAGE);
    const char *stage = place_of_all->argument[0];
    int target = openat(AT_FDCWD, stage, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (target < 0) fail(errno, "mount(open %s)", stage);
    mount_tree_attach(mount_tree_new("tmpfs", "", "size=1048576,nr_inodes=1024,mode=711", "nosuid,nodev,noexec", stage), target, "mount", stage);
    if (place_of_all->count > 1 && user_namespace >= 0) bind_user_namespace(user_namespace, place_of_all->argument[1]);
    for (uint32_t i = 0; i < plan->count; i++) {
        const struct operation *op = &plan->operation[i];
        char **a = op->argument;
        if (op->kind != OP_OCI_BIND && op->kind != OP_OCI_OVERLAY) continue;
        const char *place = op->kind == OP_OCI_BIND ? a[1] : a[0];
        if (op->kind == OP_OCI_OVERLAY && mkdir(place, 0755) < 0) fail(errno, "mkdir(%s)", place);
        int tree = op->kind == OP_OCI_BIND ? mount_tree_copy(&root, a[0], a[2], -1) : overlay_make(&root, a[1], a[2], place);
        if (tree >= 0) attach(tree, place);  // else it is optional, and not there
    }
}

// The pod's namespaces that the container is to share: it inherits them. Named to the runtime they could not be entered again by its
// exec, which enters the container's user namespace first and has no power over them from there.
static void join_all(const struct plan *plan) {
    for (uint32_t i = 0; i < plan->count; i++) {
        const struct operation *op = &plan->operation[i];
        if (op->kind != OP_JOIN_NAMESPACE) continue;
        int fd = openat(AT_FDCWD, op->argument[1], O_RDONLY | O_CLOEXEC);
        if (fd < 0 || setns(fd, 0) < 0) fail(errno, "join-namespace(%s)", op->argument[0]);
        close(fd);
    }
}

int oci_null(void) {
    int tree = mount_tree_new("tmpfs", "", "size=4096,nr_inodes=8,mode=700", "nosuid,noexec", "null");
    if (mknodat(tree, "null", S_IFCHR | 0666, makedev(1, 3)) < 0) fail(errno, "mknod(null)");
    // It lives as long as it is open: nothing of it is ever mounted.
    int null = openat(tree, "null", O_RDWR | O_CLOEXEC);
    if (null < 0 || fchmod(null, 0666) < 0) fail(errno, "open(null)");
    close(tree);
    return null;
}

_Noreturn static void become(const struct oci_runtime *runtime, const struct oci_call *call) {
    char *argument[48];
    int count = 0;
    // A group of its own: a runtime that hangs is ended with whatever it started.
    setpgid(0, 0);
    // Out of the way of the numbers that the container gets.
    failure_pipe = fcntl(failure_pipe, F_DUPFD_CLOEXEC, 16);
    int status = call->status >= 0 ? fcntl(call->status, F_DUPFD_CLOEXEC, 16) : -1, failed = call->failed >= 0 ? fcntl(call->failed, F_DUPFD_CLOEXEC, 16) : -1;
    int null = oci_null();
    dup2(call->input >= 0 ? call->input : null, 0);
    dup2(call->output >= 0 ? call->output : null, 1);
    dup2(call->errors >= 0 ? call->errors : null, 2);
    if (call->binds) join_all(call->binds);
    if (call->binds) oci_bind_all(call->binds, call->user_namespace);
    if (status >= 0 && (dup2(status, OCI_STATUS) < 0 || dup2(failed, OCI_FAILURE) < 0)) fail(errno, "dup");
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    for (int i = 0; runtime->command[i]; i++) argument[count++] = runtime->command[i];
    argument[count++] = (char *)call->verb;
    for (int i = 0; call->argument[i]; i++) argument[count++] = (char *)call->argument[i];
    argument[count] = NULL;
    execv(argument[0], argument);
    fail(errno, "runtime(%s)", argument[0]);
}

// 0 with the wait status, or -1 when the time is over.
static int await_end(pid_t pid, int64_t deadline, int *status) {
    int handle = (int)syscall(SYS_pidfd_open, pid, 0);
    if (handle < 0) return -1;
    int over = 0;
    for (;;) {
        struct pollfd end = {handle, POLLIN, 0};
        int64_t left = deadline - timestamp_monotonic_ms();
        int n = left > 0 ? poll(&end, 1, (int)left) : 0;
        if (n < 0 && errno == EINTR) continue;
        over = n <= 0;
        break;
    }
    close(handle);
    if (over) kill(-pid, SIGKILL);
    while (waitpid(pid, status, 0) < 0 && errno == EINTR) {}
    return over ? -1 : 0;
}

int oci_call(const struct oci_runtime *runtime, const struct oci_call *call, struct failure *failure) {
    int report[2], status = 0;
    if (pipe2(report, O_CLOEXEC) < 0) { failure_set(failure, errno, "pipe"); return -1; }
    pid_t pid = fork();
    if (pid == 0) {
        failure_pipe = report[1];
        become(runtime, call);
    }
    close(report[1]);
    if (pid < 0) {
        failure_set(failure, errno, "fork");
        close(report[0]);
        return -1;
    }
    int64_t deadline = timestamp_monotonic_ms() + call->deadline_ms;
    // Until exec, which may hang over a dead file system as well.
    struct pollfd begun = {report[0], POLLIN, 0};
    ssize_t bytes = poll(&begun, 1, (int)call->deadline_ms) > 0 ? read(report[0], failure, sizeof *failure) : 0;
    close(report[0]);
    if (call->mounts && bytes == 0) {
        char path[64];
        snprintf(path, sizeof path, "/proc/%d/ns/mnt", pid);
        *call->mounts = openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    }
    int late = await_end(pid, deadline, &status);
    if (bytes == (ssize_t)sizeof *failure) return -1;
    failure->stage[0] = 0;
    if (!late) return status;
    failure_set(failure, ETIMEDOUT, "%s %s: did not end within %lld ms", runtime->name, call->verb, (long long)call->deadline_ms);
    return -1;
}
