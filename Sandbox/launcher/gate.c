// See gate.h.
#define _GNU_SOURCE
#include "gate.h"
#include "failure.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

int gate_listen(const char *path) {
    char directory[4096];
    const char *name = strrchr(path, '/') + 1;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if ((size_t)(name - path) >= sizeof directory || strlen(name) > 60) { errno = ENAMETOOLONG; return -1; }
    snprintf(directory, sizeof directory, "%.*s", (int)(name - path), path);
    // By the directory's descriptor: a socket's own name holds 107 bytes only.
    int place = openat(AT_FDCWD, directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (place < 0) return -1;
    snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", place, name);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    mode_t old = umask(0177);
    int good = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, 1) == 0;
    int saved = errno;
    umask(old);
    close(place);
    if (!good && fd >= 0) close(fd);
    errno = saved;
    return good ? fd : -1;
}

// Who is told to go before the program begins goes: a first process of a namespace has no default actions (pid_namespaces(7)).
static void leave(int number) { _exit(128 + number); }

static void set_endings(void (*action)(int)) {
    static const int endings[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT};
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) signal(endings[i], action);
}

void gate_heed_signals(void) { set_endings(leave); }

int gate_wait(int listener) {
    int connection;
    while ((connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) < 0)
        if (errno != EINTR && errno != ECONNABORTED) _exit(126);
    close(listener);
    char word;
    ssize_t n;
    while ((n = read(connection, &word, 1)) < 0 && errno == EINTR) {}
    if (n != 1) _exit(126);
    set_endings(SIG_DFL);
    return connection;
}
