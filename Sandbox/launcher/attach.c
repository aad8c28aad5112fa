// See attach.h. A client that does not take what it asked for holds the task up for BEHIND_MS at most, then it is hung up on.
#define _GNU_SOURCE
#include "attach.h"
#include "console.h"
#include "timestamp.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BEHIND_MS 20000
#define MESSAGE_BYTES_MAX (1 + LOG_LINE_MAX)
#define END_OF_FILE "\004"  // what a terminal's driver takes for it

enum { LISTENER, INPUT, CLIENTS };

// Pages that nobody fills are never there.
static char typed[MESSAGE_BYTES_MAX], unsent[ATTACH_CLIENTS_MAX][MESSAGE_BYTES_MAX];

void attach_clear(struct attach *attach) {
    *attach = (struct attach){.listener = -1, .input = -1};
    for (int i = 0; i < ATTACH_CLIENTS_MAX; i++) attach->client[i].socket = -1;
}

int attach_open_ends(const struct plan *plan, struct attach_channel_ends *ends) {
    const struct operation *op = plan_find(plan, OP_ATTACH);
    *ends = (struct attach_channel_ends){{-1, -1}, {-1, -1}};
    if (!op) return 0;
    if (plan_flag(op->argument[0], "terminal")) {
        // An OCI runtime brings the terminal by itself.
        return plan_find(plan, OP_OCI_RUNTIME) ? 0 : socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends->console);
    }
    return plan_flag(op->argument[0], "stdin") ? pipe2(ends->input, O_CLOEXEC) : 0;
}

int attach_listen(struct attach *attach, const struct plan *plan, int directory, struct failure *failure) {
    const struct operation *op = plan_find(plan, OP_ATTACH);
    if (!op) return 0;
    if (directory < 0) { failure_set(failure, EINVAL, "attach: there is no state directory for its socket"); return -1; }
    attach->is_terminal = plan_flag(op->argument[0], "terminal");
    attach->takes_input = plan_flag(op->argument[0], "stdin");
    attach->ends_with_first = plan_flag(op->argument[0], "once");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/" ATTACH_SOCKET, directory);
    unlinkat(directory, ATTACH_SOCKET, 0);
    attach->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (attach->listener >= 0 && bind(attach->listener, (struct sockaddr *)&address, sizeof address) == 0 &&
        fchmodat(directory, ATTACH_SOCKET, 0600, 0) == 0 && listen(attach->listener, ATTACH_CLIENTS_MAX) == 0) return 0;
    failure_set(failure, errno, "attach(listen)");
    return -1;
}

static void close_end(int *end) {
    if (*end >= 0) close(*end);
    *end = -1;
}

int attach_begin(struct attach *attach, struct attach_channel_ends *ends, struct log_stream out[2]) {
    close_end(&ends->input[0]);
    close_end(&ends->console[1]);
    if (attach->listener < 0) return 0;
    attach->input = ends->input[1];
    ends->input[1] = -1;
    if (ends->console[0] >= 0) {
        int master = console_receive(ends->console[0]);
        close_end(&ends->console[0]);
        if (master < 0 || (attach->input = fcntl(master, F_DUPFD_CLOEXEC, 0)) < 0) return -1;
        for (int i = 0; i < 2; i++) close_end(&out[i].fd);
        out[0].fd = master;
        if (fcntl(master, F_SETFL, O_NONBLOCK) < 0) return -1;
    }
    for (int i = 0; i < 2; i++) out[i].attach = attach;
    return attach->input >= 0 ? fcntl(attach->input, F_SETFL, O_NONBLOCK) : 0;
}

// MARK: what comes from the task

static void hang_up(struct attach *attach, struct attach_client *client);

// 1 when the message was taken, 0 when the client is behind, -1 when it is gone.
static int send_message(int socket, char channel, const char *bytes, size_t count) {
    struct iovec part[] = {{&channel, 1}, {(void *)(uintptr_t)bytes, count}};
    struct msghdr message = {.msg_iov = part, .msg_iovlen = 2};
    ssize_t n;
    while ((n = sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL)) < 0 && errno == EINTR) {}
    return n >= 0 ? 1 : errno == EAGAIN || errno == ENOBUFS ? 0 : -1;
}

void attach_output(struct attach *attach, enum attach_channel channel, const char *bytes, size_t count) {
    for (int i = 0; i < ATTACH_CLIENTS_MAX; i++) {
        struct attach_client *client = &attach->client[i];
        if (client->socket < 0) continue;
        // A second message behind one that waits: the task ended meanwhile, or both its streams spoke at once.
        int sent = client->held ? -1 : send_message(client->socket, (char)channel, bytes, count);
        if (sent < 0 || count >= MESSAGE_BYTES_MAX) hang_up(attach, client);
        else if (sent == 0) {
            unsent[i][0] = (char)channel;
            memcpy(unsent[i] + 1, bytes, count);
            client->held = count + 1;
            client->behind_since = timestamp_monotonic_ms();
        }
    }
}

static void send_held(struct attach *attach, int i) {
    struct attach_client *client = &attach->client[i];
    int sent = send_message(client->socket, unsent[i][0], unsent[i] + 1, client->held - 1);
    if (sent > 0) client->held = 0;
    else if (sent < 0 || timestamp_monotonic_ms() - client->behind_since > BEHIND_MS) hang_up(attach, client);
}

int attach_is_behind(const struct attach *attach) {
    if (attach->listener < 0) return 0;
    for (int i = 0; i < ATTACH_CLIENTS_MAX; i++)
        if (attach->client[i].socket >= 0 && attach->client[i].held) return 1;
    return 0;
}

// MARK: what goes to the task

static void end_now(struct attach *attach) {
    attach->is_ending = 0;
    if (attach->is_terminal && write(attach->input, END_OF_FILE, 1) == 1) return;
    close_end(&attach->input);
}

static void feed(struct attach *attach) {
    ssize_t n = attach->input < 0 ? -1 : write(attach->input, typed + attach->taken, attach->held - attach->taken);
    if (n < 0 && attach->input >= 0 && (errno == EAGAIN || errno == EINTR)) return;
    // Who will never read is told nothing more; what is typed on is dropped.
    if (n < 0) close_end(&attach->input);
    attach->taken = n < 0 ? attach->held : attach->taken + (size_t)n;
    if (attach->taken < attach->held) return;
    attach->held = attach->taken = 0;
    if (attach->is_ending && attach->input >= 0) end_now(attach);
}

static void end_input(struct attach *attach) {
    if (!attach->ends_with_first || attach->input < 0) return;
    if (attach->held) attach->is_ending = 1;
    else end_now(attach);
}

static void hang_up(struct attach *attach, struct attach_client *client) {
    close_end(&client->socket);
    int typed_last = client->types;
    client->types = 0;
    client->held = 0;
    if (typed_last) end_input(attach);
}

static void resize(struct attach *attach, const char *bytes, size_t count) {
    uint16_t size[2];
    if (!attach->is_terminal || attach->input < 0 || count != sizeof size) return;
    memcpy(size, bytes, sizeof size);
    struct winsize window = {.ws_row = size[0], .ws_col = size[1]};
    ioctl(attach->input, TIOCSWINSZ, &window);  // of no consequence when the terminal has gone
}

// Nothing is held: `typed` is free.
static void take_message(struct attach *attach, struct attach_client *client) {
    ssize_t n = recv(client->socket, typed, sizeof typed, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) { hang_up(attach, client); return; }
    switch ((unsigned char)typed[0]) {
    case ATTACH_STDIN:
        if (!attach->takes_input) return;
        client->types = 1;
        if (n == 1 || attach->input < 0) return;
        attach->taken = 1;
        attach->held = (size_t)n;
        feed(attach);
        return;
    case ATTACH_RESIZE: resize(attach, typed + 1, (size_t)n - 1); return;
    case ATTACH_CLOSE:
        if (client->types) end_input(attach);
        client->types = 0;
        return;
    default: return;
    }
}

static void admit(struct attach *attach) {
    int socket = accept4(attach->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    for (int i = 0; socket >= 0 && i < ATTACH_CLIENTS_MAX; i++) {
        if (attach->client[i].socket >= 0) continue;
        attach->client[i] = (struct attach_client){.socket = socket};
        return;
    }
    if (socket >= 0) close(socket);  // one too many sees the end at once
}

// MARK: the loop

void attach_watch(const struct attach *attach, struct pollfd *fds) {
    int watches = attach->listener >= 0;
    fds[LISTENER] = (struct pollfd){attach->listener, POLLIN, 0};
    fds[INPUT] = (struct pollfd){watches && attach->held ? attach->input : -1, POLLOUT, 0};
    for (int i = 0; i < ATTACH_CLIENTS_MAX; i++) {
        const struct attach_client *client = &attach->client[i];
        // While the task has yet to read nothing more is taken from anybody, its end neither, which stands behind what it typed.
        int waits = attach->held && !client->held;
        short events = (short)((attach->held ? 0 : POLLIN) | (client->held ? POLLOUT : 0));
        fds[CLIENTS + i] = (struct pollfd){watches && !waits ? client->socket : -1, events, 0};
    }
}

void attach_ready(struct attach *attach, const struct pollfd *fds) {
    if (attach->listener < 0) return;
    if (fds[INPUT].revents) feed(attach);
    for (int i = 0; i < ATTACH_CLIENTS_MAX; i++) {
        struct attach_client *client = &attach->client[i];
        if (client->socket < 0) continue;
        if (client->held) send_held(attach, i);
        if (client->socket >= 0 && fds[CLIENTS + i].fd == client->socket && !attach->held && fds[CLIENTS + i].revents & (POLLIN | POLLHUP))
            take_message(attach, client);
    }
    if (fds[LISTENER].revents) admit(attach);
}

void attach_catch_up(struct attach *attach, int64_t deadline) {
    int64_t left;
    while (attach_is_behind(attach) && (left = deadline - timestamp_monotonic_ms()) > 0) {
        struct pollfd room[ATTACH_CLIENTS_MAX];
        for (int i = 0; i < ATTACH_CLIENTS_MAX; i++)
            room[i] = (struct pollfd){attach->client[i].held ? attach->client[i].socket : -1, POLLOUT, 0};
        if (poll(room, ATTACH_CLIENTS_MAX, (int)left) < 0 && errno != EINTR) return;
        for (int i = 0; i < ATTACH_CLIENTS_MAX; i++)
            if (attach->client[i].socket >= 0 && attach->client[i].held) send_held(attach, i);
    }
}

void attach_finish(struct attach *attach) {
    if (attach->listener < 0) return;
    for (int i = 0; i < ATTACH_CLIENTS_MAX; i++) close_end(&attach->client[i].socket);
    close_end(&attach->listener);
    close_end(&attach->input);
}
