// See resident.h. The process itself touches no request: it keeps children ready, each with a jail made ahead, and whichever is
// free takes the next client from the common socket. So a launch waits for nobody else, and the death of this process takes
// nothing along but the children that still wait.
#define _GNU_SOURCE
#include "resident.h"
#include "attend.h"
#include "keep.h"
#include "netpool.h"
#include "slim.h"
#include "state.h"
#include "timestamp.h"
#include "workspace.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 512
// A child that dies while it waits is not replaced faster than this: the machine is short of something.
#define RETRY_MS 100
// After so many that could not make a spare (no user namespaces permitted, say) children wait without one.
#define UNABLE_MAX 3
// A launch is over within this, as a rule; while half of the children still wait, the next ones are made afterwards.
#define QUIET_MS 5

// So long after a burst nobody needs what it needed.
#define SURPLUS_MS 1000

// Launches that are under way at once wait for a processor more than for anything else: beyond so many for each processor another
// child would only slow the others down. Unless they are held up by something else: then no client is taken for so long.
#define CROWD_PER_PROCESSOR 4
#define STANDSTILL_MS 10

enum { PARENT, SIGNALS, OFFICE, FIXED };

struct resident {
    const char *socket_path;
    int listener, office[2], host_mounts, parent, signals;
    int makes_spares;
    struct attend_board *board;
    int wanted, known;
    int crowd;                  // so many children are enough while clients are taken
    uint32_t served;            // clients that were taken when it was last looked
    int64_t served_at;          // monotonic ms of the last look that saw more of them
    int64_t taken_at, died_at;  // monotonic ms
    int unable;                 // children in a row that could not make a spare
    struct { int pidfd, pid, place; } child[ATTEND_MAX];  // those that wait or will again
};

// The name appears when the socket listens, and replaces that of a resident launcher that died.
static int listen_at(const char *path) {
    char directory[4096], temporary[80];
    const char *name = strrchr(path, '/');
    if (!name || (size_t)(name - path) >= sizeof directory - 1 || strlen(name + 1) > 60 || !name[1]) { errno = EINVAL; return -1; }
    snprintf(directory, sizeof directory, "%.*s/", (int)(name - path), path);
    // By the directory's descriptor: a socket's own name holds 107 bytes only.
    int place = openat(AT_FDCWD, directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (place < 0) return -1;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(temporary, sizeof temporary, "%s.%d", name + 1, getpid());
    snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", place, temporary);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    mode_t old = umask(0177);
    int good = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, BACKLOG) == 0 &&
               renameat(place, temporary, place, name + 1) == 0;
    int saved = errno;
    umask(old);
    close(place);
    if (!good && fd >= 0) close(fd);
    errno = saved;
    return good ? fd : -1;
}

// Everything that needs the host's paths, then the slim namespace. 0, or -1 with the step that failed.
static int begin(struct resident *r, const char **step) {
    sigset_t set;
    *step = "parent";
    if ((r->parent = (int)syscall(SYS_pidfd_open, getppid(), 0)) < 0) return -1;
    *step = "signals";
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGCHLD, SIG_IGN);  // children end by themselves, and nobody asks how
    if ((r->signals = signalfd(-1, &set, SFD_CLOEXEC)) < 0) return -1;
    *step = "/proc";
    int proc = openat(AT_FDCWD, "/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (proc < 0 || (r->host_mounts = openat(proc, "self/ns/mnt", O_RDONLY | O_CLOEXEC)) < 0) return -1;
    state_boot_id();  // read once, on a page that all children share
    *step = "network namespaces";
    if (netpool_open(proc) < 0) return -1;
    *step = "socketpair";
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, r->office) < 0) return -1;
    *step = "board";
    r->board = mmap(NULL, sizeof *r->board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (r->board == MAP_FAILED) return -1;
    *step = "slim mount namespace";
    r->makes_spares = slim_builds_detached();
    *step = "listen";
    if ((r->listener = listen_at(r->socket_path)) < 0) return -1;
    *step = "slim mount namespace";
    return slim_enter();
}

// The page at the stack's beginning is the one that every child of the child gets too (workspace_note_stack), and is copied when it is
// written to: whoever serves has its frames below.
_Noreturn static __attribute__((noinline)) void attend_below(struct attend *attend) {
    volatile char distance[8192];
    distance[0] = 0;
    attend_run(attend);
}

static int start_child(struct resident *r) {
    int place = 0;
    while (r->board->state[place] != ATTEND_ABSENT) place++;  // there is one, as fewer are known
    __atomic_store_n(&r->board->state[place], ATTEND_COMING, __ATOMIC_RELAXED);
    int pidfd = -1;
    struct network network = netpool_take();
    struct attend attend = {getpid(), r->board, place, r->wanted, r->listener, r->office[1], r->host_mounts, network, r->makes_spares};
    struct clone_args args = {.flags = CLONE_PIDFD, .pidfd = (uint64_t)(uintptr_t)&pidfd, .exit_signal = SIGCHLD};
    pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);
    if (pid == 0) {
        int kept[3 + sizeof network / sizeof(int)] = {attend.listener, attend.office, attend.host_mounts};
        memcpy(kept + 3, &network, sizeof network);
        keep_only(kept, sizeof kept / sizeof *kept);
        attend_below(&attend);
    }
    netpool_close(network);
    if (pid < 0) {
        r->board->state[place] = ATTEND_ABSENT;
        return -1;
    }
    r->child[r->known].place = place;
    r->child[r->known].pid = pid;
    r->child[r->known++].pidfd = pidfd;
    return 0;
}

static void forget_child(struct resident *r, int n) {
    close(r->child[n].pidfd);
    __atomic_store_n(&r->board->state[r->child[n].place], ATTEND_ABSENT, __ATOMIC_RELAXED);
    r->child[n] = r->child[--r->known];
}

// One message. 0 when there is none.
static int hear(struct resident *r) {
    struct attend_message word = {0};
    union { struct cmsghdr header; char bytes[CMSG_SPACE(sizeof(struct network))]; } control;
    struct iovec data = {&word, sizeof word};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    if (recvmsg(r->office[0], &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT) != (ssize_t)sizeof word) return 0;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    for (int i = r->known; word.kind == ATTEND_TAKEN && i-- > 0;)
        if (r->child[i].pid == word.pid) forget_child(r, i);
    if (word.kind == ATTEND_TAKEN) {
        r->taken_at = timestamp_monotonic_ms();
        r->unable = 0;
    }
    if (word.kind == ATTEND_UNABLE && ++r->unable == UNABLE_MAX) r->makes_spares = 0;
    if (word.kind == ATTEND_NETWORK && header && header->cmsg_type == SCM_RIGHTS && header->cmsg_len == CMSG_LEN(sizeof(struct network))) {
        struct network network;
        memcpy(&network, CMSG_DATA(header), sizeof network);
        netpool_return(network);
    }
    return 1;
}

// One turn of the loop. 0 when it is time to end.
static int turn(struct resident *r, int timeout) {
    struct pollfd fds[FIXED + ATTEND_MAX] = {
        [PARENT] = {r->parent, POLLIN, 0}, [SIGNALS] = {r->signals, POLLIN, 0}, [OFFICE] = {r->office[0], POLLIN, 0}};
    for (int i = 0; i < r->known; i++) fds[FIXED + i] = (struct pollfd){r->child[i].pidfd, POLLIN, 0};
    int children = r->known, dead[ATTEND_MAX], count = 0;
    if (poll(fds, (nfds_t)(FIXED + children), timeout) < 0) return errno == EINTR;
    if (fds[PARENT].revents || fds[SIGNALS].revents) return 0;
    for (int i = 0; i < children; i++)
        if (fds[FIXED + i].revents) dead[count++] = r->child[i].pid;
    // First what they said: a child may have served its client from beginning to end meanwhile.
    while ((fds[OFFICE].revents || count) && hear(r)) {}
    for (int i = r->known; i-- > 0;)
        for (int k = 0; k < count; k++) {
            if (r->child[i].pid != dead[k]) continue;
            forget_child(r, i);
            r->died_at = timestamp_monotonic_ms();
            break;
        }
    return 1;
}

// Whether the children that are there get on, and are as many as get on well.
static int is_crowded(struct resident *r) {
    uint32_t served = __atomic_load_n(&r->board->served, __ATOMIC_RELAXED);
    int64_t now = timestamp_monotonic_ms();
    if (served != r->served) r->served_at = now;
    r->served = served;
    return r->known >= r->crowd && now - r->served_at < STANDSTILL_MS;
}

static int crowd_size(int wanted) {
    cpu_set_t own;
    int processors = sched_getaffinity(0, sizeof own, &own) < 0 ? 1 : CPU_COUNT(&own), crowd = processors * CROWD_PER_PROCESSOR;
    return crowd < wanted ? wanted : crowd > ATTEND_MAX ? ATTEND_MAX : crowd;
}

int resident_serve(const char *socket_path, int spares) {
    struct resident *r = workspace_new(sizeof *r);
    const char *step;
    if (!r) {
        perror("swiftlet-sandbox serve: memory");
        return 1;
    }
    r->socket_path = socket_path;
    r->wanted = spares < 1 ? 1 : spares > ATTEND_MAX ? ATTEND_MAX : spares;
    r->crowd = crowd_size(r->wanted);
    if (begin(r, &step) < 0) {
        fprintf(stderr, "swiftlet-sandbox serve: %s: %s\n", step, strerror(errno));
        return 1;
    }
    int going = 1;
    while (going) {
        // What is made ahead must not be made at the cost of the launch that just began.
        int64_t left = r->taken_at + QUIET_MS - timestamp_monotonic_ms();
        if (left > 0 && attend_waiting(r->board) * 2 >= r->wanted) {
            going = turn(r, (int)left);
            continue;
        }
        int failed = r->died_at && timestamp_monotonic_ms() - r->died_at < RETRY_MS;
        int crowded = attend_waiting(r->board) < r->wanted && is_crowded(r);
        // While we look by ourselves nobody need tell us that nobody waits any more. Before the next look, and in this order for all: who
        // takes a client between the two either sees that we must be told, or is seen.
        __atomic_store_n(&r->board->is_crowded, crowded, __ATOMIC_SEQ_CST);
        while (attend_waiting(r->board) < r->wanted && r->known < ATTEND_MAX && !failed && !crowded) failed = start_child(r) < 0;
        int busy = netpool_fill(r->wanted), surplus = netpool_surplus(r->wanted, timestamp_monotonic_ms() - r->taken_at >= SURPLUS_MS);
        going = turn(r, busy ? 0 : crowded ? STANDSTILL_MS : failed ? RETRY_MS : surplus ? SURPLUS_MS : -1);
    }
    return 0;
}
