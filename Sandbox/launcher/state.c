// Writes the record of a task: a temporary file, then rename, so that a reader sees the old one or the new one.
#define _GNU_SOURCE
#include "state.h"
#include "text.h"
#include "workspace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

// `,"KEY":`
static void put_key(struct text *t, const char *key) {
    text_put(t, ",\"");
    text_put(t, key);
    text_put(t, "\":");
}

static void put_number(struct text *t, const char *key, int64_t value) {
    put_key(t, key);
    text_put_integer(t, value);
}

static void put_boolean(struct text *t, const char *key, int value) {
    put_key(t, key);
    text_put(t, value ? "true" : "false");
}

// Names are bytes; the file stays ASCII.
static void put_string(struct text *t, const char *key, const char *value) {
    static const char digit[] = "0123456789abcdef";
    put_key(t, key);
    text_put(t, "\"");
    while (*value) {
        size_t plain = 0;
        while (value[plain] >= 0x20 && value[plain] < 0x7f && value[plain] != '"' && value[plain] != '\\') plain++;
        text_put_bytes(t, value, plain);
        unsigned char c = (unsigned char)*(value += plain);
        if (!c) break;
        char escaped[] = {'\\', 'u', '0', '0', digit[c >> 4], digit[c & 15]}, quoted[] = {'\\', (char)c};
        if (c == '"' || c == '\\') text_put_bytes(t, quoted, sizeof quoted);
        else text_put_bytes(t, escaped, sizeof escaped);
        value++;
    }
    text_put(t, "\"");
}

#define TICKS_PER_SECOND 100  // USER_HZ, which every Linux shows

uint64_t state_ticks_since_boot(void) {
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * TICKS_PER_SECOND + (uint64_t)now.tv_nsec / (1000000000 / TICKS_PER_SECOND);
}

uint64_t state_process_start(pid_t pid) {
    char path[64], stat[1024];
    text_process_path(path, sizeof path, pid, "stat");
    int fd = openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    ssize_t n = read(fd, stat, sizeof stat - 1);
    close(fd);
    if (n <= 0) return 0;
    stat[n] = 0;
    // The name in parentheses may hold anything; field 3 follows the last ')'.
    char *at = strrchr(stat, ')');
    for (int field = 2; at && field < 22; field++) at = strchr(at + 1, ' ');
    return at ? strtoull(at + 1, NULL, 10) : 0;
}

const char *state_boot_id(void) {
    static char text[64];
    if (text[0]) return text;
    int fd = openat(AT_FDCWD, "/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    if (fd >= 0) close(fd);
    text[n > 0 ? n : 0] = 0;
    text[strcspn(text, "\n")] = 0;
    return text;
}

static void put_cgroups(struct text *t, const struct cgroups *groups) {
    put_key(t, "cgroups");
    for (int i = 0; i < groups->count; i++) {
        text_put(t, i ? ",{\"version\":" : "[{\"version\":");
        text_put_integer(t, groups->group[i].version);
        put_string(t, "controller", groups->group[i].controller);
        put_string(t, "path", groups->group[i].path);
        text_put(t, "}");
    }
    text_put(t, groups->count ? "]" : "[]");
}

static void put_resources(struct text *t, const struct rusage *r) {
    put_key(t, "resourceUsage");
    text_put(t, "{\"maxResidentBytes\":");
    text_put_integer(t, (int64_t)r->ru_maxrss * 1024);
    put_number(t, "minorFaults", r->ru_minflt);
    put_number(t, "majorFaults", r->ru_majflt);
    put_number(t, "blockReads", r->ru_inblock);
    put_number(t, "blockWrites", r->ru_oublock);
    put_number(t, "voluntarySwitches", r->ru_nvcsw);
    put_number(t, "involuntarySwitches", r->ru_nivcsw);
    text_put(t, "}");
}

static void put_usage(struct text *t, const struct cgroup_usage *u) {
    put_boolean(t, "oomKilled", u->oom_kills > 0);
    put_number(t, "oomKills", u->oom_kills);
    put_number(t, "cpuUserNanoseconds", u->cpu_user_ns);
    put_number(t, "cpuSystemNanoseconds", u->cpu_system_ns);
    put_number(t, "cpuNanoseconds", u->cpu_total_ns);
    put_number(t, "memoryPeakBytes", u->memory_peak_bytes);
    put_number(t, "pidsLimitHits", u->pids_limit_hits);
    put_number(t, "throttledPeriods", u->throttled_periods);
    put_number(t, "throttledNanoseconds", u->throttled_ns);
}

static void put_pressure(struct text *t, const int64_t microseconds[3]) {
    if (microseconds[0] < 0 && microseconds[1] < 0 && microseconds[2] < 0) return;
    put_key(t, "pressureMicroseconds");
    text_put(t, "{\"cpu\":");
    text_put_integer(t, microseconds[0]);
    put_number(t, "memory", microseconds[1]);
    put_number(t, "io", microseconds[2]);
    text_put(t, "}");
}

static void put_refused(struct text *t, const struct notify *refused) {
    if (!refused || !refused->kinds) return;
    char members[NOTIFY_KINDS_MAX * 20];
    notify_compose(refused, members, sizeof members);
    put_key(t, "deniedSystemCalls");
    text_put(t, "{");
    text_put(t, members);
    text_put(t, "}");
}

static void put_failure(struct text *t, const struct failure *failure) {
    if (!failure->stage[0]) return;
    put_key(t, "error");
    text_put(t, "{\"errno\":");
    text_put_integer(t, failure->error);
    put_string(t, "stage", failure->stage);
    put_string(t, "message", failure->error ? strerror(failure->error) : "");
    text_put(t, "}");
}

static void compose(struct text *t, const struct task_state *s, const struct cgroups *groups, const struct log_file *log) {
    text_put(t, "{\"version\":1");
    put_string(t, "id", s->id);
    put_string(t, "phase", s->phase);
    put_number(t, "pid", s->pid);
    put_number(t, "pidStartTime", (int64_t)s->pid_start);
    put_number(t, "supervisorPid", s->supervisor);
    put_number(t, "supervisorStartTime", (int64_t)s->supervisor_start);
    put_string(t, "bootId", state_boot_id());
    put_cgroups(t, groups);
    put_number(t, "startedAt", s->started_at);
    put_number(t, "finishedAt", s->finished_at);
    put_number(t, "exitCode", s->exit_code);
    put_number(t, "signal", s->signal);
    put_boolean(t, "stopRequested", s->stop_requested);
    put_usage(t, &s->usage);
    put_number(t, "logBytes", (int64_t)log->total);
    put_number(t, "logDroppedBytes", (int64_t)log->dropped);
    if (s->resources.ru_maxrss) put_resources(t, &s->resources);
    put_pressure(t, s->usage.pressured_us);
    if (s->core_dumped) put_boolean(t, "coreDumped", 1);
    if (s->reason) put_string(t, "reason", s->reason);
    put_refused(t, s->refused);
    put_failure(t, &s->failure);
    text_put(t, "}\n");
}

int state_open(int directory) {
    return openat(directory, "state.json.tmp", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
}

int state_write(int directory, int opened, const struct task_state *state, const struct cgroups *groups, const struct log_file *log) {
    if (directory < 0) return 0;
    struct text t = text_begin(workspace, WORKSPACE_BYTES);
    compose(&t, state, groups, log);
    size_t length = (size_t)(t.at - t.place);  // ids, twelve cgroup paths and a stage fit with room to spare
    int fd = opened >= 0 ? opened : state_open(directory);
    if (fd < 0) return -1;
    int good = write(fd, workspace, length) == (ssize_t)length;
    close(fd);
    if (!good || renameat(directory, "state.json.tmp", directory, "state.json") < 0) return -1;
    return 0;
}
