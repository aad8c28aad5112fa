// See join.h. Every file is opened before the first namespace is entered: afterwards its path may mean something else.
#define _GNU_SOURCE
#include "join.h"
#include "names.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#define NAMESPACES 8

struct joining { const struct operation *op; int fd, kind; };

static int open_all(const struct plan *plan, struct joining *list, struct failure *failure) {
    int count = 0;
    for (uint32_t i = 0; i < plan->count; i++) {
        const struct operation *op = &plan->operation[i];
        if (op->kind != OP_JOIN_NAMESPACE || count == NAMESPACES) continue;
        int fd = openat(AT_FDCWD, op->argument[1], O_RDONLY | O_CLOEXEC);
        if (fd < 0) { failure_set(failure, errno, "join-namespace(%s %.200s)", op->argument[0], op->argument[1]); return -1; }
        list[count++] = (struct joining){op, fd, (int)names_value(names_namespace, op->argument[0])};
    }
    return count;
}

// Enters those of `list` that `wanted` holds. With `again`, what this user namespace has no power over is left for later.
static int enter(struct joining *list, int count, int wanted, int again, struct failure *failure) {
    for (int i = 0; i < count; i++) {
        if (list[i].fd < 0 || !(list[i].kind & wanted)) continue;
        if (setns(list[i].fd, list[i].kind) < 0) {
            if (again && errno == EPERM) continue;
            failure_set(failure, errno, "join-namespace(%s %.200s)", list[i].op->argument[0], list[i].op->argument[1]);
            return -1;
        }
        close(list[i].fd);
        list[i].fd = -1;
    }
    return 0;
}

int join_namespaces(const struct plan *plan, struct failure *failure) {
    struct joining list[NAMESPACES];
    int all = CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET | CLONE_NEWCGROUP | 0x80 /* CLONE_NEWTIME */;
    int count = open_all(plan, list, failure);
    if (count <= 0) return count;
    // First what the caller has power over, then the user namespace, then what only that one has power over.
    int user = plan_joined_namespace(plan, "user") != NULL;
    if (enter(list, count, all, user, failure) < 0) return -1;
    // The mounts of a task whose jail was built from outside belong to the outer user namespace: once inside it is too late.
    if (user && enter(list, count, CLONE_NEWNS, 1, failure) < 0) return -1;
    if (user && enter(list, count, CLONE_NEWUSER, 0, failure) < 0) return -1;
    if (user && enter(list, count, all, 0, failure) < 0) return -1;
    return enter(list, count, CLONE_NEWNS, 0, failure);
}
