// See descriptors.h.
#define _GNU_SOURCE
#include "descriptors.h"
#include "failure.h"
#include "host.h"
#include "payload.h"
#include "workspace.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define KEPT_MAX 8
static unsigned kept[KEPT_MAX] TOGETHER;
static int kept_count TOGETHER;

void payload_keep(int descriptor) {
    if (descriptor < 0) return;
    if (kept_count == KEPT_MAX) fail(E2BIG, "descriptors(kept)");
    // In order, so that what lies between can be closed in ranges.
    int at = kept_count++;
    for (; at > 0 && kept[at - 1] > (unsigned)descriptor; at--) kept[at] = kept[at - 1];
    kept[at] = (unsigned)descriptor;
}

static void close_between(unsigned first, unsigned last) {
    if (first <= last && syscall(SYS_close_range, first, last, 0) < 0) fail(errno, "close_range");
}

// The task's own /dev/null when it is one, so that its name is right inside; the host's else. Looked at before it is opened, and
// opened without waiting: an image could have a FIFO there.
static int open_null(void) {
    struct stat info;
    int fd = -1;
    if (stat("/dev/null", &info) == 0 && S_ISCHR(info.st_mode) && info.st_rdev == makedev(1, 3))
        fd = openat(AT_FDCWD, "/dev/null", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0 && fstat(fd, &info) == 0 && info.st_rdev == makedev(1, 3)) return fd;
    return host_null();
}

void descriptors_take(const struct plan *plan, const struct streams *streams) {
    const struct operation *preserve = plan_find(plan, OP_PRESERVE_FDS);
    if (streams->console < 0 && plan_find(plan, OP_LOG)) {
        int in = streams->in >= 0 ? streams->in : open_null();
        if (in < 0) fail(errno, "stdin(/dev/null)");
        if (dup2(in, 0) < 0 || dup2(streams->out, 1) < 0 || dup2(streams->err, 2) < 0) fail(errno, "stdio(dup2)");
    }
    unsigned next = 3 + (preserve ? (unsigned)plan_number(preserve->argument[0]) : 0);
    // Above what the task inherits, whatever its number was.
    if (failure_pipe >= 0 && (unsigned)failure_pipe < next) {
        failure_pipe = fcntl(failure_pipe, F_DUPFD_CLOEXEC, (int)next);
        if (failure_pipe < 0) fail(errno, "descriptors(failure pipe)");
    }
    // Before the filter: a filter that refuses close_range would leak descriptors silently.
    if (kept_count == 0) {
        // The failure pipe alone stays, and may have any number: with the lowest all others go in one call.
        if (failure_pipe >= 0 && (unsigned)failure_pipe > next) {
            if (dup3(failure_pipe, (int)next, O_CLOEXEC) < 0) fail(errno, "descriptors(failure pipe)");
            failure_pipe = (int)next;
        }
        close_between(next + (failure_pipe >= 0), ~0U);
        return;
    }
    payload_keep(failure_pipe);
    for (int i = 0; i < kept_count; i++) {
        if (kept[i] < next) continue;
        fcntl((int)kept[i], F_SETFD, FD_CLOEXEC);
        close_between(next, kept[i] - 1);
        next = kept[i] + 1;
    }
    close_between(next, ~0U);
}
