// See netpool.h. "Never used" is what the kernel's own counters and lists say: they are compared, byte by byte, with those of
// a namespace that nobody entered.
#define _GNU_SOURCE
#include "netpool.h"

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

// An idle one holds 200 KiB of the kernel.
#define NETPOOL_MAX 32
#define EVIDENCE_BYTES_MAX 16384

static int pool[NETPOOL_MAX], count;
static int host = -1, proc = -1;
// Interfaces and their traffic, the number of sockets of every family, counters of every protocol, failed attempts included.
static const char *const evidence[] = {"self/net/dev", "self/net/sockstat", "self/net/sockstat6", "self/net/snmp", "self/net/snmp6"};
static char pristine[EVIDENCE_BYTES_MAX];
static size_t pristine_bytes;

int netpool_open(int host_proc) {
    proc = host_proc;
    host = openat(proc, "self/ns/net", O_RDONLY | O_CLOEXEC);
    return host < 0 ? -1 : 0;
}

// Some numbers of the lists are the whole machine's: they become 'x'.
static void forget_shared_numbers(char *text) {
    static const char *const shared[] = {" orphan ", " alloc ", " mem ", " memory "};
    for (size_t i = 0; i < sizeof shared / sizeof *shared; i++)
        for (char *at = text; (at = strstr(at, shared[i]));) {
            at += strlen(shared[i]);
            size_t digits = strspn(at, "0123456789");
            if (!digits) continue;
            *at = 'x';
            memmove(at + 1, at + digits, strlen(at + digits) + 1);
        }
}

// Of the present namespace; 0 when something cannot be read.
static size_t read_evidence(char *text) {
    size_t length = 0;
    for (size_t i = 0; i < sizeof evidence / sizeof *evidence; i++) {
        int fd = openat(proc, evidence[i], O_RDONLY | O_CLOEXEC);
        if (fd < 0) continue;  // a kernel without this protocol
        ssize_t n;
        while ((n = read(fd, text + length, EVIDENCE_BYTES_MAX - 1 - length)) > 0) length += (size_t)n;
        close(fd);
        if (n < 0 || length == EVIDENCE_BYTES_MAX - 1) return 0;
    }
    text[length] = 0;
    forget_shared_numbers(text);
    return strlen(text);
}

static int bring_loopback_up(void) {
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int result = fd < 0 ? -1 : ioctl(fd, SIOCSIFFLAGS, &request);
    if (fd >= 0) close(fd);
    return result;
}

static int make(void) {
    if (unshare(CLONE_NEWNET) < 0) return -1;
    int fd = bring_loopback_up() < 0 ? -1 : openat(proc, "self/ns/net", O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && !pristine_bytes) pristine_bytes = read_evidence(pristine);
    if (setns(host, CLONE_NEWNET) < 0) _exit(1);  // never go on in a stranger's network
    return fd;
}

int netpool_take(void) { return count ? pool[--count] : -1; }

int netpool_fill(int wanted) {
    if (count >= wanted || count == NETPOOL_MAX) return 0;
    int fd = make();
    if (fd < 0) return 0;
    pool[count++] = fd;
    return 1;
}

void netpool_return(int net_namespace) {
    char now[EVIDENCE_BYTES_MAX];
    size_t bytes = 0;
    if (count < NETPOOL_MAX && setns(net_namespace, CLONE_NEWNET) == 0) {
        bytes = read_evidence(now);
        if (setns(host, CLONE_NEWNET) < 0) _exit(1);
    }
    if (bytes && bytes == pristine_bytes && !memcmp(now, pristine, bytes)) pool[count++] = net_namespace;
    else close(net_namespace);
}

int netpool_may_return(const struct plan *plan) {
    // The namespace belongs to the host's user namespace: from inside another one nothing of it can be configured.
    return plan_has_namespace(plan, "user") && !plan_find(plan, OP_SYSCTL);
}
