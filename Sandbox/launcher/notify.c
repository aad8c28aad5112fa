// How the listener leaves the payload: nothing but exec may stand behind the filter, so the payload cannot send it. Somebody does who shares
// its memory and its table of descriptors and is not filtered: sees the number that the payload stores, and passes the descriptor on; exec
// gives the payload a table of its own again. That is its init, which waits for exec (start_payload); where the filter asks about exec
// itself it is a courier, a process that the payload starts before.
#define _GNU_SOURCE
#include "notify.h"
#include "failure.h"
#include "payload.h"

#include <errno.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

// exec wakes the courier. It looks by itself too, as what the filter asks about may be exec itself; it never outlives the start's
// deadline.
#define COURIER_LOOK_NS 2000000
#define COURIER_LOOKS_MAX 16000

static int handover = -1, borrows;
// Shared with the courier. `listener` is the descriptor's number plus one; `alive` is cleared by the kernel when the payload
// leaves this memory, by exec or by exit (set_tid_address(2)).
static volatile int listener, alive;
static char courier_stack[8192] __attribute__((aligned(16)));

int notify_wanted(const struct plan *plan) { return plan_find(plan, OP_DENIALS) || plan_find(plan, OP_LEARN); }

int notify_open(int ends[2]) { return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends); }

void notify_take(int end, int borrows_all) {
    handover = end;
    borrows = borrows_all;
    payload_keep(end);
}

static void send_descriptor(int socket, int fd) {
    char byte = 0, control[CMSG_SPACE(sizeof fd)] = {0};
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(header), &fd, sizeof fd);
    sendmsg(socket, &message, MSG_NOSIGNAL);  // without a supervisor there is nobody to tell
}

void notify_pass_on(void) {
    if (!listener) return;
    send_descriptor(handover, listener - 1);
    close(listener - 1);
}

// Without errno, which is the payload's: the two share their memory.
static void wait_while_alive(void) {
    static const struct timespec look = {0, COURIER_LOOK_NS};
#if defined(__x86_64__)
    register long timeout __asm__("r10") = (long)&look;
    long result = SYS_futex;
    __asm__ volatile("syscall" : "+a"(result) : "D"(&alive), "S"(FUTEX_WAIT), "d"(1), "r"(timeout) : "rcx", "r11", "memory");
#elif defined(__aarch64__)
    register long number __asm__("x8") = SYS_futex;
    register long result __asm__("x0") = (long)&alive;
    register long operation __asm__("x1") = FUTEX_WAIT, value __asm__("x2") = 1, timeout __asm__("x3") = (long)&look;
    __asm__ volatile("svc 0" : "+r"(result) : "r"(number), "r"(operation), "r"(value), "r"(timeout) : "memory");
#else
#error "a system call for this machine"
#endif
}

static int courier(void *unused) {
    (void)unused;
    for (int looks = 0; !listener && alive && looks < COURIER_LOOKS_MAX; looks++) wait_while_alive();
    if (listener) send_descriptor(handover, listener - 1);
    return 0;
}

static void start_courier(void) {
    sigset_t all, before;
    listener = 0;
    alive = 1;
    // The payload's user is the task's: what shares its memory, unfiltered, must not be open to it. exec makes it dumpable again.
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0) fail(errno, "denials(dumpable)");
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    char *top = courier_stack + sizeof courier_stack;
    // A child of init, so that the program finds no child that it has not made; of the payload where that is pid 1 itself.
    int flags = CLONE_VM | CLONE_FILES;
    if (clone(courier, top, flags | CLONE_PARENT, NULL) < 0 && (errno != EINVAL || clone(courier, top, flags | SIGCHLD, NULL) < 0))
        fail(errno, "denials(courier)");
    sigprocmask(SIG_SETMASK, &before, NULL);
    syscall(SYS_set_tid_address, &alive);
}

int notify_load(const struct sock_fprog *program, uint64_t flags) {
    if (handover < 0) fail(ENOTCONN, "denials(no supervisor)");
    if (!borrows) start_courier();
    // One thread, so there is none to synchronise, and the kernel refuses both flags together.
    flags = (flags & ~(uint64_t)SECCOMP_FILTER_FLAG_TSYNC) | SECCOMP_FILTER_FLAG_NEW_LISTENER;
    long fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, program);
    if (fd < 0 && errno == EINVAL) fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, program);
    if (fd < 0) return -1;
    listener = (int)fd + 1;
    return 0;
}
