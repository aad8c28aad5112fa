// Evidence of refused system calls, and learning: a seccomp listener in the supervisor's hands. The filter of such a plan
// answers SECCOMP_RET_USER_NOTIF where it would refuse (`denials`) or always (`learn`).
#pragma once
#include "plan.h"
#include <linux/filter.h>
#include <stddef.h>

// Distinct refused calls that a record names; who tries more is told apart by those.
#define NOTIFY_KINDS_MAX 96

struct lesson;

struct notify {
    int fd;         // the socket on which the payload hands the listener over, then the listener; -1: nothing to hear (any more)
    int listening;  // fd is the listener
    uint64_t left;  // answers until the listener is closed: a flood of refused calls must not cost the host's time
    uint32_t kinds;
    struct { int number; uint32_t count; } denied[NOTIFY_KINDS_MAX];
    struct lesson *lesson;  // learning
    const char *path;       // where the lesson goes
};

// True when the plan has `denials` or `learn`.
int notify_wanted(const struct plan *plan);

// Before the clone: a socket pair, [0] the supervisor's end, [1] the payload's. 0 or -1 with errno.
int notify_open(int ends[2]);

// In the child: this is the end on which the listener is handed over; by init, if the payload `borrows` its memory and descriptors until
// exec.
void notify_take(int end, int borrows);

// In init, when the payload that borrowed has a table of its own: hands the listener over, if there is one.
void notify_pass_on(void);

// In the payload, instead of seccomp(2): loads the program with a listener, which reaches the supervisor while the payload
// goes on to exec, or behind it. 0 or -1 with errno.
int notify_load(const struct sock_fprog *program, uint64_t flags);

// In the supervisor: begins to hear at its end. -1 for `end` is fine: nothing will come.
void notify_begin(struct notify *notify, const struct plan *plan, int end);

// In the supervisor when notify->fd is readable or hung up: takes the listener over, or answers one call. Never blocks.
void notify_ready(struct notify *notify);

// At the task's end: writes what was learnt, closes. 0, or -1 with errno when the lesson could not be written.
int notify_end(struct notify *notify);

// The refused calls as the members of a JSON object, "101":3,"272":1; empty: none.
void notify_compose(const struct notify *notify, char *text, size_t size);
