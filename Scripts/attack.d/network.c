// Sockets: the host's loopback and abstract names, raw and exotic families, configuration of the network.
#include "probe.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

static enum verdict raw(void) {
    if (socket(AF_INET, SOCK_RAW, IPPROTO_ICMP) >= 0) return by_result(0, "raw IPv4");
    return by_result(socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6), "raw IPv4 and IPv6");
}
static enum verdict packet(void) { return by_result(socket(AF_PACKET, SOCK_RAW, 0), "AF_PACKET"); }
static enum verdict vsock(void) { return by_result(socket(AF_VSOCK, SOCK_STREAM, 0), "AF_VSOCK"); }

static enum verdict families(void) {
    for (int family = 0; family < 64; family++) {
        if (family == AF_UNIX || family == AF_INET || family == AF_INET6) continue;
        static const int kinds[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, SOCK_SEQPACKET};
        for (int k = 0; k < 4; k++)
            for (int protocol = family == AF_NETLINK ? 1 : 0; protocol < (family == AF_NETLINK ? 23 : 2); protocol++) {
                int fd = socket(family, kinds[k], protocol);
                if (fd < 0) continue;
                detail("socket(family %d, type %d, protocol %d) succeeded", family, kinds[k], protocol);
                return OPEN;
            }
    }
    return by_result(-1, "every family but unix, inet, inet6, netlink(route)");
}

static enum verdict high_bits(void) {
    // The kernel looks at 32 bits of each argument, a filter at 64.
    for (int bit = 32; bit < 64; bit += 7) {
        unsigned long high = 1UL << bit;
        if (syscall(SYS_socket, high | AF_PACKET, SOCK_RAW, 0) >= 0 || syscall(SYS_socket, AF_INET, high | SOCK_RAW, IPPROTO_ICMP) >= 0 ||
            syscall(SYS_socket, AF_NETLINK, SOCK_RAW, high | 12) >= 0 || syscall(SYS_socket, high | AF_VSOCK, high | SOCK_STREAM, 0) >= 0)
            return by_result(0, "a socket with high bits set");
    }
    return by_result(-1, "forbidden sockets with high bits set");
}

static int reach(uint32_t address, int port) {
    struct sockaddr_in target = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = address};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), error = 0;
    socklen_t size = sizeof error;
    if (fd < 0) return -1;
    if (connect(fd, (struct sockaddr *)&target, sizeof target) == 0) { close(fd); return 0; }
    if (errno == EINPROGRESS) {
        struct pollfd ready = {.fd = fd, .events = POLLOUT};
        if (poll(&ready, 1, 500) == 1 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && !error) { close(fd); return 0; }
        errno = error ? error : ETIMEDOUT;
    }
    error = errno;
    close(fd);
    errno = error;
    return -1;
}

static enum verdict loopback(void) { return by_result(reach(htonl(INADDR_LOOPBACK), (int)ctx.port), "connect to the host's loopback"); }

static enum verdict abstract(void) {
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    size_t length = strlen(ctx.abstract);
    memcpy(name.sun_path + 1, ctx.abstract, length);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return by_result(connect(fd, (struct sockaddr *)&name, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + length)),
                     "connect to the host's abstract socket");
}

static enum verdict configure(void) {
    struct ifreq request = {.ifr_name = "lo"};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (ioctl(fd, SIOCGIFMTU, &request) < 0) return by_result(-1, "SIOCGIFMTU");
    return by_result(ioctl(fd, SIOCSIFMTU, &request), "set the MTU of lo (to what it is)");
}

static enum verdict low_port(void) {
    for (int port = 81; port < 90; port++) {
        struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (bind(fd, (struct sockaddr *)&name, sizeof name) < 0) { close(fd); continue; }
        close(fd);
        detail("port %d", port);
        return same_namespace("net", ctx.ns_net) ? OPEN : CONTAINED;
    }
    return by_result(-1, "bind to ports 81 to 89");
}

static enum verdict interfaces(void) {
    struct ifaddrs *all = NULL;
    if (getifaddrs(&all) < 0) return by_result(-1, "getifaddrs");
    for (struct ifaddrs *i = all; i; i = i->ifa_next)
        if (strcmp(i->ifa_name, "lo")) { detail("interface %s is visible", i->ifa_name); return OPEN; }
    detail("only lo");
    return BLOCKED;
}

static enum verdict host_sockets(void) {
    FILE *file = fopen("/proc/net/tcp", "re");
    char line[512], wanted[16];
    snprintf(wanted, sizeof wanted, ":%04lX 00000000", ctx.port);
    while (file && fgets(line, sizeof line, file))
        if (strstr(line, wanted)) return by_result(0, "the host's listener in /proc/net/tcp");
    if (file) fclose(file);
    detail("the host's connections are not listed");
    return BLOCKED;
}

const struct probe network_probes[] = {
    {"raw-socket", 'M', RUN, raw, "raw sockets", "EPERM"},
    {"packet-socket", 'M', RUN, packet, "packet sockets", "EPERM"},
    {"vsock", 'M', RUN, vsock, "AF_VSOCK: a channel to the hypervisor", "filter: families allowed by list"},
    {"odd-families", 'M', RUN, families, "every other family, type and netlink protocol", "EPERM or EAFNOSUPPORT"},
    {"socket-high-bits", 'M', RUN, high_bits, "forbidden sockets with bits set above the 32nd", "EPERM"},
    {"host-loopback", 'C', RUN, loopback, "connect to a port on the host's loopback", "own netns, or Landlock"},
    {"host-abstract-unix", 'C', RUN, abstract, "connect to an abstract socket of the host", "own netns, or Landlock scope"},
    {"net-admin", 'M', RUN, configure, "change an interface", "EPERM"},
    {"low-port", 'I', RUN, low_port, "bind a port below 1024", "own netns"},
    {"host-interfaces", 'C', RUN, interfaces, "the host's interfaces and addresses", "only lo"},
    {"net-listing", 'M', RUN, host_sockets, "the host's connections in /proc/net/tcp", "own netns"},
    END};
