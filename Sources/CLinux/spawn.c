// Starting programs: posix_spawn with what a child of a threaded Swift process must not inherit taken away.
#define _GNU_SOURCE
#include "CLinux.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>

struct spawning {
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_t actions;
};

// Swift's worker threads run with nearly every signal blocked, and NIO ignores SIGPIPE: a child must inherit neither.
static int begin(struct spawning *s, short more_flags) {
    sigset_t all, none;
    int result = posix_spawnattr_init(&s->attributes);
    if (result) return result;
    result = posix_spawn_file_actions_init(&s->actions);
    if (result) {
        posix_spawnattr_destroy(&s->attributes);
        return result;
    }
    sigfillset(&all);
    sigemptyset(&none);
    posix_spawnattr_setsigdefault(&s->attributes, &all);
    posix_spawnattr_setsigmask(&s->attributes, &none);
    posix_spawnattr_setflags(&s->attributes, (short)(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | more_flags));
    return 0;
}

// Runs it unless something failed before; gives back what `begin` took.
static int finish(struct spawning *s, int result, pid_t *pid, const char *path, char *const argv[], char *const envp[]) {
    if (!result) result = posix_spawn(pid, path, &s->actions, &s->attributes, argv, envp);
    posix_spawn_file_actions_destroy(&s->actions);
    posix_spawnattr_destroy(&s->attributes);
    return result;
}

// Descriptor `place` becomes `fd`, or /dev/null.
static int direct(struct spawning *s, int place, int fd) {
    if (fd >= 0) return posix_spawn_file_actions_adddup2(&s->actions, fd, place);
    return posix_spawn_file_actions_addopen(&s->actions, place, "/dev/null", place ? O_WRONLY : O_RDONLY, 0);
}

int clinux_spawn(pid_t *pid, const char *path, char *const argv[], char *const envp[], int out, int err) {
    return clinux_spawn_with_input(pid, path, argv, envp, -1, out, err);
}

int clinux_spawn_with_input(pid_t *pid, const char *path, char *const argv[], char *const envp[], int in, int out, int err) {
    struct spawning s;
    int result = begin(&s, POSIX_SPAWN_SETSID);
    if (result) return result;
    result = direct(&s, 0, in);
    if (!result) result = direct(&s, 1, out);
    if (!result) result = direct(&s, 2, err);
    // NIO's sockets are not close-on-exec on Linux.
    if (!result) result = posix_spawn_file_actions_addclosefrom_np(&s.actions, 3);
    return finish(&s, result, pid, path, argv, envp);
}

int clinux_spawn_foreground(pid_t *pid, const char *path, char *const argv[], char *const envp[], int keep) {
    struct spawning s;
    int result = begin(&s, 0);
    if (result) return result;
    // Onto itself: posix_spawn(3) then clears close-on-exec in the child alone.
    if (keep >= 0) result = posix_spawn_file_actions_adddup2(&s.actions, keep, keep);
    for (int fd = 3; fd < keep && !result; fd++) result = posix_spawn_file_actions_addclose(&s.actions, fd);
    if (!result) result = posix_spawn_file_actions_addclosefrom_np(&s.actions, keep > 2 ? keep + 1 : 3);
    return finish(&s, result, pid, path, argv, envp);
}

int clinux_spawn_keeping(pid_t *pid, const char *path, char *const argv[], char *const envp[], const int *keep, int count) {
    struct spawning s;
    int result = begin(&s, 0);
    if (result) return result;
    for (int i = 0; i < count && !result; i++) result = posix_spawn_file_actions_adddup2(&s.actions, keep[i], keep[i]);
    return finish(&s, result, pid, path, argv, envp);
}

int clinux_spawn_streams(pid_t *pid, const char *path, char *const argv[], char *const envp[], const int streams[3], const int *keep, int count) {
    struct spawning s;
    int result = begin(&s, POSIX_SPAWN_SETSID);
    if (result) return result;
    for (int i = 0; i < 3 && !result; i++) result = direct(&s, i, streams[i]);
    for (int i = 0; i < count && !result; i++) result = posix_spawn_file_actions_adddup2(&s.actions, keep[i], 3 + i);
    if (!result) result = posix_spawn_file_actions_addclosefrom_np(&s.actions, 3 + count);
    return finish(&s, result, pid, path, argv, envp);
}
