// Writes the record of a task: a temporary file, then rename, so that a reader sees the old one or the new one.
#define _GNU_SOURCE
#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct text {
    size_t length;
    char bytes[12288];  // ids, twelve cgroup paths and a stage fit with room to spare
};

static void put(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(struct text *t, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(t->bytes + t->length, sizeof t->bytes - t->length, format, arguments);
    va_end(arguments);
    if (n > 0) t->length += (size_t)n;
    if (t->length >= sizeof t->bytes) t->length = sizeof t->bytes - 1;
}

static void put_string(struct text *t, const char *key, const char *value) {
    put(t, "\"%s\":\"", key);
    for (; *value; value++) {
        unsigned char c = (unsigned char)*value;
        if (c == '"' || c == '\\') put(t, "\\%c", c);
        else if (c < 0x20 || c >= 0x7f) put(t, "\\u%04x", c);  // names are bytes; the file stays ASCII
        else put(t, "%c", c);
    }
    put(t, "\"");
}

uint64_t state_process_start(pid_t pid) {
    char path[64], stat[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
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

static void put_resources(struct text *t, const struct rusage *r) {
    put(t, ",\"resourceUsage\":{\"maxResidentBytes\":%lld,\"minorFaults\":%ld,\"majorFaults\":%ld,\"blockReads\":%ld,\"blockWrites\":%ld,",
        (long long)r->ru_maxrss * 1024, r->ru_minflt, r->ru_majflt, r->ru_inblock, r->ru_oublock);
    put(t, "\"voluntarySwitches\":%ld,\"involuntarySwitches\":%ld}", r->ru_nvcsw, r->ru_nivcsw);
}

static void compose(struct text *t, const struct task_state *s, const struct cgroups *groups, const struct log_file *log) {
    put(t, "{\"version\":1,");
    put_string(t, "id", s->id);
    put(t, ",\"phase\":\"%s\",\"pid\":%d,\"pidStartTime\":%llu,\"supervisorPid\":%d,\"supervisorStartTime\":%llu,", s->phase, s->pid,
        (unsigned long long)s->pid_start, s->supervisor, (unsigned long long)s->supervisor_start);
    put_string(t, "bootId", state_boot_id());
    put(t, ",\"cgroups\":[");
    for (int i = 0; i < groups->count; i++) {
        put(t, "%s{\"version\":%d,", i ? "," : "", groups->group[i].version);
        put_string(t, "controller", groups->group[i].controller);
        put(t, ",");
        put_string(t, "path", groups->group[i].path);
        put(t, "}");
    }
    put(t, "],\"startedAt\":%lld,\"finishedAt\":%lld,\"exitCode\":%d,\"signal\":%d,\"stopRequested\":%s,", (long long)s->started_at,
        (long long)s->finished_at, s->exit_code, s->signal, s->stop_requested ? "true" : "false");
    put(t, "\"oomKilled\":%s,\"oomKills\":%lld,\"cpuUserNanoseconds\":%lld,\"cpuSystemNanoseconds\":%lld,",
        s->usage.oom_kills > 0 ? "true" : "false", (long long)s->usage.oom_kills, (long long)s->usage.cpu_user_ns,
        (long long)s->usage.cpu_system_ns);
    put(t, "\"cpuNanoseconds\":%lld,\"memoryPeakBytes\":%lld,\"pidsLimitHits\":%lld,\"throttledPeriods\":%lld,\"throttledNanoseconds\":%lld,",
        (long long)s->usage.cpu_total_ns, (long long)s->usage.memory_peak_bytes, (long long)s->usage.pids_limit_hits,
        (long long)s->usage.throttled_periods, (long long)s->usage.throttled_ns);
    put(t, "\"logBytes\":%llu,\"logDroppedBytes\":%llu", (unsigned long long)log->total, (unsigned long long)log->dropped);
    if (s->resources.ru_maxrss) put_resources(t, &s->resources);
    if (s->usage.pressured_us[0] >= 0 || s->usage.pressured_us[1] >= 0 || s->usage.pressured_us[2] >= 0)
        put(t, ",\"pressureMicroseconds\":{\"cpu\":%lld,\"memory\":%lld,\"io\":%lld}", (long long)s->usage.pressured_us[0],
            (long long)s->usage.pressured_us[1], (long long)s->usage.pressured_us[2]);
    if (s->core_dumped) put(t, ",\"coreDumped\":true");
    if (s->reason) {
        put(t, ",");
        put_string(t, "reason", s->reason);
    }
    if (s->refused && s->refused->kinds) {
        char members[NOTIFY_KINDS_MAX * 20];
        notify_compose(s->refused, members, sizeof members);
        put(t, ",\"deniedSystemCalls\":{%s}", members);
    }
    if (s->failure.stage[0]) {
        put(t, ",\"error\":{");
        put_string(t, "stage", s->failure.stage);
        put(t, ",\"errno\":%d,", s->failure.error);
        put_string(t, "message", s->failure.error ? strerror(s->failure.error) : "");
        put(t, "}");
    }
    put(t, "}\n");
}

int state_open(int directory) {
    return openat(directory, "state.json.tmp", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
}

int state_write(int directory, int opened, const struct task_state *state, const struct cgroups *groups, const struct log_file *log) {
    if (directory < 0) return 0;
    struct text t;
    t.length = 0;  // not zeroed as a whole: pages that are never touched cost nothing
    compose(&t, state, groups, log);
    int fd = opened >= 0 ? opened : state_open(directory);
    if (fd < 0) return -1;
    int good = write(fd, t.bytes, t.length) == (ssize_t)t.length;
    close(fd);
    if (!good || renameat(directory, "state.json.tmp", directory, "state.json") < 0) return -1;
    return 0;
}
