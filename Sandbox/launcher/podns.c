// The namespaces that a pod's containers share without a process that holds them: made, set up by a plan, and mounted as files.
#define _GNU_SOURCE
#include "podns.h"
#include "failure.h"
#include "host.h"
#include "plan.h"
#include "system.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

static int refuse(const char *directory, const char *stage, int error) {
    fprintf(stderr, "podns %s: %s%s%s\n", directory, stage, error ? ": " : "", error ? strerror(error) : "");
    return 1;
}

static int pin(const char *directory, const char *name) {
    char from[64], to[1100];
    snprintf(from, sizeof from, "/proc/self/ns/%s", name);
    snprintf(to, sizeof to, "%s/%sns", directory, name);
    int place = openat(AT_FDCWD, to, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0400);
    if (place < 0) return -1;
    close(place);
    return mount(from, to, NULL, MS_BIND, NULL);
}

int podns_make(const char *plan_path, const char *directory) {
    struct plan_error error;
    struct plan *plan = plan_read(plan_path, &error);
    if (!plan) return refuse(directory, error.reason, 0);
    const char *net = plan_joined_namespace(plan, "net");
    if (net) {
        int fd = openat(AT_FDCWD, net, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || setns(fd, CLONE_NEWNET) < 0) return refuse(directory, "join-namespace(net)", errno);
        close(fd);
    }
    if (unshare(CLONE_NEWIPC | CLONE_NEWUTS) < 0) return refuse(directory, "unshare", errno);
    int report[2];
    if (pipe2(report, O_CLOEXEC) < 0) return refuse(directory, "pipe", errno);
    pid_t child = fork();
    if (child == 0) {
        failure_pipe = report[1];
        host_keep();
        for (uint32_t i = 0; i < plan->count; i++)
            if (plan->operation[i].kind >= OP_HOSTNAME && plan->operation[i].kind <= OP_SYSCTL) system_apply(&plan->operation[i]);
        _exit(0);
    }
    close(report[1]);
    struct failure failure;
    if (child < 0) return refuse(directory, "fork", errno);
    if (read(report[0], &failure, sizeof failure) == (ssize_t)sizeof failure) return refuse(directory, failure.stage, failure.error);
    if (pin(directory, "uts") < 0) return refuse(directory, "mount(uts)", errno);
    if (pin(directory, "ipc") < 0) return refuse(directory, "mount(ipc)", errno);
    return 0;
}
