// A jail made ahead: an init that is cloned already, in fresh namespaces, and waits for a plan. Everything that the task will have is
// new and used once, so nothing of an earlier one can be left in it. Only network namespaces go round (netpool.h).
#pragma once
#include "launch.h"

#include <stdint.h>

struct order;  // memory that the supervisor and its waiting init share

struct spare {
    char *stack;                             // of the init: in the supervisor's memory, and used by nobody there
    int self;                                // pidfd of the supervisor; 0: not opened yet
    struct channel channel;
    int out, err;                            // the task's ends, by init's numbers
    pid_t init_pid;
    int init;                                // pidfd
    int mounts;                              // the mount namespace that will be the task's own
    uint64_t init_start;
    int user_namespace, uid_map, gid_map;    // without maps yet
    int net_namespace;                       // from the pool, or -1
    int is_alone;                            // no other launch is under way
    int lends_memory;                        // init_lends_memory, of the plan
    struct order *order;
    size_t order_bytes;
};

// A descriptor of the present mount namespace. -1 with errno.
int spare_present_mounts(struct spare *spare);

// In the supervisor, which is in the host's mount namespace: makes everything, with the next plan going into memory that init sees.
// The task's mount namespace is a copy of `slim_mounts`. 0, or -1 with errno.
int spare_make(struct spare *spare, int host_mounts, int slim_mounts, int net_namespace);

// Whether this plan's namespaces are those that the spare has, and its root can be built detached.
int spare_fits(const struct plan *plan);

// Writes the plan's id maps. 0, or -1 with `failure` set.
int spare_map_ids(struct spare *spare, const struct plan *plan, struct failure *failure);

// The descriptor of the task's mount namespace, which is the caller's from now on.
int spare_take_mounts(struct spare *spare);

// Lets init begin with the plan, up to what needs the task's groups, and go on when they are there.
// `is_alone`: no other launch is under way, so that the machine has a processor for each half of this one.
void spare_go(struct spare *spare, const struct plan *plan, int is_alone);
void spare_tell_groups(struct spare *spare, const struct cgroups *cgroups);
void spare_tell_limits(struct spare *spare);

// Ends the waiting init of a spare that does not fit; what can be used for any plan stays.
void spare_discard_init(struct spare *spare);

// Gives back what only the launch needed, and what was kept for another one.
void spare_release(struct spare *spare);

// The supervisor's ends that belong to the task from now on.
void spare_give_ends(struct spare *spare, struct task *task);

// The same for a task that is gone; memory and channel stay, the former wiped, for the next one.
void spare_clear(struct spare *spare, struct task *task, struct plan *plan);
