// User namespace and ids. The namespace is made ahead and entered *last*, after the mounts: they stay
// owned by the initial user namespace, so that nothing inside can ever unmount or remount them.
#define _GNU_SOURCE
#include "identity.h"
#include "capabilities.h"
#include "rootless.h"
#include "text.h"
#include "workspace.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// All lines of one kind in one write, which is what the kernel takes; it takes a page.
static int write_range(int file, const struct plan *plan, enum operation_kind kind, uint32_t first, uint32_t end) {
    char place[4096];
    struct text text = text_begin(place, sizeof place);
    for (uint32_t i = first; i < end; i++) {
        char **a = plan->operation[i].argument;
        if (plan->operation[i].kind != kind) continue;
        for (int n = 0; n < 3; n++) {
            text_put(&text, a[n]);
            text_put(&text, n < 2 ? " " : "\n");
        }
    }
    ptrdiff_t length = text_end(&text);
    if (length < 0) { errno = E2BIG; return -1; }
    return write(file, place, (size_t)length) == length ? 0 : -1;
}

int identity_write_map(int file, const struct plan *plan, enum operation_kind kind) {
    return write_range(file, plan, kind, 0, plan->count);
}

static int write_map(pid_t pid, const char *file, const struct plan *plan, enum operation_kind kind, uint32_t first,
                     uint32_t end) {
    char path[64];
    text_process_path(path, sizeof path, pid, file);
    int fd = openat(AT_FDCWD, path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    int result = write_range(fd, plan, kind, first, end), saved = errno;
    close(fd);
    errno = saved;
    return result;
}

#define CARRIER_DEADLINE_MS 60000

_Noreturn void identity_wait_as_carrier(int parent) {
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    // A parent that died before the line above is not told of. And nobody waits longer than a start may take.
    if (getppid() == parent) poll(NULL, 0, CARRIER_DEADLINE_MS);
    _exit(126);
}

static int carry(void *nothing) {
    (void)nothing;
    _exit(0);
}

// What a namespace's processes hold of the kernel's counted things (inotify instances, queued signals, message queues; user_namespaces(7),
// /proc/sys/user) counts as its owner's too, outside: root's tasks could leave root itself none. So each namespace belongs to an id that is
// nobody's, behind those that pods are given (IDRanges); two supervisors share one only where their numbers are 65,536 apart.
#define OWNER_FIRST 0x6FFF0000u
#define OWNER_COUNT 0x10000u

// What this program is does not change as long as it makes namespaces, nor with a fork.
static struct { int is_known, is_root, is_dumpable, has_no_groups; } self TOGETHER;

static void know_self(void) {
    if (self.is_known) return;
    self.is_root = geteuid() == 0;
    self.is_dumpable = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 1;
    self.is_known = 1;
}

void identity_leave_groups(void) { self.has_no_groups = syscall(SYS_setgroups, 0, NULL) == 0; }

int identity_become_owner(void) {
    know_self();
    // Not where we are an ordinary user, or where there is no such id.
    if (!self.is_root || syscall(SYS_setresuid, -1, OWNER_FIRST + (uid_t)getpid() % OWNER_COUNT, -1) < 0) return 0;
    capabilities_raise();  // some machines let nobody else make user namespaces
    return 1;
}

void identity_leave_owner(int became) {
    if (!became) return;
    if (syscall(SYS_setresuid, -1, 0, -1) < 0) _exit(126);  // never go on as a stranger
    if (self.is_dumpable) prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

// It shares our memory and our descriptors, so nothing is copied for it, and it is over when we go on: what is not reaped yet still has its namespace.
int identity_make_carrier(char stack[CARRIER_STACK_BYTES]) {
    char *top = stack + CARRIER_STACK_BYTES;
    int became = identity_become_owner();
    int pid = clone(carry, top - (uintptr_t)top % 16, CLONE_NEWUSER | CLONE_VM | CLONE_VFORK | CLONE_FILES | SIGCHLD, NULL), saved = errno;
    identity_leave_owner(became);
    errno = saved;
    return pid;
}

// With the maps of these kinds among the operations from `first` to before `end`. -2 with `failure` set.
static int make_mapped(const struct plan *plan, enum operation_kind uids, enum operation_kind gids, uint32_t first, uint32_t end,
                       struct failure *failure) {
    // A namespace lives as long as something holds it: a short-lived child carries it until it is opened.
    char stack[CARRIER_STACK_BYTES];
    pid_t pid = identity_make_carrier(stack);
    if (pid < 0) {
        failure_set(failure, errno, "namespace(user)");
        return -2;
    }
    int fd = -2;
    char path[64];
    if (write_map(pid, "uid_map", plan, uids, first, end) < 0) failure_set(failure, errno, "uid-map");
    else if (write_map(pid, "gid_map", plan, gids, first, end) < 0) failure_set(failure, errno, "gid-map");
    else {
        text_process_path(path, sizeof path, pid, "ns/user");
        fd = openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
        if (fd < 0) { failure_set(failure, errno, "namespace(open user)"); fd = -2; }
    }
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {}
    return fd;
}

int identity_make_user_namespace(const struct plan *plan, struct failure *failure) {
    if (!plan_has_namespace(plan, "user") || rootless_wanted(plan)) return -1;
    return make_mapped(plan, OP_UID_MAP, OP_GID_MAP, 0, plan->count, failure);
}

int identity_make_mapping(const struct plan *plan, uint32_t first, uint32_t end, struct failure *failure) {
    return make_mapped(plan, OP_BIND_UID_MAP, OP_BIND_GID_MAP, first, end, failure);
}

// An unmapped id owns nothing; identity_become will refuse it with its stage.
static uint32_t host_id(const struct plan *plan, enum operation_kind kind, uint64_t id) {
    if (!plan_has_namespace(plan, "user")) return (uint32_t)id;
    for (uint32_t i = 0; i < plan->count; i++) {
        char **a = plan->operation[i].argument;
        if (plan->operation[i].kind != kind) continue;
        uint64_t inside = plan_number(a[0]), count = plan_number(a[2]);
        if (id >= inside && id - inside < count) return (uint32_t)(plan_number(a[1]) + id - inside);
    }
    return 65534;
}

void identity_host_ids(const struct plan *plan, uint32_t *uid, uint32_t *gid) {
    const struct operation *user = plan_find(plan, OP_USER);
    *uid = user ? host_id(plan, OP_UID_MAP, plan_number(user->argument[0])) : 0;
    *gid = user ? host_id(plan, OP_GID_MAP, plan_number(user->argument[1])) : 0;
}

void identity_enter_user_namespace(int user_namespace) {
    if (setns(user_namespace, CLONE_NEWUSER) < 0) fail(errno, "enter-user-namespace");
}

void identity_become(const struct operation *user, int keep) {
    gid_t groups[PLAN_TOKENS_PER_LINE_MAX];
    size_t count = 0;
    for (uint32_t i = 2; i < user->count; i++) groups[count++] = (gid_t)plan_number(user->argument[i]);
    uid_t uid = (uid_t)plan_number(user->argument[0]);
    gid_t gid = (gid_t)plan_number(user->argument[1]);
    if (keep && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0) fail(errno, "user(keep capabilities)");
    // Of this process alone: libc's would look for other threads, in memory that may be shared with another process.
    if (!(count == 0 && self.has_no_groups) && syscall(SYS_setgroups, count, groups) < 0 && !(count == 0 && rootless_groups_are_fixed())) fail(errno, "user(groups)");
    if (syscall(SYS_setresgid, gid, gid, gid) < 0) fail(errno, "user(gid %u)", gid);
    if (syscall(SYS_setresuid, uid, uid, uid) < 0) fail(errno, "user(uid %u)", uid);
}
