// `swiftlet-sandbox oci-exec`: a command in a container through its runtime's `exec --detach`, as one process that ends as the command
// does. The runtime itself is gone while the command runs.
#define _GNU_SOURCE
#include "oci.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEPTH_MAX 64

static void say(int sync, const char *word, long number) {
    char text[64];
    int length = snprintf(text, sizeof text, "%s%ld", word, number);
    send(sync, text, (size_t)length, MSG_NOSIGNAL);  // who asked may be gone: the command is ended by its stream's end, as any
}

// The process and what it started by now: it began before it could be told where it belongs.
static void move_tree(int procs, long pid, int depth) {
    char path[64], text[4096], *rest = text, *word;
    dprintf(procs, "%ld", pid);
    if (depth >= DEPTH_MAX) return;
    snprintf(path, sizeof path, "/proc/%ld/task/%ld/children", pid, pid);
    int fd = openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    if (fd >= 0) close(fd);
    text[n > 0 ? n : 0] = 0;
    while ((word = strsep(&rest, " "))) if (atol(word) > 0) move_tree(procs, atol(word), depth + 1);
}

static int exit_code(int status) { return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status); }

// The command's own end, among those of whatever else came to us.
static int await_command(pid_t pid) {
    int status;
    for (;;) {
        pid_t ended = waitpid(-1, &status, 0);
        if (ended == pid) return exit_code(status);
        if (ended < 0 && errno != EINTR) return 137;  // it was nobody's child any more
    }
}

static int is_walled(char **runtime) {
    for (; *runtime; runtime++) if (!strcmp(*runtime, "--preserve-fds")) return 1;
    return 0;
}

// Whether the command was run, when it is one of ours that becomes the program: what it says else goes on to who asked.
static int was_run(int report, int sync) {
    struct failure failure;
    if (report < 0) return 1;
    ssize_t n = read(report, &failure, sizeof failure);
    close(report);
    if (n != (ssize_t)sizeof failure) return 1;
    send(sync, &failure, sizeof failure, MSG_NOSIGNAL);
    return 0;
}

// Descriptors: 0-2 are the command's, 3 is where the answer goes: "P" and its process id, "E" and the runtime's status, or a
// struct failure.
int oci_exec(const char *pid_file, const char *group, char **runtime) {
    char path[1100], text[32] = {0};
    int report[2] = {-1, -1};
    // Its number is the command's for OCI_COMMAND_FAILURE.
    int sync = fcntl(3, F_DUPFD_CLOEXEC, 16);
    if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0 || sync < 0 || close(3) < 0) return 125;
    if (is_walled(runtime) && pipe2(report, O_CLOEXEC) < 0) return 125;
    for (int i = 0; i < 3; i++) {
        struct stat facts;
        if (fstat(i, &facts) == 0 && S_ISCHR(facts.st_mode) && facts.st_rdev == makedev(1, 3)) dup2(oci_null(), i);
    }
    pid_t child = fork();
    if (child == 0) {
        // 3 is free here, or the pipe's own: then it is to be inherited all the same.
        if (report[1] == OCI_COMMAND_FAILURE ? fcntl(report[1], F_SETFD, 0) < 0 : report[1] >= 0 && dup2(report[1], OCI_COMMAND_FAILURE) < 0) _exit(126);
        execv(runtime[0], runtime);
        _exit(errno == ENOENT ? 127 : 126);
    }
    int status = 127 << 8;
    if (report[1] >= 0) close(report[1]);
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) {}
    int fd = openat(AT_FDCWD, pid_file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    if (fd >= 0) close(fd);
    long pid = n > 0 ? atol(text) : 0;
    if (status || pid <= 1) {
        say(sync, "E", status ? exit_code(status) : 125);
        return 125;
    }
    snprintf(path, sizeof path, "%s/cgroup.procs", group);
    int procs = *group ? openat(AT_FDCWD, path, O_WRONLY | O_CLOEXEC) : -1;
    if (procs >= 0) {
        move_tree(procs, pid, 0);
        close(procs);
    }
    if (!was_run(report[0], sync)) return 125;
    say(sync, "P", pid);
    close(sync);
    // The streams are the command's alone: they end with it.
    for (int i = 0; i < 3; i++) close(i);
    return await_command((pid_t)pid);
}
