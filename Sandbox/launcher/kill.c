// `swiftlet-sandbox kill`: asks a supervisor, found by its lock file, to end its task.
#define _GNU_SOURCE
#include "state.h"
#include "supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

static int write_grace(int directory, const char *milliseconds) {
    int fd = openat(directory, GRACE_FILE, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return -1;
    ssize_t n = write(fd, milliseconds, strlen(milliseconds));
    close(fd);
    return n < 0 ? -1 : 0;
}

int supervise_kill(const char *state_directory, const char *grace_milliseconds) {
    int directory = openat(AT_FDCWD, state_directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int lock = directory < 0 ? -1 : openat(directory, LOCK_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (lock < 0) { fprintf(stderr, "%s: %s\n", state_directory, strerror(errno)); return 3; }
    if (flock(lock, LOCK_SH | LOCK_NB) == 0) return 3;  // nobody holds it: there is no supervisor
    char text[160] = {0}, boot[64];
    int pid, serial = 0;
    unsigned long long start;
    ssize_t n = read(lock, text, sizeof text - 1);
    if (n <= 0 || sscanf(text, "%d %llu %63s %d", &pid, &start, boot, &serial) < 3) return 3;
    int handle = (int)syscall(SYS_pidfd_open, pid, 0);
    // The handle first, then the check: a pid that is reused meanwhile is never signalled.
    if (handle < 0 || strcmp(boot, state_boot_id()) || state_process_start(pid) != start) return 3;
    if (grace_milliseconds && write_grace(directory, grace_milliseconds) < 0) { perror("grace"); return 2; }
    // With the task's number, as its supervisor may have another one by now.
    siginfo_t info;
    memset(&info, 0, sizeof info);
    info.si_signo = SIGTERM;
    info.si_code = SI_QUEUE;
    info.si_pid = getpid();
    info.si_uid = getuid();
    info.si_value.sival_int = serial;
    return syscall(SYS_pidfd_send_signal, handle, SIGTERM, &info, 0) < 0 ? 3 : 0;
}
