// Who looks at a running task and types into it: a socket beside its record, which any number of clients (bounded) may connect to.
// A message (SOCK_SEQPACKET) is a byte that names a channel, and what goes over it.
#pragma once
#include "failure.h"
#include "log.h"
#include "plan.h"

#include <poll.h>
#include <stdint.h>

#define ATTACH_SOCKET "attach"  // in the state directory
#define ATTACH_CLIENTS_MAX 8
#define ATTACH_WATCHED (2 + ATTACH_CLIENTS_MAX)

// Kubernetes' numbers (remotecommand, v5.channel.k8s.io), so that nobody has to translate.
enum attach_channel {
    ATTACH_STDIN,         // to the task; an empty one says that this client is the one who types
    ATTACH_STDOUT,        // from the task, a terminal's output too
    ATTACH_STDERR,
    ATTACH_RESIZE = 4,    // rows and columns, two uint16_t of this machine
    ATTACH_CLOSE = 255,   // who types is at its end
};

struct attach {
    int listener;         // -1: the plan has no `attach`
    int input;            // write end of the task's standard input, or its terminal's master; -1: it has none (any more)
    int is_terminal;
    int takes_input;      // else what clients type is dropped
    int ends_with_first;  // standard input ends with the first client that typed
    int is_ending;        // behind what is held
    size_t held, taken;   // bytes that the task has yet to read, and how many of them it did
    struct attach_client {
        int socket;       // or -1
        int types;        // it has sent something for standard input
        size_t held;      // a message that it has yet to take
        int64_t behind_since;
    } client[ATTACH_CLIENTS_MAX];
};

// The ends of an interactive task's standard input, between the supervisor and its init.
struct attach_channel_ends {
    int input[2];    // a pipe; [0] is the reading end; or -1
    int console[2];  // over which the terminal's master comes: [0] the supervisor's; or -1
};

void attach_clear(struct attach *attach);

// What has to be there before init is cloned. 0 or -1 with errno.
int attach_open_ends(const struct plan *plan, struct attach_channel_ends *ends);

// Listens in the task's directory. 0, or -1 with `failure` set.
int attach_listen(struct attach *attach, const struct plan *plan, int directory, struct failure *failure);

// The task runs: takes over this side of the ends; `out` becomes the stream that a terminal's output comes from. 0 or -1 with errno.
int attach_begin(struct attach *attach, struct attach_channel_ends *ends, struct log_stream out[2]);

// What the task wrote.
void attach_output(struct attach *attach, enum attach_channel channel, const char *bytes, size_t count);

// True while a client has yet to take something: the task's output then waits, for a bounded time.
int attach_is_behind(const struct attach *attach);

// The loop's part: fills ATTACH_WATCHED entries; and does what they say, and what is due.
void attach_watch(const struct attach *attach, struct pollfd *fds);
void attach_ready(struct attach *attach, const struct pollfd *fds);

// Waits until nobody is behind any more, or it is that late (timestamp_monotonic_ms).
void attach_catch_up(struct attach *attach, int64_t deadline);

// The task is gone: clients see the end.
void attach_finish(struct attach *attach);
