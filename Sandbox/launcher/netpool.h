// Network namespaces with their loopback up: dear to make and to destroy, so one that was never used goes round again.
#pragma once
#include "plan.h"

// What the kernel says of a namespace: interfaces and their traffic, sockets, counters of every protocol.
#define NETPOOL_EVIDENCE 5

// A namespace and its evidence, opened when it was made: reading them again needs no process inside. All -1: none.
struct network { int space, evidence[NETPOOL_EVIDENCE]; };
extern const struct network netpool_none;

// Makes ready to make namespaces: keeps the present one to return to. 0 or -1 with errno.
int netpool_open(int host_proc);

// A fresh namespace, or one that is as fresh; netpool_none when it cannot be made.
struct network netpool_take(void);

// Makes a namespace if fewer than `wanted` are there. 1 when one was made, else 0.
int netpool_fill(int wanted);

// What a burst left beyond `wanted`: 1 when there is some; closes it when `now`.
int netpool_surplus(int wanted, int now);

// Whether nothing shows that anybody ever used it. Also in children of the process that made it.
int netpool_is_unused(const struct network *network);

// Takes an unused namespace back, and closes another.
void netpool_return(struct network network);
void netpool_close(struct network network);

// Whether a task with this plan had no power to change its network namespace.
int netpool_may_return(const struct plan *plan);
