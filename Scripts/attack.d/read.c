// Reading what is not the task's: the host's files, memory, kernel, environment, other tasks.
#include "probe.h"

#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <mqueue.h>
#include <sys/ipc.h>
#include <sys/ptrace.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/uio.h>

static enum verdict host_file(void) {
    if (file_contains(ctx.canary, ctx.canary_text)) return by_result(0, ctx.canary);
    if (open_for("/etc/shadow", O_RDONLY) == OPEN) return OPEN;
    return by_result(open("/root/.ssh", O_RDONLY | O_CLOEXEC), "the host's canary, /etc/shadow, /root/.ssh");
}

static enum verdict leaked(void) {
    char link[256] = "";
    if (!inherited_count) { detail("descriptors 0, 1, 2 only"); return BLOCKED; }
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", inherited[0]);
    if (readlink(path, link, sizeof link - 1) < 0) link[0] = 0;
    detail("%d inherited, first: %d -> %.200s", inherited_count, inherited[0], link);
    return OPEN;
}

static enum verdict stdio_reopen(void) {
    for (int fd = 0; fd < 3; fd++) {
        char path[64];
        struct stat info;
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        if (fstat(fd, &info) < 0) continue;
        if (S_ISDIR(info.st_mode)) { detail("descriptor %d is a directory", fd); return OPEN; }
        if (!S_ISREG(info.st_mode)) continue;
        int again = open(path, O_RDWR | O_CLOEXEC);
        if (again >= 0) { detail("descriptor %d is a file that opens again for reading and writing", fd); return OPEN; }
    }
    detail("standard descriptors are pipes, terminals or null");
    return BLOCKED;
}

static enum verdict environment(void) {
    const char *value = getenv(ctx.variable);
    detail("%s %s", ctx.variable, value ? "is there" : "is absent");
    return value ? OPEN : BLOCKED;
}

static enum verdict kernel_memory(void) {
    char byte[4096];
    static const char *const paths[] = {"/proc/kcore", "/dev/mem", "/dev/kmem", "/dev/port"};
    for (size_t i = 0; i < 4; i++) {
        int fd = open(paths[i], O_RDONLY | O_CLOEXEC);
        if (fd >= 0 && read(fd, byte, sizeof byte) > 0) return by_result(0, paths[i]);
        if (fd >= 0) { close(fd); errno = ENODATA; }
    }
    return by_result(-1, "/proc/kcore, /dev/mem, /dev/kmem, /dev/port");
}

static enum verdict kernel_log(void) {
    char bytes[64];
    if (syscall(SYS_syslog, 3, bytes, sizeof bytes) >= 0) return by_result(0, "syslog(2)");
    if (open_for("/dev/kmsg", O_RDONLY) == OPEN) return OPEN;
    int fd = open("/proc/kmsg", O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat info;
    if (fd >= 0 && fstat(fd, &info) == 0 && !S_ISCHR(info.st_mode)) return by_result(fd, "/proc/kmsg");
    return by_result(-1, "syslog(2), /dev/kmsg, /proc/kmsg");
}

// A file with kernel addresses in it: any line whose first 16 hexadecimal digits are not all zero.
static int has_address(const char *path, const char *column) {
    FILE *file = fopen(path, "re");
    char line[512];
    int found = 0;
    while (file && !found && fgets(line, sizeof line, file)) {
        char *at = column ? strstr(line, column) : line;
        if (!at) continue;
        unsigned long long value = strtoull(at + (column ? strlen(column) : 0), NULL, 16);
        found = value > 0xffff000000000000ULL;
    }
    if (file) fclose(file);
    return found;
}

static enum verdict symbols(void) {
    if (has_address("/proc/kallsyms", NULL)) return by_result(0, "addresses in /proc/kallsyms");
    if (has_address("/proc/modules", " 0x")) return by_result(0, "addresses in /proc/modules");
    if (has_address("/proc/net/unix", NULL)) return by_result(0, "addresses in /proc/net/unix");
    errno = EACCES;
    return by_result(-1, "kernel addresses");
}

static int readable(const char *path) {
    char bytes[16];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    DIR *directory = NULL;
    int found = 0;
    if (fd >= 0 && (found = read(fd, bytes, sizeof bytes) > 0) == 0 && errno == EISDIR && (directory = opendir(path))) {
        struct dirent *entry;
        while ((entry = readdir(directory))) found |= entry->d_name[0] != '.';
        closedir(directory);
    }
    if (fd >= 0) close(fd);
    return found;
}

// What Docker masks, and more of the kind: other tasks' keys, timers, allocations, the host's firmware and disks.
static enum verdict masked(void) {
    static const char *const paths[] = {
        "/proc/keys", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/latency_stats", "/proc/interrupts",
        "/proc/acpi", "/proc/asound", "/proc/scsi", "/proc/slabinfo", "/proc/vmallocinfo", "/proc/pagetypeinfo", "/proc/kpageflags",
        "/proc/kpagecount", "/proc/config.gz", "/sys/firmware", "/sys/kernel/debug", "/sys/kernel/tracing", "/sys/kernel/security",
        "/sys/devices/virtual/powercap", "/sys/class/dmi", "/sys/fs/bpf", "/proc/sys/kernel/random/boot_id_of_another"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        if (readable(paths[i])) { detail("%s tells something", paths[i]); return OPEN; }
    detail("%zu telling paths absent, masked or refused", sizeof paths / sizeof *paths);
    return BLOCKED;
}

static enum verdict host_paths(void) {
    char line[4096];
    FILE *file = fopen("/proc/self/cgroup", "re");
    while (file && fgets(line, sizeof line, file)) {
        char *path = strchr(line, ':');
        path = path ? strchr(path + 1, ':') : NULL;
        if (path && strcmp(path, ":/\n")) { detail("own cgroup path %.200s", path + 1); return OPEN; }
    }
    if (file) fclose(file);
    file = fopen("/proc/1/environ", "re");
    size_t n = file ? fread(line, 1, sizeof line, file) : 0;
    if (file) fclose(file);
    if (n && memmem(line, n, ctx.variable, strlen(ctx.variable))) { detail("the launcher's environment in /proc/1/environ"); return OPEN; }
    detail("cgroup paths are /, pid 1 shows no environment");
    return BLOCKED;
}

static enum verdict processes(void) {
    DIR *directory = opendir("/proc");
    struct dirent *entry;
    int count = 0;
    while (directory && (entry = readdir(directory))) {
        char path[300];
        if (!isdigit((unsigned char)entry->d_name[0])) continue;
        count++;
        snprintf(path, sizeof path, "/proc/%s/cmdline", entry->d_name);
        if (file_contains(path, ctx.magic)) { detail("the host's process %s is visible", entry->d_name); return OPEN; }
    }
    if (directory) closedir(directory);
    detail("%d processes, all of the sandbox", count);
    return BLOCKED;
}

static enum verdict host_memory(void) {
    char bytes[16];
    struct iovec mine = {bytes, sizeof bytes}, theirs = {(void *)0x400000, sizeof bytes};
    char path[64];
    FILE *file;
    snprintf(path, sizeof path, "/proc/%ld/maps", ctx.host_pid);
    if ((file = fopen(path, "re"))) {
        unsigned long start = 0;
        if (fscanf(file, "%lx", &start) == 1) theirs.iov_base = (void *)start;
        fclose(file);
    }
    return by_result(process_vm_readv((pid_t)ctx.host_pid, &mine, 1, &theirs, 1, 0), "process_vm_readv of a host process");
}

static enum verdict init_memory(void) {
    char own[PATH_MAX] = "", theirs[PATH_MAX] = "";
    if (readlink("/proc/self/exe", own, sizeof own - 1) < 0 || (readlink("/proc/1/exe", theirs, sizeof theirs - 1) > 0 && !strcmp(own, theirs))) {
        detail("pid 1 is the task itself");
        return CONTAINED;
    }
    if (open_for("/proc/1/mem", O_RDONLY) == OPEN || open_for("/proc/1/auxv", O_RDONLY) == OPEN) return OPEN;
    if (*theirs && !ctx.control) { detail("the launcher's path: %.200s", theirs); return OPEN; }
    // Root of its user namespace may open the directory; what counts is what it lists.
    DIR *maps = opendir("/proc/1/map_files");
    struct dirent *entry = maps ? readdir(maps) : NULL;
    while (entry && entry->d_name[0] == '.') entry = readdir(maps);
    return by_result(entry ? 0 : -1, "pid 1's memory, auxv, exe, maps");
}

static enum verdict shared_memory(void) {
    int id = shmget((key_t)ctx.shm_key, 0, 0);
    if (id < 0) return by_result(-1, "shmget of the host's key");
    return by_result(shmat(id, NULL, SHM_RDONLY) == (void *)-1 ? -1 : 0, "shmat of the host's segment");
}

static enum verdict queue(void) {
    mqd_t id = mq_open(ctx.queue, O_RDONLY | O_NONBLOCK);
    return by_result(id == (mqd_t)-1 ? -1 : 0, "mq_open of the host's queue");
}

static enum verdict host_key(void) {
    long id = syscall(SYS_keyctl, 10 /* search */, -3 /* session keyring */, "user", ctx.key, 0);
    if (id < 0) id = syscall(SYS_keyctl, 10, -4 /* user keyring */, "user", ctx.key, 0);
    return by_result(id, "keyctl(search) for the host's key");
}

static enum verdict terminals(void) {
    DIR *directory = opendir("/dev/pts");
    struct dirent *entry;
    struct stat mine, theirs;
    while (directory && (entry = readdir(directory))) {
        char path[300];
        if (!isdigit((unsigned char)entry->d_name[0])) continue;
        snprintf(path, sizeof path, "/dev/pts/%s", entry->d_name);
        if (fstat(0, &mine) == 0 && stat(path, &theirs) == 0 && mine.st_rdev == theirs.st_rdev && mine.st_dev == theirs.st_dev && !ctx.control) continue;
        if (open_for(path, O_RDWR) == OPEN) return OPEN;
    }
    if (directory) closedir(directory);
    errno = ENOENT;
    return by_result(-1, "a terminal of the host in /dev/pts");
}

const struct probe read_probes[] = {
    {"host-file", 'C', RUN, host_file, "a file of the host that everybody may read; /etc/shadow; /root/.ssh", "absent"},
    {"leaked-fd", 'C', RUN, leaked, "descriptors that the caller left open (CVE-2024-21626, CVE-2016-9962)", "none: close_range before exec"},
    {"stdio-reopen", 'M', NEVER, stdio_reopen, "open stdin, stdout, stderr again as host files", "pipes, terminals, null"},
    {"env-leak", 'M', RUN, environment, "a secret in the caller's environment", "clean environment"},
    {"kcore", 'C', RUN, kernel_memory, "/proc/kcore, /dev/mem, /dev/kmem, /dev/port", "masked or absent"},
    {"kernel-log", 'M', RUN, kernel_log, "the kernel's log by syslog(2), /dev/kmsg, /proc/kmsg", "EPERM"},
    {"kallsyms", 'M', RUN, symbols, "kernel addresses in kallsyms, modules, net/unix", "zeros"},
    {"info-leaks", 'I', RUN, masked, "23 telling files of /proc and /sys", "masked"},
    {"host-paths", 'I', RUN, host_paths, "the host's paths: own cgroup, pid 1's environment", "own cgroup namespace"},
    {"proc-visible", 'M', RUN, processes, "host processes in /proc", "own processes only"},
    {"process_vm_readv", 'C', RUN, host_memory, "read a host process's memory", "ESRCH or EPERM"},
    {"init-memory", 'M', RUN, init_memory, "read the launcher's memory, auxv or path by pid 1", "EACCES: not dumpable"},
    {"sysv-shm-host", 'C', RUN, shared_memory, "the host's System V shared memory", "own ipc namespace"},
    {"mqueue-host", 'C', RUN, queue, "the host's POSIX message queue", "own ipc namespace"},
    {"host-keyring", 'C', RUN, host_key, "a key of the caller's session keyring", "EPERM, or a new session keyring"},
    {"host-pts", 'C', RUN, terminals, "the host's terminals", "own devpts or none"},
    END};
