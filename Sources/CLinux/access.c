// What exec and port-forward need: terminals' sizes, sockets of other network namespaces.
#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

int clinux_pipe(int ends[2]) { return pipe2(ends, O_CLOEXEC); }

int clinux_set_window_size(int terminal, unsigned short rows, unsigned short columns) {
    struct winsize size = {.ws_row = rows, .ws_col = columns};
    return ioctl(terminal, TIOCSWINSZ, &size);
}

int clinux_window_size(int terminal, unsigned short *rows, unsigned short *columns) {
    struct winsize size;
    if (ioctl(terminal, TIOCGWINSZ, &size) < 0) return -1;
    *rows = size.ws_row;
    *columns = size.ws_col;
    return 0;
}

struct wish { const char *file; int family, result, error; };

static void open_socket(struct wish *wish) {
    wish->result = socket(wish->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    wish->error = errno;
}

static void *open_inside(void *argument) {
    struct wish *wish = argument;
    int space = open(wish->file, O_RDONLY | O_CLOEXEC);
    if (space < 0 || setns(space, CLONE_NEWNET) < 0) wish->error = errno;
    else open_socket(wish);
    if (space >= 0) close(space);
    return NULL;
}

int clinux_tcp_socket_in(const char *namespace_file, int family) {
    struct wish wish = {.file = namespace_file, .family = family, .result = -1};
    pthread_t thread;
    if (!namespace_file) open_socket(&wish);
    else {
        int result = pthread_create(&thread, NULL, open_inside, &wish);
        if (result) wish.error = result;
        else pthread_join(thread, NULL);
    }
    errno = wish.error;
    return wish.result;
}

int clinux_receive_message(int socket, void *buffer, int size, int milliseconds) {
    struct pollfd ready = {.fd = socket, .events = POLLIN};
    int result;
    do result = poll(&ready, 1, milliseconds); while (result < 0 && errno == EINTR);
    if (result == 0) errno = ETIMEDOUT;
    if (result <= 0) return -1;
    ssize_t bytes;
    do bytes = recv(socket, buffer, (size_t)size, 0); while (bytes < 0 && errno == EINTR);
    // The other side ended with our word unread.
    return bytes < 0 && errno == ECONNRESET ? 0 : (int)bytes;
}
