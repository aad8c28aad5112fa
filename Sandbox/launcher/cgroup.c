// cgroup v1 and v2 files, relative to directory descriptors opened once.
#define _GNU_SOURCE
#include "cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int cgroups_open(struct cgroups *groups, const struct plan *plan, struct failure *failure) {
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
        groups->group[n].join = -1;
        groups->group[n].directory = open(op->argument[2], O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (groups->group[n].directory >= 0)
            // v1: `tasks` moves the writing thread alone, which skips the lock that costs cgroup.procs 10 ms.
            groups->group[n].join = openat(groups->group[n].directory, groups->group[n].version == 1 ? "tasks" : "cgroup.procs",
                                           O_WRONLY | O_CLOEXEC);
        if (groups->group[n].join < 0) {
            failure_set(failure, errno, "cgroup(open %s)", op->argument[2]);
            return -1;
        }
    }
    return 0;
}

void cgroups_join(const struct cgroups *groups) {
    for (int i = 0; i < groups->count; i++)
        if (write(groups->group[i].join, "0", 1) != 1) fail(errno, "cgroup(join %s)", groups->group[i].path);
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

int cgroups_kill(const struct cgroups *groups) {
    int seen = 0;
    char text[4096];
    for (int i = 0; i < groups->count; i++) {
        int fd = openat(groups->group[i].directory, "cgroup.kill", O_WRONLY | O_CLOEXEC);
        if (fd >= 0) {
            if (write(fd, "1", 1) < 0) seen += 0;  // an old kernel: the loop below does it
            close(fd);
        }
        // One page of ids a round; the caller goes on until none is seen.
        if (read_file(groups->group[i].directory, "cgroup.procs", text, sizeof text) <= 0) continue;
        char *rest = text, *line;
        while ((line = strsep(&rest, "\n")) && rest) {
            pid_t pid = atoi(line);
            if (pid > 0) { seen++; kill(pid, SIGKILL); }
        }
    }
    return seen;
}

// The value after `key ` at the start of a line; -1 when absent.
static int64_t keyed(const char *text, const char *key) {
    size_t length = strlen(key);
    for (const char *at = text; at; at = strchr(at, '\n'), at = at ? at + 1 : NULL)
        if (!strncmp(at, key, length) && at[length] == ' ') return strtoll(at + length, NULL, 10);
    return -1;
}

static int64_t number_in(int directory, const char *name) {
    char text[64];
    return read_file(directory, name, text, sizeof text) > 0 ? strtoll(text, NULL, 10) : -1;
}

static int64_t keyed_in(int directory, const char *name, const char *key) {
    char text[4096];
    return read_file(directory, name, text, sizeof text) > 0 ? keyed(text, key) : -1;
}

static void take(int64_t *slot, int64_t value, int64_t scale) {
    if (value >= 0) *slot = value * scale;
}

void cgroups_read_usage(const struct cgroups *groups, struct cgroup_usage *u) {
    *u = (struct cgroup_usage){-1, -1, -1, -1, 0, 0, 0};
    for (int i = 0; i < groups->count; i++) {
        int d = groups->group[i].directory;
        const char *controller = groups->group[i].controller;
        if (groups->group[i].version == 1) {
            if (!strcmp(controller, "cpuacct")) {
                take(&u->cpu_total_ns, number_in(d, "cpuacct.usage"), 1);
                take(&u->cpu_user_ns, number_in(d, "cpuacct.usage_user"), 1);
                take(&u->cpu_system_ns, number_in(d, "cpuacct.usage_sys"), 1);
            }
            if (!strcmp(controller, "memory")) {
                take(&u->memory_peak_bytes, number_in(d, "memory.max_usage_in_bytes"), 1);
                // Counts this group alone; nothing inside can make a subgroup, as no cgroup file system is mounted there.
                take(&u->oom_kills, keyed_in(d, "memory.oom_control", "oom_kill"), 1);
            }
            if (!strcmp(controller, "pids")) take(&u->pids_limit_hits, keyed_in(d, "pids.events", "max"), 1);
            if (!strcmp(controller, "cpu")) take(&u->throttled_periods, keyed_in(d, "cpu.stat", "nr_throttled"), 1);
        } else {
            take(&u->cpu_total_ns, keyed_in(d, "cpu.stat", "usage_usec"), 1000);
            take(&u->cpu_user_ns, keyed_in(d, "cpu.stat", "user_usec"), 1000);
            take(&u->cpu_system_ns, keyed_in(d, "cpu.stat", "system_usec"), 1000);
            take(&u->throttled_periods, keyed_in(d, "cpu.stat", "nr_throttled"), 1);
            take(&u->memory_peak_bytes, number_in(d, "memory.peak"), 1);
            take(&u->oom_kills, keyed_in(d, "memory.events", "oom_kill"), 1);  // counts descendants too
            take(&u->pids_limit_hits, keyed_in(d, "pids.events", "max"), 1);
        }
    }
}
