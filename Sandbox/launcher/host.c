// See host.h.
#define _GNU_SOURCE
#include "host.h"
#include "failure.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static int proc = -1, null = -1;

void host_keep(void) {
    // A machine without either is one on which nothing that needs it can be asked for: it fails there, with its own stage.
    if (proc < 0) proc = openat(AT_FDCWD, "/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (null < 0) null = openat(AT_FDCWD, "/dev/null", O_RDONLY | O_CLOEXEC);
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
