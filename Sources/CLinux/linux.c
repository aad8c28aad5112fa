// Declarations' other half: one call each.
#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

int clinux_pidfd_open(pid_t pid, unsigned flags) { return (int)syscall(SYS_pidfd_open, pid, flags); }

int clinux_pidfd_send_signal(int pidfd, int signal) {
    return (int)syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0);
}

int clinux_wait_pidfd(int pidfd, int *status) {
    siginfo_t info;
    memset(&info, 0, sizeof info);
    if (waitid((idtype_t)3 /* P_PIDFD */, (id_t)pidfd, &info, WEXITED | WNOHANG) < 0) return -1;
    if (!info.si_pid) return 0;
    *status = info.si_code == CLD_EXITED ? (info.si_status & 0xff) << 8 : info.si_status & 0x7f;
    return 1;
}

int clinux_spawn(pid_t *pid, const char *path, char *const argv[], char *const envp[], int out, int err) {
    return clinux_spawn_with_input(pid, path, argv, envp, -1, out, err);
}

int clinux_spawn_with_input(pid_t *pid, const char *path, char *const argv[], char *const envp[], int in, int out, int err) {
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_t actions;
    sigset_t all, none;
    int result = posix_spawnattr_init(&attributes);
    if (result) return result;
    result = posix_spawn_file_actions_init(&actions);
    if (result) {
        posix_spawnattr_destroy(&attributes);
        return result;
    }
    // Swift's worker threads run with nearly every signal blocked, and NIO ignores SIGPIPE: a child must inherit neither.
    sigfillset(&all);
    sigemptyset(&none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID);
    result = in < 0 ? posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
                    : posix_spawn_file_actions_adddup2(&actions, in, 0);
    if (!result) result = out < 0 ? posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
                                  : posix_spawn_file_actions_adddup2(&actions, out, 1);
    if (!result) result = err < 0 ? posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
                                  : posix_spawn_file_actions_adddup2(&actions, err, 2);
    // NIO's sockets are not close-on-exec on Linux.
    if (!result) result = posix_spawn_file_actions_addclosefrom_np(&actions, 3);
    if (!result) result = posix_spawn(pid, path, &actions, &attributes, argv, envp);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return result;
}

int clinux_open(const char *path, int flags, mode_t mode) { return open(path, flags, mode); }
int clinux_openat(int directory, const char *path, int flags, mode_t mode) { return openat(directory, path, flags, mode); }
int clinux_flock(int fd, int operation) { return flock(fd, operation); }
int clinux_memfd(const char *name) { return memfd_create(name, MFD_CLOEXEC); }
int clinux_unmount(const char *path) { return umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW); }

int clinux_spawn_foreground(pid_t *pid, const char *path, char *const argv[], char *const envp[], int keep) {
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_t actions;
    sigset_t all, none;
    int result = posix_spawnattr_init(&attributes);
    if (result) return result;
    result = posix_spawn_file_actions_init(&actions);
    if (result) {
        posix_spawnattr_destroy(&attributes);
        return result;
    }
    sigfillset(&all);
    sigemptyset(&none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    // Onto itself: posix_spawn(3) then clears close-on-exec in the child alone.
    if (keep >= 0) result = posix_spawn_file_actions_adddup2(&actions, keep, keep);
    if (!result && keep > 3)
        for (int fd = 3; fd < keep && !result; fd++) result = posix_spawn_file_actions_addclose(&actions, fd);
    if (!result) result = posix_spawn_file_actions_addclosefrom_np(&actions, keep > 2 ? keep + 1 : 3);
    if (!result) result = posix_spawn(pid, path, &actions, &attributes, argv, envp);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return result;
}

int clinux_keep_on_exec(int fd) { return fcntl(fd, F_SETFD, 0); }

int clinux_landlock_abi(void) {
    long abi = syscall(444 /* landlock_create_ruleset */, NULL, 0, 1u /* its version */);
    return abi > 0 ? (int)abi : 0;
}

int clinux_has_attribute(const char *path, const char *name) { return getxattr(path, name, NULL, 0) > 0; }

unsigned clinux_major(dev_t device) { return major(device); }
unsigned clinux_minor(dev_t device) { return minor(device); }
