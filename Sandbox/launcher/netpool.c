// See netpool.h. "Never used" is what the kernel's own counters and lists say: they are compared, byte by byte, with those of
// a namespace that nobody entered.
#define _GNU_SOURCE
#include "netpool.h"
#include "workspace.h"

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

// An idle one holds 200 KiB of the kernel.
#define NETPOOL_MAX 32
#define EVIDENCE_BYTES_MAX WORKSPACE_BYTES

const struct network netpool_none = {-1, {-1, -1, -1, -1, -1}};
// The resident launcher's alone.
static struct pool { struct network network[NETPOOL_MAX]; int count; } *pool TOGETHER;
static int host = -1, proc = -1;
// Interfaces and their traffic, the number of sockets of every family, counters of every protocol, failed attempts included.
static const char *const evidence[NETPOOL_EVIDENCE] = {
    "self/net/dev", "self/net/snmp", "self/net/snmp6", "self/net/sockstat", "self/net/sockstat6"};
#define FIRST_OF_SOCKETS 3
static char pristine[EVIDENCE_BYTES_MAX];
static size_t pristine_bytes, pristine_sockets;  // 0: none was read yet; those before the lists of sockets

int netpool_open(int host_proc) {
    proc = host_proc;
    if (!(pool = workspace_new(sizeof *pool))) return -1;
    host = openat(proc, "self/ns/net", O_RDONLY | O_CLOEXEC);
    return host < 0 ? -1 : 0;
}

// Some numbers of the lists of sockets are the whole machine's: of an unused namespace's each becomes this, which is in no list.
#define ANY_NUMBER '\1'

static void forget_shared_numbers(char *text) {
    static const char *const shared[] = {" orphan ", " alloc ", " mem ", " memory "};
    for (size_t i = 0; i < sizeof shared / sizeof *shared; i++)
        for (char *at = text; (at = strstr(at, shared[i]));) {
            at += strlen(shared[i]);
            size_t digits = strspn(at, "0123456789");
            if (!digits) continue;
            *at = ANY_NUMBER;
            memmove(at + 1, at + digits, strlen(at + digits) + 1);
        }
}

// Its bytes, `sockets` of them before the lists of sockets; 0 when something cannot be read. One call reads each of them whole: only a
// list that is longer than an unused namespace's could have more behind what it returns.
static size_t read_evidence(const struct network *network, char *text, size_t *sockets) {
    size_t length = 0;
    for (size_t i = 0; i < NETPOOL_EVIDENCE; i++) {
        if (i == FIRST_OF_SOCKETS) *sockets = length;
        ssize_t n = pread(network->evidence[i], text + length, EVIDENCE_BYTES_MAX - 1 - length, 0);
        if (n <= 0 || length + (size_t)n == EVIDENCE_BYTES_MAX - 1) return 0;
        length += (size_t)n;
    }
    text[length] = 0;
    return length;
}

// Without branches, so that a compiler takes many bytes at a time: some libraries' memcmp(3) goes one by one.
static int are_same(const char *a, const char *b, size_t length) {
    unsigned char other = 0;
    for (size_t i = 0; i < length; i++) other |= (unsigned char)(a[i] ^ b[i]);
    return !other;
}

static int is_like(const char *text, const char *pattern) {
    for (; *pattern; pattern++) {
        if (*pattern != ANY_NUMBER) {
            if (*text++ != *pattern) return 0;
            continue;
        }
        if (*text < '0' || *text > '9') return 0;
        while (*text >= '0' && *text <= '9') text++;
    }
    return !*text;
}

static int bring_loopback_up(void) {
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int result = fd < 0 ? -1 : ioctl(fd, SIOCSIFFLAGS, &request);
    if (fd >= 0) close(fd);
    return result;
}

static struct network make(void) {
    struct network made = netpool_none;
    if (unshare(CLONE_NEWNET) < 0) return made;
    if (bring_loopback_up() == 0) made.space = openat(proc, "self/ns/net", O_RDONLY | O_CLOEXEC);
    for (size_t i = 0; made.space >= 0 && i < NETPOOL_EVIDENCE; i++) {
        made.evidence[i] = openat(proc, evidence[i], O_RDONLY | O_CLOEXEC);
        // A kernel without this protocol.
        if (made.evidence[i] < 0) made.evidence[i] = openat(proc, evidence[0], O_RDONLY | O_CLOEXEC);
    }
    if (setns(host, CLONE_NEWNET) < 0) _exit(1);  // never go on in a stranger's network
    if (made.space >= 0 && !pristine_bytes && (pristine_bytes = read_evidence(&made, pristine, &pristine_sockets)))
        forget_shared_numbers(pristine + pristine_sockets);
    return made;
}

struct network netpool_take(void) { return pool->count ? pool->network[--pool->count] : netpool_none; }

int netpool_fill(int wanted) {
    if (pool->count >= wanted || pool->count == NETPOOL_MAX) return 0;
    struct network network = make();
    if (network.space < 0) return 0;
    pool->network[pool->count++] = network;
    return 1;
}

void netpool_close(struct network network) {
    if (network.space >= 0) close(network.space);
    for (size_t i = 0; i < NETPOOL_EVIDENCE; i++)
        if (network.evidence[i] >= 0) close(network.evidence[i]);
}

int netpool_surplus(int wanted, int now) {
    while (now && pool->count > wanted) netpool_close(pool->network[--pool->count]);
    return pool->count > wanted;
}

int netpool_is_unused(const struct network *network) {
    size_t sockets;
    return pristine_bytes && read_evidence(network, workspace, &sockets) && sockets == pristine_sockets &&
           are_same(workspace, pristine, sockets) && is_like(workspace + sockets, pristine + sockets);
}

void netpool_return(struct network network) {
    if (pool->count < NETPOOL_MAX && netpool_is_unused(&network)) pool->network[pool->count++] = network;
    else netpool_close(network);
}

// Places of the host in which nobody but its root makes anything.
static int is_system_place(const char *path) {
    static const char *const places[] = {"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc"};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        size_t length = strlen(places[i]);
        if (!strncmp(path, places[i], length) && (!path[length] || path[length] == '/')) return 1;
    }
    return 0;
}

// Whether the task shares a directory with anybody: by a socket in it, of which a read-only one keeps nobody, it could hand on an open file
// below /proc/net, which holds the namespace and shows the next task's sockets.
static int shares_directory(const struct plan *plan) {
    for (uint32_t i = 0; i < plan->count; i++) {
        const struct operation *op = &plan->operation[i];
        // Nor does a socket lie in a control group.
        if (op->kind == OP_BIND && !is_system_place(op->argument[0]) && !plan_joins_group(plan, op->argument[0])) return 1;
        if (op->kind == OP_ROOT_BIND && !plan_flag(op->argument[2], "ro")) return 1;
    }
    return 0;
}

int netpool_may_return(const struct plan *plan) {
    // The namespace belongs to the host's user namespace: from inside another one nothing of it can be configured.
    if (!plan_has_namespace(plan, "user") || plan_find(plan, OP_SYSCTL)) return 0;
    return !plan_has_namespace(plan, "net") || !shares_directory(plan);  // without one of its own it never was in ours
}
