// User namespace, ids, capabilities. The namespace is made ahead and entered *last*, after the mounts: they stay
// owned by the initial user namespace, so that nothing inside can ever unmount or remount them.
#define _GNU_SOURCE
#include "identity.h"
#include "rootless.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CAPABILITY_LAST_POSSIBLE 63

static int write_map(pid_t pid, const char *file, const struct operation *map) {
    char path[64], line[64];
    snprintf(path, sizeof path, "/proc/%d/%s", pid, file);
    int length = snprintf(line, sizeof line, "%s %s %s\n", map->argument[0], map->argument[1], map->argument[2]);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    ssize_t n = write(fd, line, (size_t)length);
    int saved = errno;
    close(fd);
    errno = saved;
    return n == length ? 0 : -1;
}

int identity_make_user_namespace(const struct plan *plan, struct failure *failure) {
    if (!plan_has_namespace(plan, "user") || rootless_wanted(plan)) return -1;
    // A namespace lives as long as something holds it: a short-lived child carries it until it is opened.
    pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL);
    if (pid < 0) {
        failure_set(failure, errno, "namespace(user)");
        return -2;
    }
    if (pid == 0) {
        for (;;) pause();
    }
    int fd = -2;
    char path[64];
    if (write_map(pid, "uid_map", plan_find(plan, OP_UID_MAP)) < 0) failure_set(failure, errno, "uid-map");
    else if (write_map(pid, "gid_map", plan_find(plan, OP_GID_MAP)) < 0) failure_set(failure, errno, "gid-map");
    else {
        snprintf(path, sizeof path, "/proc/%d/ns/user", pid);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0) { failure_set(failure, errno, "namespace(open user)"); fd = -2; }
    }
    kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {}
    return fd;
}

static uint32_t host_id(const struct operation *map, uint64_t id) {
    if (!map) return (uint32_t)id;
    uint64_t inside = plan_number(map->argument[0]), count = plan_number(map->argument[2]);
    // An unmapped id owns nothing; identity_become will refuse it with its stage.
    return id < inside || id - inside >= count ? 65534 : (uint32_t)(plan_number(map->argument[1]) + id - inside);
}

void identity_host_ids(const struct plan *plan, uint32_t *uid, uint32_t *gid) {
    const struct operation *user = plan_find(plan, OP_USER);
    *uid = user ? host_id(plan_find(plan, OP_UID_MAP), plan_number(user->argument[0])) : 0;
    *gid = user ? host_id(plan_find(plan, OP_GID_MAP), plan_number(user->argument[1])) : 0;
}

void identity_enter_user_namespace(int user_namespace) {
    if (setns(user_namespace, CLONE_NEWUSER) < 0) fail(errno, "enter-user-namespace");
}

void identity_become(const struct operation *user) {
    gid_t groups[PLAN_TOKENS_PER_LINE_MAX];
    size_t count = 0;
    for (uint32_t i = 2; i < user->count; i++) groups[count++] = (gid_t)plan_number(user->argument[i]);
    uid_t uid = (uid_t)plan_number(user->argument[0]);
    gid_t gid = (gid_t)plan_number(user->argument[1]);
    if (setgroups(count, groups) < 0 && !(count == 0 && rootless_groups_are_fixed())) fail(errno, "user(groups)");
    if (setresgid(gid, gid, gid) < 0) fail(errno, "user(gid %u)", gid);
    if (setresuid(uid, uid, uid) < 0) fail(errno, "user(uid %u)", uid);
}

void identity_drop_bounding_set(void) {
    for (int capability = 0; capability <= CAPABILITY_LAST_POSSIBLE; capability++) {
        if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0) continue;
        if (errno == EINVAL) break;  // above the kernel's last capability
        fail(errno, "bounding-set(drop %d)", capability);
    }
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0) fail(errno, "bounding-set(ambient)");
}

void identity_drop_capabilities(void) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2];
    memset(none, 0, sizeof none);
    if (syscall(SYS_capset, &header, none) < 0) fail(errno, "capabilities(drop)");
}
