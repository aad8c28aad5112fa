// The task's pid 1: builds the jail, starts the payload, reaps orphans, passes signals on.
#pragma once
#include "cgroup.h"
#include "payload.h"
#include "plan.h"

// The task's groups, while the supervisor makes them: they may be joined; their limits are set too, so that more than joining may be done.
enum init_groups { GROUPS_ABSENT, GROUPS_STAND, GROUPS_ARE_SET };

// What init says on `status` when the payload ended; who makes no jail says the first word alone.
struct payload_end {
    int status;       // as of wait(2)
    uint32_t cpu_us;  // processor time of the payload and of whom it waited for
};

struct launch {
    const struct plan *plan;
    const struct cgroups *cgroups;
    uint32_t *groups;    // init may begin before they are there, and waits for this word (enum init_groups); NULL: they are
    uint64_t namespaces; // flags of those that init makes for itself, while the supervisor does other things; the clone made the rest
    uint32_t *user_namespace_is_there;  // the supervisor makes it meanwhile: descriptor + 1 of its own; NULL: below
    int supervisor;      // its pid, of use with the former only
    int user_namespace;  // or -1
    int net_namespace;   // made ahead, its loopback up; or -1
    int host_root;       // with the following: what "/" is before
    int own_mounts;      // the slim mount namespace to enter last, while the host's is the present one; or -1
    struct streams streams;  // the task's ends of them; where its console is -1, a `terminal` of the plan is init's own matter
    int status;          // write end: struct payload_end; nobody but the supervisor has the other one, as long as it lives
    int lends_memory;    // init_lends_memory
    int handover;        // on which a seccomp listener reaches the supervisor, or -1
    int gate[2];         // rootless: where init waits for its ids
    void *shared;        // memory shared with the supervisor that is not needed behind the start, or NULL
    size_t shared_bytes;
};

// Whether the payload borrows init's memory until exec, so that init goes on only when the program runs. Not where somebody has to be
// asked before that (filters_let_start). Among processes that are there already it shares nothing with us; and a time namespace is entered by
// a fork only. Before init runs, which changes the plan's text.
int init_lends_memory(const struct plan *plan);

// Tells where the process's arguments lie: inside the task, pid 1 is to show "init", not the host's paths.
void init_title_area(char *start, size_t bytes);

// Whether the supervisor, which alone reads what is written to `status`, is gone.
int init_is_orphan(int status);

// Sleeps until this word, which another process shares and only ever counts up, is at least `value`.
void init_wait_for(const uint32_t *word, uint32_t value);
// The other side of it.
void init_tell(uint32_t *word, uint32_t value);

// The first steps, which need no plan: signals blocked, a name of its own, and a session unless the supervisor's
// has no terminal.
void init_begin(int with_session);

// Builds the jail, starts the payload and stays.
_Noreturn void init_run(const struct launch *launch);
