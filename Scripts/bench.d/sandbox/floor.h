// The floor: what a sandboxed launch costs when a program makes the necessary kernel calls and does nothing else: no plan,
// no checks, no log, no record, no supervision. Kept honest: everything a payload must not have is really taken away, and nothing is
// called that a task's isolation does not need. docs/BENCHMARKS.md says which kind has what.
#pragma once
#include <linux/filter.h>
#include <stdint.h>
#include <sys/types.h>

#define FLOOR_CGROUPS_MAX 4
#define FLOOR_SETTINGS_MAX 4
#define FLOOR_NETWORKS_MAX 64
#define FLOOR_EVIDENCE 5

// Moments of a launch, in order; nanoseconds, in memory that the child shares.
enum floor_moment { BEGUN, GROUPED, CLONED, JOINED, NETWORKED, ROOTED, IDENTIFIED, FILTERED, ENDED, REMOVED, FLOOR_MOMENTS };
extern uint64_t *floor_moments;
void floor_mark(enum floor_moment moment);

struct floor_cgroup {
    char directory[256];  // the parent of the groups that are made
    int version;
    int parent;           // descriptor of the directory
    struct { char file[40], value[24]; } setting[FLOOR_SETTINGS_MAX];
    int settings;
};

struct floor {
    const char *root;
    char **argv;
    struct floor_cgroup cgroup[FLOOR_CGROUPS_MAX];
    int cgroups;
    struct sock_filter *filter;
    unsigned short filter_length;
    // How the launch is done
    int naive;              // another process writes the pid into cgroup.procs, as most tools do
    int resident;           // slim mount namespace with a ready template, vfork-style clone, ready user namespace
    int pooled_network, pooled_cgroups;
    int whole;              // what every task is promised besides: see floor_task.c
    // Pools of the resident kind
    int user_namespace, network[FLOOR_NETWORKS_MAX];
    int uid_map, gid_map;   // of the namespace, where each launch has its own
    int evidence[FLOOR_EVIDENCE];  // what the kernel says of the pooled network namespace
    int pool_join[FLOOR_CGROUPS_MAX];
    void (*answer)(int status);  // called at the program's end, before the cgroups go; or NULL
};

struct floor_launch {  // one launch's own descriptors
    const struct floor *floor;
    int go[2];
    int join[FLOOR_CGROUPS_MAX];
    int network;
};

void floor_usual_slice(void);
_Noreturn void floor_die(const char *what);
void floor_write(int directory, const char *file, const char *text);

// "VERSION:DIRECTORY:FILE=VALUE,FILE=VALUE"
void floor_cgroup_parse(struct floor_cgroup *cgroup, const char *text);
void floor_cgroup_make(const struct floor *floor, const char *name, int join[]);
void floor_cgroup_attach(const struct floor *floor, const char *name, pid_t pid);
void floor_cgroup_remove(const struct floor *floor, const char *name, int join[]);

// Pools and the slim mount namespace; once per resident process.
void floor_prepare_resident(struct floor *floor);
void floor_release_resident(struct floor *floor);

// Of the kind `whole`: the next launch's user namespace, made behind the answer to the one before; its maps, written when it begins.
void floor_own_user_namespace(struct floor *floor);
void floor_map_own(const struct floor *floor);
// Whether the launch before left the network namespace as it was. `maker`: a process inside; the first look.
void floor_open_evidence(struct floor *floor, pid_t maker);
void floor_look_at_network(const struct floor *floor);

// In the jail that the child built, of which it is pid 1 and stays so: runs the program as its child. Returns never.
void floor_stay_as_init(const struct floor *floor);
// From the jail to the program: identity, descriptors, filter. Returns never.
_Noreturn void floor_become_program(const struct floor *floor);
void floor_become_root_inside(void);
void floor_new_session(void);

// The child: builds the jail and executes. Returns never.
int floor_child(void *launch);

// One launch, from nothing to everything gone again. The wait status.
int floor_launch_once(struct floor *floor, int slot);
