// See process.h.
#define _GNU_SOURCE
#include "process.h"
#include "failure.h"
#include "host.h"
#include "names.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define IO_PRIORITY_CLASS_SHIFT 13  // linux/ioprio.h
#define IO_PRIORITY_OF_PROCESS 1

static rlim_t limit(const char *text) { return strcmp(text, "unlimited") ? plan_number(text) : RLIM_INFINITY; }

static void set_rlimit(char **a) {
    int resource = (int)names_value(names_rlimit, a[0]);
    struct rlimit wanted = {limit(a[1]), limit(a[2])}, now;
    // A hard limit above our own needs CAP_SYS_RESOURCE, which a machine may lack: ours is then the highest there is.
    if (setrlimit(resource, &wanted) == 0) return;
    if (errno == EPERM && getrlimit(resource, &now) == 0 && wanted.rlim_max > now.rlim_max) {
        wanted.rlim_max = now.rlim_max;
        if (wanted.rlim_cur > wanted.rlim_max) wanted.rlim_cur = wanted.rlim_max;
        if (setrlimit(resource, &wanted) == 0) return;
    }
    fail(errno, "rlimit(%s)", a[0]);
}

static void set_oom_score_adj(const char *value) {
    int fd = host_proc_open("self/oom_score_adj", O_WRONLY);
    if (fd < 0 || write(fd, value, strlen(value)) < 0) fail(errno, "oom-score-adj(%s)", value);
    close(fd);
}

// struct sched_attr as the kernel first published it (sched_setattr(2)).
struct scheduling { uint32_t size, policy; uint64_t flags; int32_t nice; uint32_t priority; uint64_t runtime, deadline, period; };

static void set_scheduler(const struct operation *op) {
    char **a = op->argument;
    int64_t priority = plan_signed(a[1]);
    struct scheduling wanted = {.size = sizeof wanted, .policy = (uint32_t)names_value(names_scheduler, a[0])};
    if (op->count > 2) wanted.flags = names_mask(names_scheduler_flag, a[2]);
    if (wanted.policy == SCHED_FIFO || wanted.policy == SCHED_RR) wanted.priority = (uint32_t)priority;
    else wanted.nice = (int32_t)priority;
    if (op->count > 3) {
        wanted.runtime = plan_number(a[3]);
        wanted.deadline = plan_number(a[4]);
        wanted.period = plan_number(a[5]);
    }
    if (syscall(SYS_sched_setattr, 0, &wanted, 0) < 0) fail(errno, "scheduler(%s)", a[0]);
}

// 1024 of them, as many as the grammar lets through; a set of CPUs is a mask of bits like any other.
static void read_list(const char *list, cpu_set_t *set) {
    CPU_ZERO(set);
    for (const char *at = list; *at;) {
        char *end;
        unsigned long first = strtoul(at, &end, 10), last = first;
        if (*end == '-') last = strtoul(end + 1, &end, 10);
        for (unsigned long cpu = first; cpu <= last; cpu++) CPU_SET(cpu, set);
        at = *end ? end + 1 : end;
    }
}

static void set_cpus(const char *list) {
    cpu_set_t set;
    read_list(list, &set);
    if (sched_setaffinity(0, sizeof set, &set) < 0) fail(errno, "cpu-affinity(%s)", list);
}

// The kernel counts one bit less than it is told of (set_mempolicy(2)).
static void set_memory_policy(const struct operation *op) {
    cpu_set_t nodes;
    int mode = (int)(names_value(names_memory_mode, op->argument[0]) | names_mask(names_memory_flag, op->argument[1]));
    if (op->count > 2) read_list(op->argument[2], &nodes);
    if (syscall(SYS_set_mempolicy, mode, op->count > 2 ? &nodes : NULL, op->count > 2 ? 8 * sizeof nodes + 1 : 0) < 0)
        fail(errno, "memory-policy(%s)", op->argument[0]);
}

void process_apply(const struct operation *op) {
    char **a = op->argument;
    switch (op->kind) {
    case OP_RLIMIT: set_rlimit(a); break;
    case OP_OOM_SCORE_ADJ: set_oom_score_adj(a[0]); break;
    case OP_UMASK: umask(plan_octal(a[0])); break;
    case OP_NICE:
        if (setpriority(PRIO_PROCESS, 0, (int)plan_signed(a[0])) < 0) fail(errno, "nice(%s)", a[0]);
        break;
    case OP_SCHEDULER: set_scheduler(op); break;
    case OP_IO_PRIORITY:
        if (syscall(SYS_ioprio_set, IO_PRIORITY_OF_PROCESS, 0,
                    (int)(names_value(names_io_class, a[0]) << IO_PRIORITY_CLASS_SHIFT | plan_number(a[1]))) < 0)
            fail(errno, "io-priority(%s)", a[0]);
        break;
    case OP_CPU_AFFINITY: set_cpus(a[0]); break;
    case OP_MEMORY_POLICY: set_memory_policy(op); break;
    case OP_PERSONALITY:
        if (personality(strtoul(a[0], NULL, 16)) < 0) fail(errno, "personality(%s)", a[0]);
        break;
    default: fail(EINVAL, "process(operation %d)", op->kind);
    }
}
