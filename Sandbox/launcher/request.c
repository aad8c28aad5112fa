// See request.h.
#define _GNU_SOURCE
#include "request.h"
#include "workspace.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

// A message; longer plans come in several. Bounded by what a socket takes by default.
#define MESSAGE_BYTES_MAX (64u << 10)
#define CLIENT_DEADLINE_S 10
// Who connected sends its request at once; on a busy machine it may lose its processor in between.
#define PROMPT_MS 20

// The socket's mode keeps others out; this holds where somebody changed it.
static int is_allowed(int client) {
    struct ucred peer;
    socklen_t size = sizeof peer;
    return getsockopt(client, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && (peer.uid == 0 || peer.uid == geteuid());
}

// "launch BYTES DIRECTORY\n" and the first bytes of the plan. Returns where they begin, or NULL.
static char *parse_head(char *message, size_t length, size_t *plan_bytes, struct request *request) {
    char *end = memchr(message, '\n', length), *rest;
    if (!end || strncmp(message, "launch ", 7)) return NULL;
    *end = 0;
    errno = 0;
    unsigned long long bytes = strtoull(message + 7, &rest, 10);
    if (errno || rest == message + 7 || *rest != ' ' || rest[1] != '/' || bytes > PLAN_BYTES_MAX) return NULL;
    if (strlen(rest + 1) >= sizeof request->directory) return NULL;
    strcpy(request->directory, rest + 1);
    *plan_bytes = (size_t)bytes;
    return end + 1;
}

#define BUFFER_BYTES (PLAN_BYTES_MAX + 3 * (size_t)MESSAGE_BYTES_MAX)  // what is not touched is never there
static char *buffer TOGETHER;

struct waiting { int client; void (*slow)(struct task *); struct task *argument; };

// Most clients have sent everything already, or do so in a moment; the others have their time.
static ssize_t next_message(struct waiting *waiting, char *bytes) {
    ssize_t n = recv(waiting->client, bytes, MESSAGE_BYTES_MAX, MSG_DONTWAIT);
    struct pollfd ready = {waiting->client, POLLIN, 0};
    // Its connecting woke us, and we may have taken the processor on which it was about to send.
    if (n < 0 && errno == EAGAIN && sched_yield() == 0) n = recv(waiting->client, bytes, MESSAGE_BYTES_MAX, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN && poll(&ready, 1, PROMPT_MS) > 0) n = recv(waiting->client, bytes, MESSAGE_BYTES_MAX, MSG_DONTWAIT);
    if (n >= 0 || errno != EAGAIN) return n;
    struct timeval deadline = {.tv_sec = CLIENT_DEADLINE_S};
    if (setsockopt(waiting->client, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof deadline) < 0) return -1;
    if (waiting->slow) waiting->slow(waiting->argument);
    return recv(waiting->client, bytes, MESSAGE_BYTES_MAX, 0);
}

static int receive(struct waiting *waiting, struct request *request, size_t *used) {
    ssize_t n = next_message(waiting, buffer);
    if (n > 0) *used = (size_t)n;
    size_t wanted;
    char *plan = n > 0 ? parse_head(buffer, (size_t)n, &wanted, request) : NULL;
    if (!plan) return -1;
    size_t have = (size_t)(buffer + n - plan);
    while (have < wanted) {
        n = next_message(waiting, plan + have);
        if (n <= 0) return -1;
        have += (size_t)n;
        *used += (size_t)n;
    }
    if (have != wanted) return -1;
    request->plan = plan_parse(plan, wanted, &request->error);
    return 0;
}

int request_receive(int client, struct request *request, void (*slow)(struct task *), struct task *argument) {
    struct waiting waiting = {client, slow, argument};
    if (!is_allowed(client)) return -1;
    if (!buffer) {
        buffer = mmap(NULL, BUFFER_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (buffer == MAP_FAILED) { buffer = NULL; return -1; }
        workspace_keep(buffer, BUFFER_BYTES);
    }
    size_t used = 0;
    int result = receive(&waiting, request, &used);
    memset(buffer, 0, used);  // the next task's supervisor is this process
    return result;
}

void request_release(void) {
    if (buffer) munmap(buffer, BUFFER_BYTES);
    buffer = NULL;
}

int request_answer(int client, struct text *text) {
    text_end(text);
    return send(client, text->place, (size_t)(text->at - text->place), MSG_NOSIGNAL | MSG_DONTWAIT) > 0;
}
