// libFuzzer target: any bytes as messages of a client of the resident launcher; 0xFF ends a message and begins the next.
// launcher: request.c plan_parse.c plan_rules.c plan_whole.c plan_words.c names.c workspace.c text.c
// share: 5 (system calls make an input dear: a fifth of the runs)
#define _GNU_SOURCE
#include "../launcher/request.h"
#include "lines.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void send_all(int to, const uint8_t *data, size_t size) {
    while (size) {
        const uint8_t *end = memchr(data, 0xFF, size);
        size_t length = end ? (size_t)(end - data) : size;
        send(to, data, length, MSG_NOSIGNAL | MSG_DONTWAIT);
        data += length + (end != NULL);
        size -= length + (end != NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct request request;
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) abort();
    send_all(pair[0], data, size);
    close(pair[0]);
    memset(&request, 0, sizeof request);
    if (request_receive(pair[1], &request, NULL, NULL) == 0) {
        // What the launcher relies on: an absolute path that ends, and a plan or the reason why there is none.
        if (request.directory[0] != '/' || !memchr(request.directory, 0, sizeof request.directory)) abort();
        if (!request.plan && !request.error.reason[0]) abort();
        if (request.plan) plan_release(request.plan);
    }
    close(pair[1]);
    return 0;
}

// Sets the length in the first line right, or nearly every mutation would end there.
static size_t repair_length(uint8_t *data, size_t size, size_t max_size) {
    uint8_t *end = memchr(data, '\n', size), *path = end ? memchr(data, '/', (size_t)(end - data)) : NULL;
    if (!path) return size;
    size_t plan = 0, tail = size - (size_t)(path - data);
    for (uint8_t *at = end + 1; at < data + size; at++) plan += *at != 0xFF;
    char head[40];
    size_t length = (size_t)snprintf(head, sizeof head, "launch %zu ", plan);
    if (length + tail > max_size) return size;
    memmove(data + length, path, tail);
    memcpy(data, head, length);
    return length + tail;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed) {
    size = lines_mutate(data, size, max_size, seed);
    return seed % 8 ? repair_length(data, size, max_size) : size;
}
