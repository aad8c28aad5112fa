// What every attack program shares: its verdicts, the host's targets (written by the driver) and a table of probes.
#pragma once
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

// open: the attack works. blocked: refused. contained: it works, but its effect ends at the sandbox's own edge.
// absent: this machine or this sandbox has no such thing to attack. failed: the attack did not come to what it claims to try.
enum verdict { OPEN, BLOCKED, CONTAINED, ABSENT, FAILED };

enum control {
    RUN,     // harmless: also run unconfined, where it must succeed (else it proves nothing)
    NEVER,   // would harm the machine, or has no meaning outside
};

struct probe {
    const char *name;
    char severity;  // C critical: a way out; M hardening: a wall fewer; I information or inconvenience
    enum control control;
    enum verdict (*run)(void);
    const char *what;  // one line: what is tried
    const char *want;  // what a good sandbox answers
};

// The host's targets. Every one exists and is reachable from an unconfined process.
struct context {
    int control, own_root, host_network;
    long host_pid, shm_key, port;
    char magic[64], canary[256], canary_text[64], abstract[64], queue[64], key[64], variable[64], readonly[256], dir[256];
    unsigned long ns_pid, ns_net, ns_ipc, ns_uts, ns_user, ns_mnt, ns_cgroup;
};
extern struct context ctx;
extern int inherited[64], inherited_count;  // descriptors above 2 that were open when the program began

void detail(const char *format, ...) __attribute__((format(printf, 1, 2)));
enum verdict by_result(long result, const char *what);  // >= 0: open; else blocked with errno's text
enum verdict open_for(const char *path, int flags);     // open(2) succeeds: open
int same_namespace(const char *name, unsigned long host);
int status_field(const char *field, char *value, size_t size);  // of /proc/self/status
int file_contains(const char *path, const char *text);
int write_text(const char *path, const char *text);  // 0, or -1 with errno
long long now_ms(void);
int print_room(const char *name);  // outside a sandbox: whether a user still gets what the attack of this name takes
int hunt(const char *named);       // persist.c: the file of every program that comes into this pid namespace, for writing, or what it sees of a name

extern const struct probe escape_probes[], read_probes[], signal_probes[], confuse_probes[], persist_probes[], kernel_probes[],
    network_probes[], exhaust_probes[];
#define END {NULL, 0, NEVER, NULL, NULL, NULL}
