// What a task's isolation needs beyond the resident floor's jail, by the same kernel calls and nothing else: ids of its own (a user
// namespace that no other task enters), an init in memory of its own that reaps what the task orphans and lets the default actions of
// signals work for it, a session and a keyring, /dev/null (of the template), and a look at the network namespace that goes round.
#define _GNU_SOURCE
#include "floor.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int carry(void *nothing) {
    (void)nothing;
    _exit(0);
}

static int open_of(pid_t pid, const char *file, int flags) {
    char path[64];
    snprintf(path, sizeof path, "%d/%s", pid, file);
    // The slim mount namespace has no /proc: kept since before it was entered.
    static int proc = -1;
    if (proc < 0) proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
    int fd = openat(proc, path, flags | O_CLOEXEC);
    if (fd < 0) floor_die(path);
    return fd;
}

#define OWNER 0x6FFF0000

// The cheapest way that is known: whoever is its first process borrows memory and descriptors, and is over before it is reaped. It belongs
// to nobody else: what its processes hold of the kernel's counted things counts as its owner's too.
void floor_own_user_namespace(struct floor *floor) {
    static char stack[4096] __attribute__((aligned(64)));
    static struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    static struct __user_cap_data_struct power[2];
    if (!power[0].effective && syscall(SYS_capget, &header, power) < 0) floor_die("capget");
    if (floor->uid_map > 0) close(floor->uid_map), close(floor->gid_map), close(floor->user_namespace);
    if (syscall(SYS_setresuid, -1, OWNER, -1) < 0 || syscall(SYS_capset, &header, power) < 0) floor_die("owner");
    pid_t pid = clone(carry, stack + sizeof stack, CLONE_NEWUSER | CLONE_VM | CLONE_VFORK | CLONE_FILES | SIGCHLD, NULL);
    if (pid < 0 || syscall(SYS_setresuid, -1, 0, -1) < 0) floor_die("user namespace");
    floor->uid_map = open_of(pid, "uid_map", O_WRONLY);
    floor->gid_map = open_of(pid, "gid_map", O_WRONLY);
    floor->user_namespace = open_of(pid, "ns/user", O_RDONLY);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {}
}

void floor_map_own(const struct floor *floor) {
    static const char map[] = "0 100000 65536\n";
    if (write(floor->uid_map, map, sizeof map - 1) < 0 || write(floor->gid_map, map, sizeof map - 1) < 0) floor_die("id maps");
}

void floor_open_evidence(struct floor *floor, pid_t maker) {
    static const char *const file[FLOOR_EVIDENCE] = {"net/dev", "net/snmp", "net/snmp6", "net/sockstat", "net/sockstat6"};
    for (int i = 0; i < FLOOR_EVIDENCE; i++) floor->evidence[i] = open_of(maker, file[i], O_RDONLY);
    floor_look_at_network(floor);
}

// Traffic and counters byte by byte as at first; of the lists of sockets, that there are none.
void floor_look_at_network(const struct floor *floor) {
    static char first[16384], now[16384];
    static ssize_t first_bytes;
    ssize_t bytes = 0;
    for (int i = 0; i < FLOOR_EVIDENCE; i++) {
        ssize_t n = pread(floor->evidence[i], now + bytes, sizeof now - (size_t)bytes, 0);
        if (n <= 0) floor_die("network evidence");
        if (i == 3 && strncmp(now + bytes, "sockets: used 0\n", 16)) floor_die("network namespace with sockets");
        if (i < 3) bytes += n;
    }
    if (!first_bytes) memcpy(first, now, (size_t)(first_bytes = bytes));
    if (bytes != first_bytes || memcmp(first, now, (size_t)bytes)) floor_die("network namespace that was used");
}

void floor_new_session(void) {
    if (setsid() < 0) floor_die("setsid");
    if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 && errno != ENOSYS) floor_die("keyring");
}

static int become_program(void *floor) { floor_become_program(floor); }

void floor_stay_as_init(const struct floor *floor) {
    static char stack[64 * 1024] __attribute__((aligned(64)));
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct none[2] = {{0}};
    int status;
    pid_t pid = clone(become_program, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, (void *)(uintptr_t)floor);
    if (pid < 0) floor_die("clone");
    // No more power than the program has, and nothing of the host's.
    if (syscall(SYS_close_range, 3, floor->user_namespace - 1, 0) < 0 || syscall(SYS_close_range, floor->user_namespace + 1, ~0U, 0) < 0)
        floor_die("close_range");
    if (setns(floor->user_namespace, CLONE_NEWUSER) < 0) floor_die("user namespace");
    floor_become_root_inside();
    if (syscall(SYS_capset, &header, none) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) floor_die("init");
    while (waitpid(-1, &status, 0) != pid) {}
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}
