// A network namespace outlives its processes only while it is mounted somewhere (ip-netns(8) does the same).
#define _GNU_SOURCE
#include "netns.h"
#include "mount_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static int refuse(const char *path, const char *stage) {
    fprintf(stderr, "netns %s: %s: %s\n", path, stage, strerror(errno));
    return 1;
}

static int loopback_up(void) {
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    int result = ioctl(fd, SIOCSIFFLAGS, &request);
    close(fd);
    return result;
}

int netns_make(const char *path) {
    int place = openat(AT_FDCWD, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0400);
    if (place < 0) return refuse(path, "open");
    close(place);
    const char *stage = NULL;
    if (unshare(CLONE_NEWNET) < 0) stage = "unshare(CLONE_NEWNET)";
    else if (loopback_up() < 0) stage = "loopback";
    else if (mount("/proc/self/ns/net", path, NULL, MS_BIND, NULL) < 0) stage = "mount";
    if (!stage) return 0;
    int result = refuse(path, stage);
    unlink(path);
    return result;
}
