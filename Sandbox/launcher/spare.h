// A jail made ahead: a supervisor whose init is cloned already, in fresh namespaces, and waits for a plan. Everything in it is
// new and used once, so nothing of an earlier task can be left in it. Only network namespaces go round (netpool.h).
#pragma once
#include "launch.h"

#include <stdint.h>

struct order;  // memory that the supervisor and its waiting init share

struct spare {
    struct channel channel;
    pid_t init_pid;
    int init;                                // pidfd
    uint64_t init_start;
    int user_namespace, uid_map, gid_map;    // without maps yet
    int net_namespace;                       // from the pool, or -1
    struct order *order;
    size_t order_bytes;
};

// In the supervisor, whose present mount namespace is the slim one: makes everything and leaves the supervisor in the host's
// mount namespace, with the next plan going into memory that init sees. 0, or -1 with errno.
int spare_make(struct spare *spare, int host_mounts, int net_namespace);

// Whether this plan's namespaces are those that the spare has, and its root can be built detached.
int spare_fits(const struct plan *plan);

// Writes the plan's id maps. 0, or -1 with `failure` set.
int spare_map_ids(struct spare *spare, const struct plan *plan, struct failure *failure);

// Lets init go on with the plan.
void spare_go(struct spare *spare, const struct plan *plan, const struct cgroups *cgroups);

// Ends the waiting init of a spare that does not fit; what can be used for any plan stays.
void spare_discard_init(struct spare *spare);

// Gives back the memory that only the launch needed.
void spare_release(struct spare *spare);
