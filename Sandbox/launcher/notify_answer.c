// The supervisor's side of notify.h: takes the listener over, answers, counts.
#define _GNU_SOURCE
#include "lesson.h"
#include "notify.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS _IOW('!', 4, __u64)
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0)
#endif

// What a kernel newer than our headers may want for its structures.
#define MESSAGE_BYTES 512

static void stop_listening(struct notify *notify) {
    close(notify->fd);
    notify->fd = -1;
    notify->listening = 0;
}

void notify_begin(struct notify *notify, const struct plan *plan, int end) {
    const struct operation *denials = plan_find(plan, OP_DENIALS), *learn = plan_find(plan, OP_LEARN);
    notify->fd = end;
    if (!notify_wanted(plan)) stop_listening(notify);
    notify->left = denials ? plan_number(denials->argument[0]) : 0;
    if (!learn) return;
    notify->lesson = lesson_new();
    notify->path = strdup(learn->argument[0]);  // the plan is released once the task runs
}

static int receive_descriptor(int socket) {
    char byte, control[CMSG_SPACE(sizeof(int))];
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    ssize_t n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    struct cmsghdr *header = n > 0 ? CMSG_FIRSTHDR(&message) : NULL;
    int fd = -1;
    if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) memcpy(&fd, CMSG_DATA(header), sizeof fd);
    if (fd < 0) errno = n < 0 ? errno : EPIPE;
    return fd;
}

static void take_over(struct notify *notify) {
    int fd = receive_descriptor(notify->fd);
    if (fd < 0 && (errno == EAGAIN || errno == EINTR)) return;
    stop_listening(notify);
    if (fd < 0) return;  // the payload ended before its filter
    notify->fd = fd;
    notify->listening = 1;
    // Waker and sleeper take turns: the answer costs a third (Linux 6.6).
    ioctl(fd, SECCOMP_IOCTL_NOTIF_SET_FLAGS, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP);
}

static void count(struct notify *notify, int number) {
    uint32_t i = 0;
    while (i < notify->kinds && notify->denied[i].number != number) i++;
    if (i == NOTIFY_KINDS_MAX) return;
    if (i == notify->kinds) { notify->kinds++; notify->denied[i].number = number; }
    notify->denied[i].count++;
}

static void answer(struct notify *notify) {
    union { struct seccomp_notif call; char bytes[MESSAGE_BYTES]; } in;
    union { struct seccomp_notif_resp answer; char bytes[MESSAGE_BYTES]; } out;
    memset(&in, 0, sizeof in);  // the kernel insists
    memset(&out, 0, sizeof out);
    // ENOENT: whoever called was killed meanwhile.
    if (ioctl(notify->fd, SECCOMP_IOCTL_NOTIF_RECV, &in) < 0) {
        if (errno != ENOENT && errno != EINTR) stop_listening(notify);
        return;
    }
    out.answer.id = in.call.id;
    if (notify->lesson) {
        lesson_note(notify->lesson, &in.call.data);
        out.answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    } else {
        count(notify, in.call.data.nr);
        out.answer.error = -EPERM;
        if (notify->left) notify->left--;
    }
    ioctl(notify->fd, SECCOMP_IOCTL_NOTIF_SEND, &out);
    // Closed, the kernel answers ENOSYS by itself, to those who wait too.
    if (!notify->lesson && !notify->left) stop_listening(notify);
}

void notify_ready(struct notify *notify) {
    struct pollfd now = {.fd = notify->fd, .events = POLLIN};
    if (notify->fd < 0 || poll(&now, 1, 0) <= 0) return;
    if (!notify->listening) take_over(notify);
    else if (now.revents & POLLIN) answer(notify);  // one that waits: receiving it does not block
    else stop_listening(notify);                    // nobody is left behind the filter
}

int notify_end(struct notify *notify) {
    if (notify->fd >= 0) stop_listening(notify);
    if (!notify->lesson) return 0;
    return notify->path ? lesson_write(notify->lesson, notify->path) : -1;
}

void notify_compose(const struct notify *notify, char *text, size_t size) {
    size_t used = 0;
    text[0] = 0;
    for (uint32_t i = 0; i < notify->kinds; i++) {
        int n = snprintf(text + used, size - used, "%s\"%d\":%u", i ? "," : "", notify->denied[i].number, notify->denied[i].count);
        if (n < 0 || (size_t)n >= size - used) { text[used] = 0; return; }
        used += (size_t)n;
    }
}
