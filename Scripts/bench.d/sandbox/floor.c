// floor command ROOT FILTER CGROUP... -- PROGRAM [ARGUMENT...]      one launch as a command
// floor resident SOCKET KIND ROOT FILTER CGROUP... -- PROGRAM        a server: a byte in, {status, nanoseconds to the end, moments} out
// KIND: new (network and cgroups new), network (pooled network, new cgroups), whole (the same with floor_task.c), pooled (both).
// `command` may be `command-naive`.
#define _GNU_SOURCE
#include "floor.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

_Noreturn void floor_die(const char *what) {
    char text[256];
    int n = snprintf(text, sizeof text, "floor: %s: %s\n", what, strerror(errno));
    if (write(2, text, (size_t)n) < 0) _exit(121);
    _exit(120);
}

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t *floor_moments;
static uint64_t removal;  // ns, of the launch before

void floor_mark(enum floor_moment moment) { floor_moments[moment] = now(); }

// Short slices, as our launcher has them: on a busy machine every wake-up is let in sooner. The program gets the default back.
static void set_slice(uint64_t nanoseconds) {
    struct { uint32_t size, policy; uint64_t flags; int32_t nice; uint32_t priority; uint64_t runtime, deadline, period; } wanted = {
        .size = sizeof wanted, .runtime = nanoseconds};
    syscall(SYS_sched_setattr, 0, &wanted, 0);  // older kernels go without
}

void floor_usual_slice(void) { set_slice(0); }

static void map_ids(pid_t pid) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/uid_map", pid);
    floor_write(AT_FDCWD, path, "0 100000 65536\n");
    snprintf(path, sizeof path, "/proc/%d/gid_map", pid);
    floor_write(AT_FDCWD, path, "0 100000 65536\n");
}

static pid_t clone_child(const struct floor *floor, struct floor_launch *launch) {
    static char stack[64 * 1024] __attribute__((aligned(64)));
    int flags = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | SIGCHLD;
    if (launch->network < 0) flags |= CLONE_NEWNET;
    // The resident kind borrows the parent's memory until exec; the command is so small that a copy costs little,
    // and its parent has the id maps to write meanwhile. An init never leaves, and with the ids of a task it must not hold its maker's
    // memory: it gets a copy.
    if (!floor->resident) flags |= CLONE_NEWUSER;
    else if (!floor->whole) flags |= CLONE_VM | CLONE_VFORK;
    return clone(floor_child, stack + sizeof stack, flags, launch);
}

int floor_launch_once(struct floor *floor, int slot) {
    struct floor_launch launch = {.floor = floor, .go = {-1, -1}, .network = -1};
    static int sequence;
    char name[32];
    int status;
    floor_mark(BEGUN);
    snprintf(name, sizeof name, "s%d.%d.%d", getpid(), slot, ++sequence);
    if (floor->pooled_cgroups) memcpy(launch.join, floor->pool_join, sizeof launch.join);
    else floor_cgroup_make(floor, name, launch.join);
    floor_mark(GROUPED);
    if (floor->pooled_network) launch.network = floor->network[0];
    if (floor->whole) floor_map_own(floor);
    if (!floor->resident && pipe2(launch.go, O_CLOEXEC) < 0) floor_die("pipe");
    pid_t pid = clone_child(floor, &launch);
    if (pid < 0) floor_die("clone");
    if (!floor->resident) {
        map_ids(pid);
        if (floor->naive) floor_cgroup_attach(floor, name, pid);
        if (write(launch.go[1], "", 1) != 1) floor_die("go");
        close(launch.go[0]), close(launch.go[1]);
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
    floor_mark(ENDED);
    if (floor->answer) floor->answer(status);
    if (!floor->pooled_cgroups) floor_cgroup_remove(floor, name, launch.join);
    if (floor->whole) {
        floor_look_at_network(floor);
        floor_own_user_namespace(floor);
    }
    floor_mark(REMOVED);
    removal = floor_moments[REMOVED] - floor_moments[ENDED];
    return status;
}

static void read_filter(struct floor *floor, const char *path) {
    static struct sock_filter filter[4096];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, filter, sizeof filter);
    if (n <= 0 || n % 8) floor_die(path);
    close(fd);
    floor->filter = filter;
    floor->filter_length = (unsigned short)(n / 8);
}

static void share_moments(void) {
    floor_moments = mmap(NULL, FLOOR_MOMENTS * sizeof *floor_moments, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (floor_moments == MAP_FAILED) floor_die("mmap");
}

static int asker;

// As soon as the program ended; what is still to be removed is nobody's waiting time. (The moment of removal is the last launch's.)
static void answer_client(int status) {
    uint64_t answer[2 + FLOOR_MOMENTS] = {(uint64_t)status, floor_moments[ENDED] - floor_moments[BEGUN]};
    memcpy(answer + 2, floor_moments, FLOOR_MOMENTS * sizeof *answer);
    answer[2 + REMOVED] = floor_moments[ENDED] + removal;
    if (write(asker, answer, sizeof answer) != (ssize_t)sizeof answer) _exit(0);
}

static int serve(struct floor *floor, const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 64) < 0) floor_die(path);
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    signal(SIGCHLD, SIG_DFL);
    // A worker per connection: each a process of its own, as clone with borrowed memory stops its parent.
    for (;;) {
        int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (client < 0) floor_die("accept");
        while (waitpid(-1, NULL, WNOHANG) > 0) {}
        pid_t worker = fork();
        if (worker != 0) { close(client); continue; }
        prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
        close(listener);
        asker = client;
        floor->answer = answer_client;
        share_moments();  // one page per worker
        floor_prepare_resident(floor);
        char byte = 0;
        if (write(client, &byte, 1) != 1) _exit(1);  // ready
        while (read(client, &byte, 1) == 1) {
            floor_launch_once(floor, 0);
        }
        floor_release_resident(floor);
        _exit(0);
    }
}

int main(int argc, char **argv) {
    static struct floor floor;
    int at = 2;
    const char *socket_path = NULL, *kind = "";
    if (argc > 4 && !strcmp(argv[1], "resident")) { floor.resident = 1; socket_path = argv[2]; kind = argv[3]; at = 4; }
    if (argc < at + 4) { fputs("floor: see the first lines of floor.c\n", stderr); return 64; }
    floor.naive = !strcmp(argv[1], "command-naive");
    floor.whole = !strcmp(kind, "whole");
    floor.pooled_network = !strcmp(kind, "network") || !strcmp(kind, "pooled") || floor.whole;
    floor.pooled_cgroups = !strcmp(kind, "pooled");
    floor.root = argv[at++];
    read_filter(&floor, argv[at++]);
    for (; at < argc && strcmp(argv[at], "--"); at++) {
        if (floor.cgroups == FLOOR_CGROUPS_MAX) { errno = E2BIG; floor_die("cgroups"); }
        floor_cgroup_parse(&floor.cgroup[floor.cgroups++], argv[at]);
    }
    if (at + 1 >= argc) { fputs("floor: no program\n", stderr); return 64; }
    floor.argv = argv + at + 1;
    set_slice(300000);
    if (socket_path) return serve(&floor, socket_path);
    share_moments();
    int status = floor_launch_once(&floor, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
