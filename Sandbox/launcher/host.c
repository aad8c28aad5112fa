// See host.h.
#define _GNU_SOURCE
#include "host.h"
#include "failure.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define UNKNOWN_PROCESSORS 65536

static int proc = -1, null = -1, processors;

// "0-1": the last is the highest (Documentation/admin-guide/cputopology.rst).
static void count_processors(void) {
    char text[256];
    int fd = openat(AT_FDCWD, "/sys/devices/system/cpu/possible", O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0) close(fd);
    processors = UNKNOWN_PROCESSORS;
    if (length <= 0) return;
    text[length] = 0;
    const char *last = text + length;
    while (last > text && strchr("0123456789\n", last[-1])) last--;
    processors = 1 + atoi(last);
}

void host_keep(void) {
    // A machine without either is one on which nothing that needs it can be asked for: it fails there, with its own stage.
    if (proc < 0) proc = openat(AT_FDCWD, "/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (null < 0) null = openat(AT_FDCWD, "/dev/null", O_RDONLY | O_CLOEXEC);
}

int host_processors(void) {
    if (!processors) count_processors();
    return processors;
}

int host_proc_open(const char *name, int flags) {
    host_keep();
    if (proc < 0) { errno = ENOENT; return -1; }
    return openat(proc, name, flags | O_CLOEXEC);
}

int host_null(void) {
    host_keep();
    return null;
}

void host_release(void) {
    if (proc >= 0) close(proc);
    if (null >= 0) close(null);
    proc = null = -1;
}
