// Ways out of the file system: mounts, roots, device nodes, set-id programs, handles.
#include "probe.h"

#include <dirent.h>
#include <limits.h>
#include <linux/mount.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

static enum verdict mount_tmpfs(void) { return by_result(mount("x", "/tmp", "tmpfs", 0, NULL), "mount(tmpfs, /tmp)"); }

static enum verdict remount_rw(void) {
    FILE *file = fopen("/proc/self/mountinfo", "re");
    char line[2048], point[1024];
    while (file && fgets(line, sizeof line, file)) {
        if (sscanf(line, "%*d %*d %*s %*s %1023s", point) != 1) continue;
        if (mount(NULL, point, NULL, MS_REMOUNT | MS_BIND, NULL) == 0) return by_result(0, point);
        struct mount_attr attr = {.attr_clr = MOUNT_ATTR_RDONLY};
        if (syscall(SYS_mount_setattr, AT_FDCWD, point, 0, &attr, sizeof attr) == 0) return by_result(0, point);
    }
    if (file) fclose(file);
    return by_result(-1, "remount of every mount");
}

static enum verdict umount_masks(void) {
    char line[2048], point[1024], points[64][1024];
    int count = 0;
    FILE *file = fopen("/proc/self/mountinfo", "re");
    while (file && count < 64 && fgets(line, sizeof line, file))
        if (sscanf(line, "%*d %*d %*s %*s %1023s", point) == 1 && strcmp(point, "/")) strcpy(points[count++], point);
    if (file) fclose(file);
    errno = ENOENT;
    for (int i = count - 1; i >= 0; i--)
        if (umount2(points[i], MNT_DETACH) == 0) return by_result(0, points[i]);
    return by_result(-1, "umount of every mount");
}

static enum verdict new_file_system(void) { return by_result(syscall(SYS_fsopen, "tmpfs", 0), "fsopen(tmpfs)"); }
static enum verdict clone_tree(void) { return by_result(syscall(SYS_open_tree, AT_FDCWD, "/", 1), "open_tree(/, clone)"); }

static enum verdict move_existing(void) {
    // Onto a place that every sandbox has: where the destination is missing, its absence would be the answer.
    struct stat info;
    const char *from = stat("/dev/shm", &info) == 0 ? "/dev/shm" : "/proc", *to = "/tmp";
    if (ctx.control) mount("x", "/mnt", "tmpfs", 0, NULL), from = "/mnt";
    int handle = open(from, O_PATH | O_CLOEXEC);
    if (handle < 0 || stat(to, &info) < 0) {
        detail("%s and %s: %s, expected both to exist", from, to, strerror(errno));
        return FAILED;
    }
    long result = syscall(SYS_move_mount, handle, "", AT_FDCWD, to, 4);
    if (result < 0 && errno == ENOENT) {
        detail("move_mount: %s, expected both places to exist", strerror(errno));
        return FAILED;
    }
    return by_result(result, "move_mount to /tmp");
}

static enum verdict change_root(void) { return by_result(chroot("/tmp"), "chroot(/tmp)"); }

static enum verdict seen(const char *prefix) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s%s", prefix, ctx.canary);
    if (!file_contains(path, ctx.canary_text)) return BLOCKED;
    detail("the host's file is at %.300s", path);
    return OPEN;
}

static enum verdict chroot_escape(void) {
    int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    mkdir("/tmp/.jail", 0755);
    int inside = chroot("/tmp/.jail");
    if (inside == 0 && fchdir(fd) < 0) return BLOCKED;
    for (int i = 0; i < 64; i++)
        if (chdir("..") < 0) break;
    if (inside == 0 && chroot(".") < 0) return BLOCKED;
    rmdir("/tmp/.jail");
    if (seen(".") == OPEN) return OPEN;
    detail("%s; nothing of the host above", inside ? "chroot refused" : "chroot, then 64 times ..");
    return BLOCKED;
}

static enum verdict root_walk(void) {
    static const char *const ways[] = {"/proc/1/root", "/proc/1/cwd", "/proc/self/root", "/proc/thread-self/root",
                                       "/../../../../../../../../../..", "/proc/self/cwd/../../../..", "/proc/2/root", "/dev/fd/0/.."};
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        if (seen(ways[i]) == OPEN) return OPEN;
    detail("%zu ways lead to the sandbox's own root", sizeof ways / sizeof *ways);
    return BLOCKED;
}

static enum verdict pivot(void) {
    if (ctx.control) {
        mount("x", "/mnt", "tmpfs", 0, NULL);
        return by_result(chdir("/mnt") < 0 ? -1 : syscall(SYS_pivot_root, ".", "."), "pivot_root");
    }
    if (chdir("/dev/shm") < 0 && chdir("/") < 0) return BLOCKED;
    return by_result(syscall(SYS_pivot_root, ".", "."), "pivot_root(., .)");
}

static enum verdict node(mode_t kind, unsigned major_number, unsigned minor_number, const char *what) {
    static const char *const places[] = {"/tmp/.node", "/dev/shm/.node", "/dev/.node", "/.node"};
    int error = EPERM;
    for (size_t i = 0; i < 4; i++) {
        unlink(places[i]);
        if (mknod(places[i], kind | 0666, makedev(major_number, minor_number)) < 0) { error = errno; continue; }
        int fd = open(places[i], O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        error = errno;
        unlink(places[i]);
        if (fd >= 0) { close(fd); detail("%s made and opened in %s", what, places[i]); return OPEN; }
    }
    detail("%s: %s", what, strerror(error));
    return BLOCKED;
}

static enum verdict disk_node(void) {
    FILE *file = fopen("/proc/partitions", "re");
    char line[256];
    unsigned major_number = 254, minor_number = 0;
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "%u %u", &major_number, &minor_number) == 2) break;
    if (file) fclose(file);
    return node(S_IFBLK, major_number, minor_number, "a block device of the host");
}
static enum verdict kvm_node(void) { return node(S_IFCHR, 10, 232, "/dev/kvm"); }
static enum verdict mem_node(void) { return node(S_IFCHR, 1, 11, "/dev/kmsg"); }

static int harmless(dev_t device) {
    unsigned a = major(device), b = minor(device);
    return (a == 1 && (b == 3 || b == 5 || b == 7 || b == 8 || b == 9)) || (a == 5 && (b == 0 || b == 2)) || a == 136;
}

static enum verdict device_nodes(void) {
    static const char *const places[] = {"/dev", "/dev/pts", "/dev/mapper", "/dev/net", "/dev/input", "/dev/vfio", "/dev/dri"};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        DIR *directory = opendir(places[i]);
        struct dirent *entry;
        struct stat info;
        while (directory && (entry = readdir(directory))) {
            if (fstatat(dirfd(directory), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) < 0) continue;
            if ((S_ISCHR(info.st_mode) || S_ISBLK(info.st_mode)) && !harmless(info.st_rdev)) {
                detail("%s/%s is there", places[i], entry->d_name);
                return OPEN;
            }
        }
        if (directory) closedir(directory);
    }
    detail("only the harmless nodes");
    return BLOCKED;
}

// Executes a copy of this program that the driver made set-id, or gave file capabilities, and reads what it became.
static enum verdict become(const char *name, int drop) {
    char path[PATH_MAX], line[256] = "";
    int pipe[2], status;
    snprintf(path, sizeof path, "%s/%s", ctx.dir, name);
    if (access(path, F_OK) < 0) { detail("%s is not there", path); return ABSENT; }
    if (pipe2(pipe, 0) < 0) return BLOCKED;
    pid_t pid = fork();
    if (pid == 0) {
        if (drop && ctx.control && (setgid(4243) < 0 || setuid(4243) < 0)) _exit(3);
        dup2(pipe[1], 1);
        execl(path, name, "--reborn", NULL);
        dprintf(1, "exec: %s", strerror(errno));
        _exit(4);
    }
    close(pipe[1]);
    if (read(pipe[0], line, sizeof line - 1) < 0) line[0] = 0;
    waitpid(pid, &status, 0);
    line[strcspn(line, "\n")] = 0;
    detail("%s", line);
    int changed = strstr(line, "euid=4242") || strstr(line, "egid=4242");
    char *caps = strstr(line, "caps="), own[64] = "?";
    status_field("CapPrm", own, sizeof own);
    int gained = caps && strncmp(caps + 5, "0000000000000000", 16) && (drop ? ctx.control || strncmp(caps + 5, own, 16) : 0);
    return changed || gained ? OPEN : BLOCKED;
}
static enum verdict set_id(void) { return become("set-id", 0); }
static enum verdict file_capabilities(void) { return become("capable", 1); }

static enum verdict root_write(void) {
    static const char *const places[] = {"/.x",   "/usr/.x", "/etc/.x", "/bin/.x",    "/usr/lib/.x",
                                         "/var/.x", "/dev/.x", "/sys/.x", "/sys/fs/.x", "/sys/fs/cgroup/.x"};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        int fd = open(places[i], O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd >= 0) { unlink(places[i]); return by_result(0, places[i]); }
    }
    return by_result(-1, "a new file in 10 directories of the root");
}

static enum verdict handle_escape(void) {  // "shocker": a file handle made up from inode 2 of the root's file system
    struct { struct file_handle head; unsigned char bytes[128]; } handle = {.head = {.handle_bytes = 128}};
    int mount_id, fd = -1;
    if (name_to_handle_at(AT_FDCWD, "/usr", &handle.head, &mount_id, 0) < 0) {
        handle.head.handle_bytes = 8;
        handle.head.handle_type = 1;
        memset(handle.head.f_handle, 0, 8);
        handle.head.f_handle[0] = 2;
    }
    int at = open("/usr", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    fd = open_by_handle_at(at, &handle.head, O_RDONLY);
    return by_result(fd, "open_by_handle_at");
}

static enum verdict readonly_bind(void) {
    char path[PATH_MAX], other[PATH_MAX], self[64];
    snprintf(path, sizeof path, "%s/file", ctx.readonly);
    snprintf(other, sizeof other, "%s/other", ctx.readonly);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) { detail("%s is not there", path); return ABSENT; }
    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    struct timespec times[2] = {{0, UTIME_OMIT}, {1, 0}};
    char inner[PATH_MAX];
    snprintf(inner, sizeof inner, "%s/inner/file", ctx.readonly);
    const struct { const char *how; long result; } tries[] = {
        {"open for writing", open(path, O_WRONLY | O_CLOEXEC)}, {"open again by /proc", open(self, O_WRONLY | O_CLOEXEC)},
        {"create", open(other, O_WRONLY | O_CREAT | O_CLOEXEC, 0600)}, {"truncate", truncate(path, 0)},
        {"chmod", fchmod(fd, 0777)}, {"utimes", futimens(fd, times)}, {"link", link(path, other)}, {"rename", rename(path, other)},
        {"symlink", symlink("x", other)}, {"mkdir", mkdir(other, 0700)}, {"mount below it", open(inner, O_WRONLY | O_CREAT | O_CLOEXEC, 0600)}};
    for (size_t i = 0; i < sizeof tries / sizeof *tries; i++)
        if (tries[i].result >= 0) { detail("%s succeeded below a read-only bind", tries[i].how); return OPEN; }
    detail("11 ways to change a read-only bind: refused");
    return BLOCKED;
}

static enum verdict hard_link(void) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/set-id", ctx.dir);
    int result = link(path, "/tmp/.linked");
    if (result == 0) unlink("/tmp/.linked");
    return by_result(result, "a hard link of a host file in /tmp");
}

static enum verdict host_sockets(void) {
    static const char *const sockets[] = {"/run/docker.sock", "/var/run/docker.sock", "/run/containerd/containerd.sock",
                                          "/run/dbus/system_bus_socket", "/run/systemd/private", "/run/crio/crio.sock", "/run/user"};
    for (size_t i = 0; i < sizeof sockets / sizeof *sockets; i++)
        if (access(sockets[i], F_OK) == 0) return by_result(0, sockets[i]);
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s", ctx.canary);
    if (strrchr(path, '/')) strcpy(strrchr(path, '/'), "/socket");
    return by_result(access(path, F_OK), path);
}

const struct probe escape_probes[] = {
    {"mount-tmpfs", 'C', RUN, mount_tmpfs, "mount a tmpfs over /tmp", "EPERM"},
    {"remount-rw", 'C', RUN, remount_rw, "make every mount writable: remount and mount_setattr", "EPERM"},
    {"umount-masks", 'C', RUN, umount_masks, "unmount whatever is mounted, innermost first", "EPERM"},
    {"fsopen", 'M', RUN, new_file_system, "the new mount interface: fsopen", "EPERM"},
    {"open_tree-clone", 'M', RUN, clone_tree, "copy the root's mount tree", "EPERM"},
    {"move_mount", 'M', RUN, move_existing, "move a mount elsewhere", "EPERM"},
    {"chroot", 'M', RUN, change_root, "chroot", "EPERM"},
    {"chroot-escape", 'C', RUN, chroot_escape, "chroot below, walk up 64 times", "no way above the root: pivot_root"},
    {"proc-root-walk", 'C', RUN, root_walk, "reach the host by /proc/1/root, cwd, .. and the like", "the sandbox's own root"},
    {"pivot_root", 'C', RUN, pivot, "pivot_root", "EPERM"},
    {"mknod-disk", 'C', RUN, disk_node, "make and open a node of the host's disk", "EPERM, or nodev / devices cgroup"},
    {"mknod-kvm", 'C', RUN, kvm_node, "make and open /dev/kvm", "EPERM, or nodev / devices cgroup"},
    {"mknod-kmsg", 'C', RUN, mem_node, "make and open /dev/kmsg", "EPERM, or nodev / devices cgroup"},
    {"dev-nodes", 'C', RUN, device_nodes, "device nodes beyond null zero full random urandom tty ptmx pts", "none"},
    {"setuid-binary", 'C', RUN, set_id, "execute a set-user-id and set-group-id program of the host", "nosuid and no_new_privs"},
    {"file-capabilities", 'C', RUN, file_capabilities, "execute a program with file capabilities", "nosuid and no_new_privs"},
    {"root-write", 'M', RUN, root_write, "create files in the root, /usr, /etc, /dev", "EROFS"},
    {"open_by_handle_at", 'C', RUN, handle_escape, "open a host inode by its file handle (shocker)", "EPERM"},
    {"ro-bind-write", 'C', NEVER, readonly_bind, "change a read-only bind in 11 ways, also by /proc/self/fd and a mount below it", "EROFS"},
    {"hard-link", 'M', NEVER, hard_link, "hard-link a host file into /tmp", "EXDEV"},
    {"host-sockets", 'C', RUN, host_sockets, "the host's daemon sockets", "absent"},
    END};
