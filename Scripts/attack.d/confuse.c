// Identity, other system call entries, filters of one's own, programs made at run time, the terminal.
#include "probe.h"

#include <elf.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

static enum verdict ia32(void) {
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(20L /* getpid */) : "r8", "r9", "r10", "r11", "memory");
    detail("int 0x80: getpid answers %ld", result);
    return result > 0 ? OPEN : BLOCKED;
}

static enum verdict x32(void) { return by_result(syscall(0x40000000L + SYS_getpid), "x32 getpid"); }

static enum verdict personality_bits(void) {
    static const unsigned long values[] = {0x0040000 /* no ASLR */, 0x0400000 /* read implies exec */, 0x100000000UL | 0x0040000, 0x0008 /* 32 bit */};
    for (size_t i = 0; i < 4; i++)
        if (syscall(SYS_personality, values[i]) >= 0) { detail("personality(0x%lx) succeeded", values[i]); return OPEN; }
    return by_result(-1, "personality");
}

static enum verdict clone_bits(void) {
    static const unsigned long flags[] = {CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWNET, CLONE_NEWPID, CLONE_NEWCGROUP};
    for (int bit = 32; bit < 64; bit += 3)
        for (size_t i = 0; i < 5; i++) {
            pid_t pid = (pid_t)syscall(SYS_clone, flags[i] | SIGCHLD | 1UL << bit, 0, 0, 0, 0);
            if (pid == 0) _exit(0);
            if (pid > 0) { waitpid(pid, NULL, 0); detail("clone(0x%lx | 1 << %d) succeeded", flags[i], bit); return OPEN; }
        }
    return by_result(-1, "clone of namespaces with high bits set");
}

static enum verdict own_filter(void) {
    struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {1, &allow};
    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_DISABLED, 0, 0, 0);
    return by_result(mount("x", "/tmp", "tmpfs", 0, NULL), "mount behind an allow-all filter of its own");
}

static enum verdict sethost(void) {
    char name[65];
    gethostname(name, sizeof name);
    int result = sethostname(name, strlen(name));
    detail("sethostname: %s", result < 0 ? strerror(errno) : "succeeded");
    if (result < 0) return BLOCKED;
    return same_namespace("uts", ctx.ns_uts) ? OPEN : CONTAINED;
}

// Outermost mapping of this process's id, as far as its own namespace shows: 0 is the host's root.
static long mapped(unsigned id) {
    FILE *file = fopen("/proc/self/uid_map", "re");
    long inside, host, count, result = id;
    while (file && fscanf(file, "%ld %ld %ld", &inside, &host, &count) == 3)
        if ((long)id >= inside && (long)id < inside + count) result = host + (long)id - inside;
    if (file) fclose(file);
    return result;
}

static enum verdict become_root(void) {
    if (getuid() == 0 && !ctx.control && same_namespace("user", ctx.ns_user)) { detail("is the host's root already: see host-root-uid"); return ABSENT; }
    if (setresuid(0, 0, 0) < 0) return by_result(-1, "setresuid(0)");
    detail("uid 0 inside is %ld outside", mapped(0));
    return mapped(0) == 0 && same_namespace("user", ctx.ns_user) ? OPEN : CONTAINED;
}

static enum verdict groups(void) {
    gid_t wanted[] = {0, 4, 6, 42};  // root, adm, disk, shadow
    if (setgroups(4, wanted) < 0) return by_result(-1, "setgroups(root, adm, disk, shadow)");
    return same_namespace("user", ctx.ns_user) ? by_result(0, "setgroups") : (detail("setgroups in the own user namespace"), CONTAINED);
}

static enum verdict no_new_privs(void) {
    char value[16] = "?";
    status_field("NoNewPrivs", value, sizeof value);
    detail("NoNewPrivs %s", value);
    return *value == '1' ? BLOCKED : OPEN;
}

static enum verdict capabilities(void) {
    static const char *const sets[] = {"CapEff", "CapPrm", "CapInh", "CapAmb", "CapBnd"};
    for (int i = 0; i < 5; i++) {
        char value[64] = "?";
        status_field(sets[i], value, sizeof value);
        if (strtoull(value, NULL, 16) || *value == '?') { detail("%s %s", sets[i], value); return OPEN; }
    }
    detail("all five sets are empty");
    return BLOCKED;
}

static enum verdict filter_mode(void) {
    char value[16] = "?";
    status_field("Seccomp", value, sizeof value);
    detail("Seccomp %s", value);
    return *value == '2' ? BLOCKED : OPEN;
}

static enum verdict host_root(void) {
    // The map shows the parent namespace's ids, which may be another's in turn: a file of the host's root, mounted as it is, tells.
    char path[300];
    struct stat info;
    snprintf(path, sizeof path, "%s/probe", ctx.dir);
    int same = stat(path, &info) == 0 && info.st_uid == getuid();
    detail("uid %u is %ld in the namespace above; the host root's file belongs to %ld", getuid(), mapped(getuid()), same ? (long)getuid() : (long)info.st_uid);
    return mapped(getuid()) == 0 && same ? OPEN : BLOCKED;
}

// As confined as we are, by its own report.
static int confined(const char *line) {
    char filter[16] = "?", privs[16] = "?", same[64];
    status_field("Seccomp", filter, sizeof filter);
    status_field("NoNewPrivs", privs, sizeof privs);
    snprintf(same, sizeof same, "seccomp=%s nnp=%s", filter, privs);
    return !ctx.control && strstr(line, same) != NULL;
}

// A copy of this program in `fd`, executed: it may run, but only as confined as we are.
static enum verdict execute_copy(int fd, const char *path) {
    char buffer[65536], line[256] = "";
    ssize_t n;
    int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), pipe[2];
    if (fd < 0 || self < 0) return by_result(-1, path ? path : "memfd_create");
    while ((n = read(self, buffer, sizeof buffer)) > 0)
        if (write(fd, buffer, (size_t)n) != n) { unlink(path ? path : ""); return by_result(-1, "write the program"); }
    if (path) close(fd);
    if (pipe2(pipe, 0) < 0) return BLOCKED;
    pid_t pid = fork();
    if (pid == 0) {
        char *const argv[] = {"copy", "--reborn", NULL}, *const envp[] = {NULL};
        dup2(pipe[1], 1);
        if (path) execve(path, argv, envp);
        else syscall(SYS_execveat, fd, "", argv, envp, AT_EMPTY_PATH);
        dprintf(1, "exec: %s", strerror(errno));
        _exit(1);
    }
    close(pipe[1]);
    if (read(pipe[0], line, sizeof line - 1) < 0) line[0] = 0;
    waitpid(pid, NULL, 0);
    if (path) unlink(path);
    line[strcspn(line, "\n")] = 0;
    detail("%s", line);
    if (!strncmp(line, "exec:", 5)) return BLOCKED;
    return confined(line) ? CONTAINED : OPEN;
}
static enum verdict exec_tmp(void) { return execute_copy(open("/tmp/.copy", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700), "/tmp/.copy"); }
static enum verdict exec_memory(void) { return execute_copy((int)syscall(SYS_memfd_create, "copy", 0), NULL); }

static enum verdict push_input(void) {
    char byte = ' ';
    int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    for (int fd = 0; fd < 3; fd++) {
        if (ioctl(fd, TIOCSTI, &byte) == 0) return by_result(0, "TIOCSTI on a standard descriptor");
        if (syscall(SYS_ioctl, fd, 0x100005412UL, &byte) == 0) return by_result(0, "TIOCSTI with a high bit");
    }
    return by_result(tty < 0 ? -1 : syscall(SYS_ioctl, tty, 0x5412UL, &byte), "TIOCSTI on descriptors 0-2 and /dev/tty");
}

static enum verdict steal_terminal(void) {
    pid_t pid = fork();  // a leader of a process group cannot begin a session
    if (pid == 0) {
        setsid();
        for (int fd = 0; fd < 3; fd++)
            if (isatty(fd) && ioctl(fd, TIOCSCTTY, 1) == 0) _exit(1);
        _exit(0);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    errno = ENOTTY;
    return by_result(WIFEXITED(status) && WEXITSTATUS(status) ? 0 : -1, "take over the caller's terminal");
}

static enum verdict title(void) {
    // May a task look like the host's own programs? Its name shows in ps; it must not deceive by ids.
    prctl(PR_SET_NAME, "kthreadd) S 1 1", 0, 0, 0);
    detail("comm set; uid outside %ld", mapped(getuid()));
    return mapped(getuid()) == 0 && same_namespace("pid", ctx.ns_pid) ? OPEN : CONTAINED;
}

const struct probe confuse_probes[] = {
    {"ia32-abi", 'M', RUN, ia32, "a 32-bit system call by int 0x80", "SIGSYS: architecture checked first"},
    {"x32-abi", 'I', RUN, x32, "an x32 system call", "ENOSYS or SIGSYS"},
    {"personality", 'M', RUN, personality_bits, "switch off ASLR and the like, also with high bits", "EPERM"},
    {"clone-high-bits", 'M', RUN, clone_bits, "namespaces by clone with bits set above the 32nd", "EPERM"},
    {"own-filter", 'M', RUN, own_filter, "loosen the filter: an allow-all filter of its own, SECCOMP_MODE_DISABLED", "the outer filter stays"},
    {"sethostname", 'I', RUN, sethost, "set the host's name", "EPERM, or own uts namespace"},
    {"setuid-0", 'C', RUN, become_root, "become uid 0", "EPERM, or an unprivileged id outside"},
    {"setgroups", 'I', RUN, groups, "join the groups root, adm, disk, shadow", "EPERM"},
    {"no_new_privs", 'M', RUN, no_new_privs, "is no_new_privs missing?", "set"},
    {"capabilities", 'M', RUN, capabilities, "any capability in any of the five sets?", "empty"},
    {"seccomp-mode", 'M', RUN, filter_mode, "is a filter missing?", "filter"},
    {"host-root-uid", 'M', RUN, host_root, "is the task the host's root?", "an unprivileged id outside"},
    {"tmp-exec", 'I', RUN, exec_tmp, "execute a program written to /tmp", "noexec, or as confined as before"},
    {"memfd-exec", 'I', RUN, exec_memory, "execute a program in a memfd", "refused, or as confined as before"},
    {"tiocsti", 'C', RUN, push_input, "push input into the caller's terminal, also with a high bit (CVE-2019-10063)", "own session, or filter"},
    {"tiocsctty", 'C', RUN, steal_terminal, "steal the caller's terminal", "no terminal"},
    {"spoof-name", 'I', NEVER, title, "a process name that confuses readers of /proc/PID/stat", "contained by the pid namespace"},
    END};
