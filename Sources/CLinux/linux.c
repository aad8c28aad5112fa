// Declarations' other half: one call each.
#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/vfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

int clinux_pidfd_open(pid_t pid, unsigned flags) { return (int)syscall(SYS_pidfd_open, pid, flags); }

int clinux_pidfd_send_signal(int pidfd, int signal) {
    return (int)syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0);
}

int clinux_pidfd_queue_signal(int pidfd, int signal, int value) {
    siginfo_t info;
    memset(&info, 0, sizeof info);
    info.si_signo = signal;
    info.si_code = SI_QUEUE;
    info.si_pid = getpid();
    info.si_uid = getuid();
    info.si_value.sival_int = value;
    return (int)syscall(SYS_pidfd_send_signal, pidfd, signal, &info, 0);
}

int clinux_wait_pidfd(int pidfd, int *status) {
    siginfo_t info;
    memset(&info, 0, sizeof info);
    if (waitid((idtype_t)3 /* P_PIDFD */, (id_t)pidfd, &info, WEXITED | WNOHANG) < 0) return -1;
    if (!info.si_pid) return 0;
    *status = info.si_code == CLD_EXITED ? (info.si_status & 0xff) << 8 : info.si_status & 0x7f;
    return 1;
}

int clinux_is_child(int pidfd) {
    siginfo_t info;
    memset(&info, 0, sizeof info);
    return waitid((idtype_t)3 /* P_PIDFD */, (id_t)pidfd, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

int clinux_pidfd_exit_status(int pidfd, int *status) {
    // struct pidfd_info of linux/pidfd.h in its first size, which is younger than the headers that this is built with.
    struct {
        uint64_t mask, cgroup;
        uint32_t ids[11];
        int32_t exit_code;
    } info = {.mask = 1 << 3 /* PIDFD_INFO_EXIT */};
    if (ioctl(pidfd, _IOWR(0xff, 11, info) /* PIDFD_GET_INFO */, &info) < 0 || !(info.mask & 1 << 3)) return 0;
    *status = info.exit_code;
    return 1;
}

int clinux_open(const char *path, int flags, mode_t mode) { return open(path, flags, mode); }
int clinux_openat(int directory, const char *path, int flags, mode_t mode) { return openat(directory, path, flags, mode); }
int clinux_flock(int fd, int operation) { return flock(fd, operation); }
int clinux_memfd(const char *name) { return memfd_create(name, MFD_CLOEXEC); }
int clinux_mount_tmpfs(const char *path, const char *options, int without_programs) {
    return mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV | (without_programs ? MS_NOEXEC : 0), options);
}

int clinux_is_in_memory(const char *path) {
    struct statfs facts;
    if (statfs(path, &facts) < 0) return -1;
    return facts.f_type == 0x01021994 /* TMPFS_MAGIC */ || facts.f_type == 0x858458f6 /* RAMFS_MAGIC */;
}

int clinux_unmount(const char *path) { return umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW); }

int clinux_keep_on_exec(int fd) { return fcntl(fd, F_SETFD, 0); }

int clinux_landlock_abi(void) {
    long abi = syscall(444 /* landlock_create_ruleset */, NULL, 0, 1u /* its version */);
    return abi > 0 ? (int)abi : 0;
}

int clinux_has_attribute(const char *path, const char *name) { return getxattr(path, name, NULL, 0) > 0; }

unsigned clinux_major(dev_t device) { return major(device); }
unsigned clinux_minor(dev_t device) { return minor(device); }

int clinux_exchange(const char *one, const char *other) {
    return (int)syscall(SYS_renameat2, AT_FDCWD, one, AT_FDCWD, other, 2u /* RENAME_EXCHANGE */);
}
