// Limits, identity, no_new_privs, descriptors, filter, exec: in plan order, which the rules fix.
#define _GNU_SOURCE
#include "payload.h"
#include "failure.h"
#include "identity.h"
#include "rootless.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct { const char *name; int resource; } rlimits[] = {
    {"as", RLIMIT_AS}, {"core", RLIMIT_CORE}, {"cpu", RLIMIT_CPU}, {"data", RLIMIT_DATA}, {"fsize", RLIMIT_FSIZE},
    {"memlock", RLIMIT_MEMLOCK}, {"msgqueue", RLIMIT_MSGQUEUE}, {"nice", RLIMIT_NICE}, {"nofile", RLIMIT_NOFILE},
    {"nproc", RLIMIT_NPROC}, {"rtprio", RLIMIT_RTPRIO}, {"sigpending", RLIMIT_SIGPENDING}, {"stack", RLIMIT_STACK},
};

static void set_rlimit(char **a) {
    for (size_t i = 0; i < sizeof rlimits / sizeof *rlimits; i++) {
        if (strcmp(rlimits[i].name, a[0])) continue;
        struct rlimit limit = {plan_number(a[1]), plan_number(a[2])}, now;
        // A hard limit above our own needs CAP_SYS_RESOURCE, which a machine may lack: ours is then the highest there is.
        if (getrlimit(rlimits[i].resource, &now) == 0 && limit.rlim_max > now.rlim_max) limit.rlim_max = now.rlim_max;
        if (limit.rlim_cur > limit.rlim_max) limit.rlim_cur = limit.rlim_max;
        if (setrlimit(rlimits[i].resource, &limit) < 0) fail(errno, "rlimit(%s)", a[0]);
        return;
    }
    fail(EINVAL, "rlimit(%s)", a[0]);
}

static void set_oom_score_adj(const char *value) {
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, value, strlen(value)) < 0) fail(errno, "oom-score-adj(%s)", value);
    close(fd);
}

static void reset_signals(void) {
    for (int signal = 1; signal < NSIG; signal++) {
        struct sigaction action = {.sa_handler = SIG_DFL};
        sigaction(signal, &action, NULL);  // KILL, STOP and libc's own refuse: nothing to reset there
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

// Without pipes (`stdio inherit`) the launcher's own descriptors stay.
static void take_descriptors(int out, int err) {
    int null = out < 0 ? 0 : open("/dev/null", O_RDONLY);
    if (null < 0) fail(errno, "stdin(/dev/null)");
    if (out >= 0 && (dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0)) fail(errno, "stdio(dup2)");
    // Everything else goes at exec; the failure pipe must live until then. Before the filter: a filter that refuses
    // close_range would leak descriptors silently.
    if (syscall(SYS_close_range, 3, ~0U, 4 /* CLOSE_RANGE_CLOEXEC */) < 0) fail(errno, "close_range");
}

static void new_session(void) {
    // A session of its own: no terminal to push input into, and no session keyring shared with the host.
    if (setsid() < 0) fail(errno, "setsid");
    if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 && errno != ENOSYS && errno != EPERM && errno != EDQUOT)
        fail(errno, "keyring(new session)");
}

static void load_filter(const struct operation *op) {
    size_t bytes = plan_hex(op->argument[0]);
    struct sock_fprog program = {.len = (unsigned short)(bytes / sizeof(struct sock_filter)),
                                 .filter = (struct sock_filter *)(void *)op->argument[0]};
    if (bytes / sizeof(struct sock_filter) > BPF_MAXINSNS) fail(E2BIG, "seccomp(load)");
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0) fail(errno, "seccomp(load)");
}

// execvp(3) without its shell fallback and without reading our own environment.
_Noreturn static void execute(char **argv, char **envp) {
    if (strchr(argv[0], '/')) {
        execve(argv[0], argv, envp);
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
        execve(candidate, argv, envp);
        if (errno != ENOENT && errno != ENOTDIR) reason = errno;
    }
    fail(reason, "exec(%s)", argv[0]);
}

_Noreturn void payload_run(const struct plan *plan, int user_namespace, int out, int err) {
    static char *argv[PLAN_OPERATIONS_MAX + 1], *envp[PLAN_OPERATIONS_MAX + 1];
    size_t args = 0, variables = 0;
    const struct operation *filter = NULL;
    reset_signals();
    // The mounts stay behind, in the outer user namespace.
    if (rootless_wanted(plan)) identity_enter_user_namespace(user_namespace);
    for (uint32_t i = 0; i < plan->count; i++) {
        const struct operation *op = &plan->operation[i];
        char **a = op->argument;
        switch (op->kind) {
        case OP_RLIMIT: set_rlimit(a); break;
        case OP_OOM_SCORE_ADJ: set_oom_score_adj(a[0]); break;
        case OP_UMASK: umask(plan_octal(a[0])); break;
        case OP_ENTER_USER_NAMESPACE: identity_enter_user_namespace(user_namespace); break;
        case OP_BOUNDING_SET: identity_drop_bounding_set(); break;
        case OP_USER: identity_become(op); break;
        case OP_CAPABILITIES: identity_drop_capabilities(); break;
        case OP_NO_NEW_PRIVS:
            if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) fail(errno, "no-new-privs");
            break;
        case OP_CWD:
            if (chdir(a[0]) < 0) fail(errno, "cwd(%s)", a[0]);
            break;
        case OP_ENV: envp[variables++] = a[0]; break;
        case OP_ARG: argv[args++] = a[0]; break;
        case OP_SECCOMP: filter = op; break;
        default: break;
        }
    }
    new_session();
    take_descriptors(out, err);
    // Nothing but exec stands behind the filter, so a profile need permit none of the launcher's own calls.
    if (filter) load_filter(filter);
    execute(argv, envp);
}
