// Leaving something behind, or turning the host's own machinery against it.
#include "probe.h"

#include <dirent.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

static enum verdict core_pattern(void) { return open_for("/proc/sys/kernel/core_pattern", O_WRONLY); }
static enum verdict sysrq(void) { return open_for("/proc/sysrq-trigger", O_WRONLY); }

// Any writable file below `path`, to a depth; names in `found`.
static int writable_below(const char *path, int depth, char *found, size_t size, int *budget) {
    DIR *directory = opendir(path);
    struct dirent *entry;
    int hit = 0;
    while (directory && !hit && --*budget > 0 && (entry = readdir(directory))) {
        char child[1024];
        if (entry->d_name[0] == '.') continue;
        snprintf(child, sizeof child, "%s/%s", path, entry->d_name);
        if (entry->d_type == DT_DIR) { hit = depth > 0 && writable_below(child, depth - 1, found, size, budget); continue; }
        if (entry->d_type != DT_REG) continue;
        int fd = open(child, O_WRONLY | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0) continue;
        close(fd);
        snprintf(found, size, "%s", child);
        hit = 1;
    }
    if (directory) closedir(directory);
    return hit;
}

static enum verdict writable(const char *path) {
    char found[300] = "";
    int budget = 4000;
    if (writable_below(path, 4, found, sizeof found, &budget)) { detail("%s is writable", found); return OPEN; }
    detail("nothing below %s is writable", path);
    return BLOCKED;
}
static enum verdict kernel_settings(void) { return writable("/proc/sys"); }
static enum verdict devices(void) { return writable("/sys"); }
static enum verdict irq(void) {
    if (writable("/proc/irq") == OPEN || writable("/proc/bus") == OPEN || writable("/proc/fs") == OPEN || writable("/proc/acpi") == OPEN) return OPEN;
    return by_result(open("/proc/mtrr", O_WRONLY | O_CLOEXEC), "/proc/irq, bus, fs, acpi, mtrr");
}

static enum verdict debug(void) {
    if (mount("x", "/tmp", "debugfs", 0, NULL) == 0) return by_result(0, "mount(debugfs)");
    return by_result(mount("x", "/tmp", "tracefs", 0, NULL), "mount(debugfs, tracefs)");
}

static enum verdict release_agent(void) {
    static const char *const controllers[] = {"memory", "pids", "cpu", "devices", "freezer", "cpuset", "blkio", "none,name=attack"};
    char path[128];
    for (size_t i = 0; i < 8; i++) {
        if (mount("x", "/tmp", "cgroup", 0, controllers[i]) == 0) { detail("mount(cgroup, %s) succeeded", controllers[i]); return OPEN; }
        snprintf(path, sizeof path, "/sys/fs/cgroup/%s/release_agent", controllers[i]);
        if (access(path, W_OK) == 0 && open_for(path, O_WRONLY) == OPEN) return OPEN;
    }
    return by_result(mount("x", "/tmp", "cgroup2", 0, NULL), "mount(cgroup), release_agent, mount(cgroup2)");
}

static enum verdict own_limits(void) {
    static const char *const files[] = {"memory/memory.limit_in_bytes", "memory/tasks", "pids/pids.max", "pids/tasks", "cpu/cpu.cfs_quota_us",
                                        "unified/cgroup.procs", "memory.max", "pids.max", "cgroup.procs", "devices/devices.allow", "memory/cgroup.procs"};
    char path[128];
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "/sys/fs/cgroup/%s", files[i]);
        int fd = open(path, O_WRONLY | O_CLOEXEC);
        if (fd >= 0) { close(fd); return by_result(0, path); }
    }
    return by_result(-1, "own limits below /sys/fs/cgroup");
}

static enum verdict runtime_binary(void) {  // CVE-2019-5736: the runtime's own program, through /proc
    // Also where pid 1 is the task itself: its program is a file of the host too. The runtime itself is hunted by setup_oci.py.
    int held = open("/proc/1/exe", O_PATH | O_CLOEXEC);
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", held);
    if (held >= 0 && open(path, O_WRONLY | O_CLOEXEC) >= 0) return by_result(0, "/proc/1/exe, held");
    return by_result(open("/proc/1/exe", O_WRONLY | O_TRUNC | O_CLOEXEC), "/proc/1/exe for writing");
}

// CVE-2019-5736 as it was used: whoever joins this pid namespace with a program of the host shows it by /proc/PID/exe. That is
// held by O_PATH, which needs no right to the file, and opened for writing once nobody executes it any more. Prints one line for
// each new process, each file held, each that was opened, each that was written; never ends by itself. `named`: a path that is not in here;
// one line for each process through whose root it was seen.
int hunt(const char *named) {
    enum { HELD = 256, KNOWN = 65536 };
    static struct { int fd, done; dev_t device; ino_t inode; } held[HELD];
    static char known[KNOWN];
    int count = 0;
    struct stat own, info;
    char path[256], name[300];
    if (stat("/proc/self/exe", &own) < 0) own.st_ino = 0;
    setvbuf(stdout, NULL, _IOLBF, 0);
    puts("hunting");
    DIR *directory = opendir("/proc");
    for (struct dirent *entry; directory; rewinddir(directory)) {
        while ((entry = readdir(directory))) {
            long pid = strtol(entry->d_name, NULL, 10);
            if (pid <= 0 || pid == getpid()) continue;
            if (pid < KNOWN && !known[pid]) { known[pid] = 1; printf("process\t%ld\n", pid); }
            snprintf(path, sizeof path, "/proc/%ld/root/%.180s", pid, named);
            if (*named && access(path, F_OK) == 0) printf("outside\t%ld\n", pid);
            snprintf(path, sizeof path, "/proc/%ld/exe", pid);
            int fd = count < HELD ? open(path, O_PATH | O_CLOEXEC) : -1;
            if (fd < 0) continue;
            int seen = fstat(fd, &info) < 0 || (info.st_dev == own.st_dev && info.st_ino == own.st_ino);
            for (int i = 0; i < count && !seen; i++) seen = held[i].device == info.st_dev && held[i].inode == info.st_ino;
            if (seen) { close(fd); continue; }
            ssize_t length = readlink(path, name, sizeof name - 1);
            name[length > 0 ? length : 0] = 0;
            held[count].fd = fd, held[count].device = info.st_dev, held[count].inode = info.st_ino;
            count++;
            printf("held\t%llu\t%llu\t%s\n", (unsigned long long)info.st_dev, (unsigned long long)info.st_ino, name);
        }
        for (int i = 0; i < count; i++) {
            if (held[i].done) continue;
            snprintf(path, sizeof path, "/proc/self/fd/%d", held[i].fd);
            int fd = open(path, O_WRONLY | O_CLOEXEC);
            if (fd < 0) continue;
            held[i].done = 1;
            // The byte that every such file begins with: written and harmless.
            printf("%s\t%llu\t%llu\n", pwrite(fd, "\177", 1, 0) == 1 ? "written" : "opened", (unsigned long long)held[i].device,
                   (unsigned long long)held[i].inode);
            close(fd);
        }
    }
    return 1;
}

static enum verdict own_binary(void) {
    // The driver's copy, on a host directory: the text is busy, so replace or change it by every other way.
    char path[300];
    snprintf(path, sizeof path, "%s/set-id", ctx.dir);
    if (open("/proc/self/exe", O_WRONLY | O_CLOEXEC) >= 0) return by_result(0, "/proc/self/exe");
    if (chmod("/proc/self/exe", 0777) == 0 && !ctx.control) return by_result(0, "chmod of /proc/self/exe");
    return by_result(open(path, O_WRONLY | O_CLOEXEC), "the host's programs for writing");
}

static enum verdict startup(void) {
    static const char *const files[] = {"/etc/cron.d/.x", "/var/spool/cron/.x", "/etc/systemd/system/.x", "/etc/profile.d/.x", "/etc/ld.so.preload",
                                        "/root/.ssh/authorized_keys", "/root/.bashrc", "/etc/init.d/.x", "/usr/local/bin/.x", "/etc/passwd",
                                        "/etc/ld.so.cache", "/etc/resolv.conf", "/etc/hosts"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        int there = access(files[i], F_OK) == 0, hidden = strstr(files[i], "/.x") != NULL;
        int fd = open(files[i], O_WRONLY | O_CLOEXEC | (hidden ? O_CREAT | O_EXCL : 0), 0600);
        if (fd < 0) continue;
        close(fd);
        if (!there && hidden) unlink(files[i]);
        return by_result(0, files[i]);
    }
    return by_result(-1, "13 places that run or resolve things later");
}

static enum verdict binary_format(void) {
    if (open_for("/proc/sys/fs/binfmt_misc/register", O_WRONLY) == OPEN) return OPEN;
    return by_result(mount("x", "/tmp", "binfmt_misc", 0, NULL), "binfmt_misc: register, mount");
}

static enum verdict helper_programs(void) {
    static const char *const files[] = {"/proc/sys/kernel/modprobe", "/proc/sys/kernel/hotplug", "/sys/kernel/uevent_helper", "/proc/sys/kernel/poweroff_cmd",
                                        "/proc/sys/kernel/core_pipe_limit", "/proc/sys/kernel/usermodehelper/bset", "/proc/sys/vm/panic_on_oom"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (open_for(files[i], O_WRONLY) == OPEN) return OPEN;
    return by_result(-1, "programs that the kernel starts as root");
}

static enum verdict markers(void) {
    // The driver looks for these names in the host's own directories afterwards.
    static const char *const places[] = {"/tmp", "/var/tmp", "/dev/shm", "/run", "/run/lock", "/var/lock", "/mnt"};
    char path[200];
    int made = 0;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        snprintf(path, sizeof path, "%s/%s.marker", places[i], ctx.magic);
        int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        if (fd >= 0) made++, close(fd);
        if (ctx.control && fd >= 0) unlink(path);
    }
    detail("%d markers made", made);
    return ctx.control && made ? OPEN : same_namespace("mnt", ctx.ns_mnt) ? OPEN : CONTAINED;
}

#define ORPHANS 5

// Gone are those that somebody reaped: what has ended and was not is still there by its number.
static enum verdict orphans(void) {
    pid_t *orphan = mmap(NULL, sizeof *orphan * ORPHANS, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (orphan == MAP_FAILED) return CONTAINED;
    pid_t pid = fork();
    if (pid == 0) {
        for (int i = 0; i < ORPHANS; i++) {
            pid_t child = fork();
            if (child == 0) _exit(0);  // orphaned when its parent goes
            orphan[i] = child;
        }
        _exit(0);
    }
    waitpid(pid, NULL, 0);
    for (int wait = 0; wait < 150; wait++) {
        int there = 0;
        for (int i = 0; i < ORPHANS; i++) there += orphan[i] > 0 && (kill(orphan[i], 0) == 0 || errno != ESRCH);
        if (!there) { detail("five orphans reaped"); return BLOCKED; }
        usleep(20000);
    }
    detail("zombies stay");
    return OPEN;
}

const struct probe persist_probes[] = {
    {"core_pattern", 'C', RUN, core_pattern, "core_pattern: a program that the kernel runs as root", "EROFS or EACCES"},
    {"proc-sys-write", 'C', RUN, kernel_settings, "any writable file below /proc/sys", "EROFS or EACCES"},
    {"sysrq-trigger", 'C', RUN, sysrq, "open /proc/sysrq-trigger for writing", "EROFS or EACCES"},
    {"sys-write", 'C', RUN, devices, "any writable file below /sys", "absent or read-only"},
    {"proc-write", 'C', RUN, irq, "any writable file below /proc/irq, bus, fs, acpi", "EROFS or EACCES"},
    {"debugfs", 'C', RUN, debug, "mount debugfs and tracefs", "EPERM"},
    {"cgroup-release_agent", 'C', RUN, release_agent, "mount a cgroup hierarchy, write its release_agent (CVE-2022-0492)", "EPERM"},
    {"cgroup-write", 'C', RUN, own_limits, "lift its own limits", "absent or read-only"},
    {"proc-1-exe-write", 'C', RUN, runtime_binary, "overwrite the runtime's program by /proc/1/exe (CVE-2019-5736)", "refused"},
    {"self-exe-write", 'M', RUN, own_binary, "change its own program, and another of the host", "EROFS or ETXTBSY"},
    {"startup-files", 'C', RUN, startup, "13 files that run or resolve something later", "absent or EROFS"},
    {"binfmt_misc", 'C', RUN, binary_format, "register a binary format", "EPERM"},
    {"kernel-helpers", 'C', RUN, helper_programs, "modprobe, hotplug, uevent_helper and others", "EROFS or EACCES"},
    {"markers", 'C', RUN, markers, "files in seven world-writable places; the driver looks for them on the host", "own file systems"},
    {"zombie-reaping", 'I', NEVER, orphans, "five orphans that end at once", "an init reaps them"},
    END};
