// Limits, identity, no_new_privs, descriptors, second wall, filter, exec: in plan order, which the rules fix.
#define _GNU_SOURCE
#include "payload.h"
#include "capabilities.h"
#include "descriptors.h"
#include "failure.h"
#include "filters.h"
#include "identity.h"
#include "landlock.h"
#include "process.h"
#include "prompt.h"
#include "rootless.h"
#include "workspace.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CAPABILITY_SYS_ADMIN (1ull << 21)

void (*payload_before_exec)(void) TOGETHER;

// Dispositions are the defaults since the program's start.
static void unblock_signals(void) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static void new_session(void) {
    // A session of its own: no terminal to push input into, and no session keyring shared with the host.
    if (setsid() < 0 && (errno != EPERM || getsid(0) != getpid())) fail(errno, "setsid");
    if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 && errno != ENOSYS && errno != EPERM && errno != EDQUOT)
        fail(errno, "keyring(new session)");
}

static int change_directory(const char *path) {
    struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_NO_MAGICLINKS};
    int fd = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);
    int result = fd < 0 ? -1 : fchdir(fd), saved = errno;
    if (fd >= 0) close(fd);
    errno = saved;
    return result;
}

// Where the program begins; NULL: where it is. In a new root that is where it begins anyway.
static const char *working_directory(const struct plan *plan) {
    const struct operation *directory = plan_find(plan, OP_CWD);
    return directory && !(plan_find(plan, OP_PIVOT) && !strcmp(directory->argument[0], "/")) ? directory->argument[0] : NULL;
}

// In the task's root, as its user; one that its root alone may enter it begins in all the same, as it was entered with that one's powers
// before (`was_entered`), as other runtimes do: an image's WORKDIR is often its root's. Without magic links: /proc/self/fd of a process that
// is not yet the task is the host's.
static void enter_working_directory(const char *path, int was_entered) {
    if (change_directory(path) < 0 && !(errno == EACCES && was_entered)) fail(errno, "cwd(%s)", path);
    // The bare call says "(unreachable)..." of a directory outside of the root; libc's would go looking for it.
    char where[4096];
    if (syscall(SYS_getcwd, where, sizeof where) > 0 && where[0] != '/') fail(EXDEV, "cwd(%s)", path);
}

// What is tried of a program, with errno where it fails.
typedef int (*attempt)(const char *path, char **argv, char **envp);

static int execute_at(const char *path, char **argv, char **envp) { return execve(path, argv, envp); }

static int is_executable_at(const char *path, char **argv, char **envp) {
    struct stat info;
    (void)argv, (void)envp;
    if (stat(path, &info) < 0) return -1;
    if (S_ISREG(info.st_mode)) return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS);
    errno = EACCES;
    return -1;
}

// execvp(3) without its shell fallback and without reading our own environment; returns where the attempt is none to stay.
static void search(attempt attempt, char **argv, char **envp) {
    if (strchr(argv[0], '/')) {
        if (attempt(argv[0], argv, envp) == 0) return;
        fail(errno, "exec(%s)", argv[0]);
    }
    const char *path = "/usr/local/bin:/usr/bin:/bin";
    for (char **e = envp; *e; e++)
        if (!strncmp(*e, "PATH=", 5)) path = *e + 5;
    int reason = ENOENT;
    for (const char *at = path; at; at = strchr(at, ':'), at = at ? at + 1 : NULL) {
        char candidate[4096];
        size_t length = strcspn(at, ":");
        if (!length || (size_t)snprintf(candidate, sizeof candidate, "%.*s/%s", (int)length, at, argv[0]) >= sizeof candidate)
            continue;
        if (attempt(candidate, argv, envp) == 0) return;
        if (errno != ENOENT && errno != ENOTDIR) reason = errno;
    }
    fail(reason, "exec(%s)", argv[0]);
}

// Ids and capabilities. What stays to be done with the host's powers comes before; `user_namespace` is -1 when it was entered
// already. Whether the working directory was entered, with the powers of the task's root.
static int take_identity(const struct plan *plan, int user_namespace) {
    const char *directory = working_directory(plan);
    int was_entered = 0;
    const struct operation *securebits = plan_find(plan, OP_SECUREBITS), *capabilities = plan_find(plan, OP_CAPABILITIES);
    struct capability_sets sets = capabilities_wanted(capabilities);
    int early_filter = filters_before_capabilities(plan);
    int has_ambient = 1, keep = capabilities && (early_filter || securebits || sets.permitted || sets.inheritable);
    for (uint32_t i = 0; i < plan->count; i++) {
        const struct operation *op = &plan->operation[i];
        switch (op->kind) {
        case OP_ENTER_USER_NAMESPACE:
            if (user_namespace >= 0) {
                identity_enter_user_namespace(user_namespace);
                has_ambient = 0;  // whoever enters one has none (capabilities(7))
            }
            break;
        case OP_SECUREBITS:
            if (!capabilities) capabilities_set_securebits(op);
            break;  // else with the capabilities, which it may forbid to set
        case OP_BOUNDING_SET: capabilities_limit(op->argument[0], has_ambient); break;
        case OP_USER:
            was_entered = directory && change_directory(directory) == 0;
            identity_become(op, keep);
            break;
        case OP_CAPABILITIES:
            if (keep) capabilities_apply(&sets, securebits, early_filter ? CAPABILITY_SYS_ADMIN : 0);
            else capabilities_drop();
            break;
        case OP_NO_NEW_PRIVS:
            if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) fail(errno, "no-new-privs");
            break;
        default: break;
        }
    }
    return was_entered;
}

static size_t count_of(const struct plan *plan, enum operation_kind kind) {
    size_t count = 0;
    for (uint32_t i = 0; i < plan->count; i++) count += plan->operation[i].kind == kind;
    return count;
}

_Noreturn void payload_run(const struct plan *plan, int user_namespace, const struct streams *streams) {
    char *argv[count_of(plan, OP_ARG) + 1], *envp[count_of(plan, OP_ENV) + 1];
    size_t args = 0, variables = 0;
    unblock_signals();
    // The mounts stay behind, in the outer user namespace.
    if (rootless_wanted(plan) && user_namespace >= 0) identity_enter_user_namespace(user_namespace);
    for (uint32_t i = 0; i < plan->count; i++) {
        const struct operation *op = &plan->operation[i];
        if (op->kind >= OP_RLIMIT && op->kind <= OP_PERSONALITY) process_apply(op);
        else if (op->kind == OP_ENV) envp[variables++] = op->argument[0];
        else if (op->kind == OP_ARG) argv[args++] = op->argument[0];
    }
    // From here to exec it may have the ids of processes that are there already (a joined namespace's), with no filter yet, and in
    // its init's memory: nobody may trace it. Exec makes it traceable again.
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0) fail(errno, "dumpable");
    int was_entered = take_identity(plan, rootless_wanted(plan) ? -1 : user_namespace);
    // Among processes that are not its own children it must not outlive whoever watches it.
    if (!plan_has_namespace(plan, "pid") && !payload_before_exec && prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
        fail(errno, "parent death signal");
    new_session();
    descriptors_take(plan, streams);
    if (working_directory(plan)) enter_working_directory(working_directory(plan), was_entered);
    landlock_apply(plan);
    argv[args] = envp[variables] = NULL;
    // Somebody listens now; who starts it may not.
    const struct operation *gate = plan_find(plan, OP_START_GATE);
    if (gate && gate->count == 1) search(is_executable_at, argv, envp);
    if (payload_before_exec) payload_before_exec();
    prompt_end(plan_find(plan, OP_NICE) || plan_find(plan, OP_SCHEDULER));
    // Nothing but exec stands behind the filter, so a profile need permit none of the launcher's own calls; without no_new_privs
    // one `capset`, as loading takes a capability.
    filters_load(plan);
    if (filters_before_capabilities(plan)) {
        struct capability_sets sets = capabilities_wanted(plan_find(plan, OP_CAPABILITIES));
        capabilities_finish(&sets);
    }
    search(execute_at, argv, envp);
    _exit(126);  // exec does not come back, and search does not without it
}
