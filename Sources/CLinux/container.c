// Calls of a container runtime: descriptors that cross processes, terminals, executables that cannot be overwritten.
#define _GNU_SOURCE
#include "CLinux.h"
#include "scoped_open.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/bpf.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

int clinux_message_pair(int ends[2]) { return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends); }

// A socket's name holds 107 bytes: the directory goes by its descriptor. Returns that, or -1.
static int unix_address(const char *path, struct sockaddr_un *address) {
    char directory[PATH_MAX];
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    size_t length = (size_t)(name - path);
    if (length >= sizeof directory || strlen(name) > 60) { errno = ENAMETOOLONG; return -1; }
    memcpy(directory, path, length);
    directory[length] = 0;
    int fd = open(length ? directory : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return -1;
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    snprintf(address->sun_path, sizeof address->sun_path, "/proc/self/fd/%d/%s", fd, name);
    return fd;
}

static int connect_to(const char *path, int type) {
    struct sockaddr_un address;
    int directory = unix_address(path, &address);
    if (directory < 0) return -1;
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    int result = fd < 0 ? -1 : connect(fd, (struct sockaddr *)&address, sizeof address), saved = errno;
    close(directory);
    if (result < 0 && fd >= 0) close(fd);
    errno = saved;
    return result < 0 ? -1 : fd;
}

int clinux_unix_connect(const char *path) { return connect_to(path, SOCK_STREAM); }

int clinux_message_connect(const char *path) { return connect_to(path, SOCK_SEQPACKET); }

int clinux_unix_listen(const char *path) {
    struct sockaddr_un address;
    int directory = unix_address(path, &address);
    if (directory < 0) return -1;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int good = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, 1) == 0, saved = errno;
    close(directory);
    if (!good && fd >= 0) close(fd);
    errno = saved;
    return good ? fd : -1;
}

int clinux_unix_accept(int listener) { return accept4(listener, NULL, NULL, SOCK_CLOEXEC); }

int clinux_receive_descriptor(int socket) {
    char data[64];
    struct iovec part = {.iov_base = data, .iov_len = sizeof data};
    union { struct cmsghdr header; char space[CMSG_SPACE(sizeof(int))]; } control;
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control.space};
    if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) <= 0) return -1;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (!header || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) { errno = EPROTO; return -1; }
    int fd;
    memcpy(&fd, CMSG_DATA(header), sizeof fd);
    return fd;
}

int clinux_send_descriptor(int socket, int descriptor, const char *word) {
    struct iovec part = {.iov_base = (void *)word, .iov_len = strlen(word)};
    union { struct cmsghdr header; char space[CMSG_SPACE(sizeof(int))]; } control = {0};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control.space};
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(&control.header), &descriptor, sizeof descriptor);
    return sendmsg(socket, &message, MSG_NOSIGNAL) < 0 ? -1 : 0;
}

int clinux_become_subreaper(void) { return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); }

int clinux_may_grant(int capability) { return prctl(PR_CAPBSET_READ, capability, 0, 0, 0); }

static int copy_in_memory(const char *path) {
    int from = open(path, O_RDONLY | O_CLOEXEC);
    int to = from < 0 ? -1 : memfd_create("swiftlet-sandbox", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    struct stat info;
    int good = to >= 0 && fstat(from, &info) == 0;
    for (off_t done = 0; good && done < info.st_size;) good = sendfile(to, from, &done, (size_t)(info.st_size - done)) > 0;
    if (good) good = fcntl(to, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == 0;
    int saved = errno;
    if (from >= 0) close(from);
    if (!good && to >= 0) close(to);
    errno = saved;
    return good ? to : -1;
}

int clinux_sealed_executable(const char *path) {
    int fd = (int)syscall(SYS_open_tree, AT_FDCWD, path, 1 /* OPEN_TREE_CLONE */ | O_CLOEXEC);
    struct mount_attr attributes = {.attr_set = MOUNT_ATTR_RDONLY};
    if (fd >= 0 && syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH, &attributes, sizeof attributes) == 0) return fd;
    if (fd >= 0) close(fd);
    return copy_in_memory(path);
}

int clinux_open_in_root(const char *root, const char *path) {
    int directory = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) return -1;
    // Looked at before it is opened: a hostile image may offer a device node, whose opening alone does something, or a FIFO.
    int place = scoped_open(directory, path, O_PATH, 0, RESOLVE_NO_MAGICLINKS);
    int saved = errno;
    close(directory);
    errno = saved;
    if (place < 0) return -1;
    struct stat info;
    char name[32];
    snprintf(name, sizeof name, "/proc/self/fd/%d", place);
    int fd = -1;
    if (fstat(place, &info) == 0 && S_ISREG(info.st_mode)) fd = open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    else errno = EINVAL;
    saved = errno;
    close(place);
    errno = saved;
    return fd;
}

int clinux_copy_window_size(int from, int to) {
    struct winsize size;
    if (ioctl(from, TIOCGWINSZ, &size) < 0) return -1;
    return size.ws_row && size.ws_col ? ioctl(to, TIOCSWINSZ, &size) : 0;
}

int clinux_attach_device_program(const char *cgroup, const void *instructions, unsigned count) {
    static const char license[] = "Apache";
    union bpf_attr load = {.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE, .insn_cnt = count, .insns = (uint64_t)(uintptr_t)instructions,
                           .license = (uint64_t)(uintptr_t)license};
    int program = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof load);
    int directory = program < 0 ? -1 : open(cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = -1;
    if (directory >= 0) {
        union bpf_attr attach = {.target_fd = (uint32_t)directory, .attach_bpf_fd = (uint32_t)program,
                                 .attach_type = BPF_CGROUP_DEVICE, .attach_flags = BPF_F_ALLOW_MULTI};
        result = (int)syscall(SYS_bpf, BPF_PROG_ATTACH, &attach, sizeof attach);
    }
    int saved = errno;
    if (directory >= 0) close(directory);
    if (program >= 0) close(program);
    errno = saved;
    return result;
}
