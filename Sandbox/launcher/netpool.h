// Network namespaces with their loopback up: dear to make and to destroy, so one that was never used goes round again.
#pragma once
#include "plan.h"

// Makes ready to make namespaces: keeps the present one to return to. 0 or -1 with errno.
int netpool_open(int host_proc);

// A fresh namespace, or one that is as fresh; -1 when it cannot be made.
int netpool_take(void);

// Makes a namespace if fewer than `wanted` are there. 1 when one was made, else 0.
int netpool_fill(int wanted);

// Takes a namespace back when nothing shows that anybody ever used it, else closes it.
void netpool_return(int net_namespace);

// Whether a task with this plan had no power to change its network namespace.
int netpool_may_return(const struct plan *plan);
