// Joining, watching and killing: cgroup v1 and v2 files, relative to directory descriptors opened once.
#define _GNU_SOURCE
#include "cgroup.h"
#include "cgroup_place.h"
#include "scoped_open.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

int cgroups_note(struct cgroups *groups, const struct plan *plan, struct failure *failure) {
    groups->count = 0;  // entries are filled one by one: most are never touched
    for (uint32_t i = 0; i < plan->count; i++) {
        const struct operation *op = &plan->operation[i];
        if (op->kind != OP_CGROUP) continue;
        if (groups->count == CGROUPS_MAX || strlen(op->argument[1]) >= 32 || strlen(op->argument[2]) >= 512) {
            failure_set(failure, E2BIG, "cgroup(%s)", op->argument[1]);
            return -1;
        }
        int n = groups->count++;
        groups->group[n].version = op->argument[0][0] - '0';
        strcpy(groups->group[n].controller, op->argument[1]);
        strcpy(groups->group[n].path, op->argument[2]);
        groups->group[n].join = groups->group[n].directory = groups->group[n].place = -1;
        groups->group[n].memory_bytes = groups->group[n].quota_us = groups->group[n].pids = 0;
    }
    return 0;
}

// v1: `tasks` moves the writing thread alone, which skips the lock that costs cgroup.procs 10 ms.
static const char *join_file(const struct cgroups *groups, int n) { return groups->group[n].version == 1 ? "tasks" : "cgroup.procs"; }

static void open_directory(struct cgroups *groups, int n) {
    if (groups->group[n].directory < 0)
        groups->group[n].directory = cgroup_place_open(groups->group[n].path, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

int cgroups_open_file(const struct cgroups *groups, int n, const char *file, int flags) {
    int directory = groups->group[n].directory;
    flags |= O_CLOEXEC | O_NOFOLLOW;
    return directory >= 0 ? openat(directory, file, flags) : cgroup_place_open_file(groups->group[n].path, file, flags);
}

void cgroups_open_directories(struct cgroups *groups) {
    for (int i = 0; i < groups->count; i++) open_directory(groups, i);
}

int cgroups_open(struct cgroups *groups, const struct plan *plan, struct failure *failure) {
    if (cgroups_note(groups, plan, failure) < 0) return -1;
    cgroups_open_directories(groups);
    for (int i = 0; i < groups->count; i++) {
        int directory = groups->group[i].directory;
        if (directory >= 0) groups->group[i].join = openat(directory, join_file(groups, i), O_WRONLY | O_CLOEXEC);
        if (groups->group[i].join >= 0) continue;
        failure_set(failure, errno, "cgroup(open %s)", groups->group[i].path);
        return -1;
    }
    return 0;
}

// Beneath a root that may not be the present one: where a link leads is its matter too.
static int open_beneath(int root, const char *path) {
    if (root == AT_FDCWD) return openat(root, path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    return scoped_open(root, path, O_WRONLY | O_NOFOLLOW, 0, RESOLVE_NO_MAGICLINKS);
}

void cgroups_join(const struct cgroups *groups, int root) {
    for (int i = 0; i < groups->count; i++) {
        int fd = groups->group[i].join;
        if (fd < 0) {
            char path[600];  // a group's is shorter than 512
            stpcpy(stpcpy(stpcpy(path, groups->group[i].path), "/"), join_file(groups, i));
            if (groups->group[i].place >= 0) fd = openat(groups->group[i].place, path + groups->group[i].rest, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
            if (fd < 0) fd = open_beneath(root, path);  // of a place that was removed and made anew too
            if (fd < 0) fail(errno, "cgroup(open %s)", groups->group[i].path);
        }
        if (write(fd, "0", 1) != 1) fail(errno, "cgroup(join %s)", groups->group[i].path);
        if (fd != groups->group[i].join) close(fd);
    }
}

int cgroups_watch_out_of_memory(const struct cgroups *groups) {
    for (int i = 0; i < groups->count; i++) {
        if (groups->group[i].version != 1 || strcmp(groups->group[i].controller, "memory")) continue;
        char line[32];
        int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        int control = openat(groups->group[i].directory, "memory.oom_control", O_RDONLY | O_CLOEXEC);
        int registry = openat(groups->group[i].directory, "cgroup.event_control", O_WRONLY | O_CLOEXEC);
        int length = snprintf(line, sizeof line, "%d %d", event, control);
        int good = event >= 0 && control >= 0 && registry >= 0 && write(registry, line, (size_t)length) == length;
        if (control >= 0) close(control);  // the kernel keeps what it needs
        if (registry >= 0) close(registry);
        if (!good && event >= 0) { close(event); event = -1; }
        return event;
    }
    return -1;
}

void cgroups_close_join_files(struct cgroups *groups) {
    for (int i = 0; i < groups->count; i++) {
        close(groups->group[i].join);
        groups->group[i].join = -1;
    }
}

// Reads a small file into `text`; -1 when it is absent.
static ssize_t read_file(int directory, const char *name, char *text, size_t size) {
    int fd = openat(directory, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    ssize_t n = read(fd, text, size - 1);
    close(fd);
    if (n < 0) return -1;
    text[n] = 0;
    return n;
}

#define KILLED_PER_ROUND 64

// Processes of one group, up to `max`; one page of the file is looked at.
static int members(int directory, pid_t *pid, int max) {
    char text[4096], *rest = text, *line;
    int count = 0;
    if (read_file(directory, "cgroup.procs", text, sizeof text) <= 0) return 0;
    while (count < max && (line = strsep(&rest, "\n")) && rest)
        if (atoi(line) > 0) pid[count++] = atoi(line);
    return count;
}

// Handles first, then the list again: a number that is still listed belongs to the process behind its handle.
static int kill_members(int directory) {
    pid_t before[KILLED_PER_ROUND], after[KILLED_PER_ROUND];
    int handle[KILLED_PER_ROUND], count = members(directory, before, KILLED_PER_ROUND);
    for (int i = 0; i < count; i++) handle[i] = (int)syscall(SYS_pidfd_open, before[i], 0);
    int still = count ? members(directory, after, KILLED_PER_ROUND) : 0;
    for (int i = 0; i < count; i++) {
        int listed = 0;
        for (int k = 0; k < still && !listed; k++) listed = after[k] == before[i];
        if (handle[i] >= 0 && listed) syscall(SYS_pidfd_send_signal, handle[i], SIGKILL, NULL, 0);
        if (handle[i] >= 0) close(handle[i]);
    }
    return count;
}

int cgroups_kill(const struct cgroups *groups) {
    int seen = 0;
    for (int i = 0; i < groups->count; i++) {
        int fd = openat(groups->group[i].directory, "cgroup.kill", O_WRONLY | O_CLOEXEC);
        // Version 1 and old kernels have no such file: there it is done one by one.
        if (fd >= 0) {
            ssize_t ignored = write(fd, "1", 1);
            (void)ignored;
            close(fd);
        }
        seen += kill_members(groups->group[i].directory);  // one page of ids a round; the caller goes on until none is seen
    }
    return seen;
}
