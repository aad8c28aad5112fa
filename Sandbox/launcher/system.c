// See system.h.
#define _GNU_SOURCE
#include "system.h"
#include "failure.h"
#include "host.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static void bring_loopback_up(void) {
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0) fail(errno, "loopback");
    close(fd);
}

// Through the host's /proc, where the kernel shows the values of the writer's own namespaces.
static void set_parameter(const char *name, const char *value) {
    char path[320];
    int prefix = snprintf(path, sizeof path, "sys/");
    snprintf(path + prefix, sizeof path - (size_t)prefix, "%s", name);
    if (!strchr(name, '/'))
        for (char *at = path + prefix; *at; at++)
            if (*at == '.') *at = '/';
    int fd = host_proc_open(path, O_WRONLY | O_NOFOLLOW);
    size_t length = strlen(value);
    if (fd < 0 || write(fd, value, length) != (ssize_t)length) fail(errno, "sysctl(%s)", name);
    close(fd);
}

void system_apply(const struct operation *op) {
    char **a = op->argument;
    switch (op->kind) {
    case OP_HOSTNAME:
        if (sethostname(a[0], strlen(a[0])) < 0) fail(errno, "hostname(%s)", a[0]);
        break;
    case OP_DOMAINNAME:
        if (setdomainname(a[0], strlen(a[0])) < 0) fail(errno, "domainname(%s)", a[0]);
        break;
    case OP_LOOPBACK: bring_loopback_up(); break;
    case OP_SYSCTL: set_parameter(a[0], a[1]); break;
    default: fail(EINVAL, "system(operation %d)", op->kind);
    }
}
