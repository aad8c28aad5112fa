// Resource attacks, one per sandbox: each takes until it is stopped, or says that nothing stopped it.
#include "probe.h"

#include <limits.h>
#include <mqueue.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#define MIB (1024L * 1024)
#define PLENTY_MIB 512     // more than any sandbox of the driver may have
#define PLENTY_TASKS 1000

static enum verdict stopped(const char *what, long amount, long plenty) {
    int error = errno;
    if (amount >= plenty) { detail("%ld %s, then no limit met", amount, what); return OPEN; }
    detail("%ld %s, then %s", amount, what, strerror(error));
    return CONTAINED;
}

static enum verdict fork_bomb(void) {
    long count = 0;
    setpgid(0, 0);
    for (; count < PLENTY_TASKS; count++) {
        pid_t pid = fork();
        if (pid < 0) break;
        if (pid == 0) { for (;;) pause(); }
    }
    enum verdict verdict = stopped("children", count, PLENTY_TASKS);
    signal(SIGTERM, SIG_IGN);
    kill(0, SIGTERM);
    return verdict;
}

static void *idle(void *none) { for (;;) pause(); return none; }
static enum verdict threads(void) {
    long count = 0;
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, PTHREAD_STACK_MIN);
    pthread_t thread;
    for (; count < PLENTY_TASKS; count++)
        if ((errno = pthread_create(&thread, &small, idle, NULL))) break;
    return stopped("threads", count, PLENTY_TASKS);
}

static void announce(const char *name) { printf("%s\tstarted\t\n", name); fflush(stdout); }

static enum verdict memory(void) {
    announce("memory");
    long touched = 0;
    for (; touched < PLENTY_MIB; touched++) {
        void *block = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (block == MAP_FAILED) break;
        memset(block, 1, MIB);
    }
    return stopped("MiB touched", touched, PLENTY_MIB);
}

static enum verdict shm(void) {
    announce("shm");
    long touched = 0;
    for (; touched < PLENTY_MIB; touched += 16) {
        int id = shmget(IPC_PRIVATE, 16 * MIB, 0600 | IPC_CREAT);
        void *block = id < 0 ? (void *)-1 : shmat(id, NULL, 0);
        if (id >= 0) shmctl(id, IPC_RMID, NULL);  // gone with us, if it is the host's
        if (block == (void *)-1) break;
        memset(block, 1, 16 * MIB);
    }
    return stopped("MiB of System V shared memory", touched, PLENTY_MIB);
}

static enum verdict fill(const char *name, const char *path) {
    announce(name);
    static char block[MIB];
    memset(block, 1, sizeof block);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) return by_result(-1, path);
    unlink(path);
    long written = 0;
    for (; written < PLENTY_MIB; written++)
        if (write(fd, block, sizeof block) != (ssize_t)sizeof block) break;
    return stopped("MiB written", written, PLENTY_MIB);
}
static enum verdict tmpfs(void) { return fill("tmpfs", "/tmp/.fill"); }
static enum verdict devshm(void) { return fill("devshm", "/dev/shm/.fill"); }

static enum verdict inodes(void) {
    announce("inodes");
    long count = 0;
    int error = 0;
    char path[64];
    mkdir("/tmp/.many", 0700);
    for (; count < 100000; count++) {
        snprintf(path, sizeof path, "/tmp/.many/%ld", count);
        int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0) { error = errno; break; }
        close(fd);
    }
    for (long i = 0; i < count; i++) {
        snprintf(path, sizeof path, "/tmp/.many/%ld", i);
        unlink(path);
    }
    rmdir("/tmp/.many");
    errno = error;
    return stopped("files", count, 100000);
}

static enum verdict descriptors(void) {
    long count = 0;
    while (count < 18000 && open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0) count++;
    return stopped("descriptors", count, 18000);
}

static enum verdict cpu(void) {
    enum { BUSY = 2 };
    long long start = now_ms();
    for (int i = 0; i < BUSY; i++)
        if (fork() == 0) {
            while (now_ms() - start < 1500) {}
            _exit(0);
        }
    for (int i = 0; i < BUSY; i++) wait(NULL);
    struct rusage usage;
    getrusage(RUSAGE_CHILDREN, &usage);
    double used = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) + (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    double share = used * 1000 / (double)(now_ms() - start);
    detail("%d busy processes got %.2f CPUs", BUSY, share);
    return share > 0.8 ? OPEN : CONTAINED;  // the driver grants half a CPU
}

static enum verdict output(void) {  // the driver looks at what was kept
    static char line[4096];
    memset(line, 'x', sizeof line);
    line[sizeof line - 1] = '\n';
    for (int i = 0; i < 64 * 256; i++)
        if (write(2, line, sizeof line) < 0) break;
    detail("64 MiB of output written");
    return OPEN;
}

static enum verdict file_size(void) {
    int fd = open("/tmp/.sparse", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) return by_result(-1, "/tmp/.sparse");
    unlink("/tmp/.sparse");
    int result = ftruncate(fd, 1L << 40);
    struct stat info;
    if (result < 0 || fstat(fd, &info) < 0) { by_result(-1, "a sparse file of 1 TiB"); return CONTAINED; }
    // Sparse is only a number: what counts is whether its blocks can be had.
    if (fallocate(fd, 0, 0, (long)PLENTY_MIB * MIB) == 0) return by_result(0, "512 MiB of a sparse file");
    detail("1 TiB sparse, its blocks refused: %s", strerror(errno));
    return CONTAINED;
}

static enum verdict arguments(void) {
    static char big[130000];
    static char *argv[1200];
    memset(big, 'a', sizeof big - 1);
    for (int i = 0; i < 1199; i++) argv[i] = big;
    execv("/proc/self/exe", argv);
    by_result(-1, "150 MB of arguments");
    return CONTAINED;
}

static enum verdict ignore_term(void) {
    announce("hang-term");
    for (int number = 1; number < 64; number++)
        if (number != SIGKILL && number != SIGSTOP) signal(number, SIG_IGN);
    sleep(20);
    detail("survived 20 s, every signal ignored");
    return OPEN;
}

static enum verdict leave_daemon(void) {
    if (fork() == 0) {
        setsid();
        if (fork() == 0) {
            for (int number = 1; number < 64; number++) signal(number, SIG_IGN);
            sleep(30);
            _exit(0);
        }
        _exit(0);
    }
    wait(NULL);
    detail("left a daemon behind");  // the driver looks for it
    return OPEN;
}

static enum verdict watches(void) {
    long count = 0;
    while (count < 4096 && inotify_init1(IN_CLOEXEC) >= 0) count++;
    return stopped("inotify instances", count, 4096);
}

static enum verdict pipes(void) {
    announce("pipes");
    long count = 0;
    for (int fds[2]; count < 4096 && pipe2(fds, O_CLOEXEC | O_NONBLOCK) == 0; count++) {
        static char block[65536];
        fcntl(fds[1], F_SETPIPE_SZ, 1 << 20);
        while (write(fds[1], block, sizeof block) > 0) {}
    }
    return stopped("full pipes", count, 4096);
}

static enum verdict semaphores(void) {
    announce("semaphores");
    static int ids[20000];
    long count = 0;
    for (; count < 20000; count++)
        if ((ids[count] = semget(IPC_PRIVATE, 250, 0600 | IPC_CREAT)) < 0) break;
    int error = errno;
    for (long i = 0; i < count; i++) semctl(ids[i], 0, IPC_RMID);
    errno = error;
    return stopped("semaphore sets", count, 20000);
}

static enum verdict queues(void) {
    announce("queues");
    static struct { long kind; char text[8184]; } block = {1, {0}};
    long count = 0, bytes = 0;
    for (; count < 20000; count++) {
        int id = msgget(IPC_PRIVATE, 0600 | IPC_CREAT);
        if (id < 0) break;
        while (bytes < PLENTY_MIB * MIB && msgsnd(id, &block, 8000, IPC_NOWAIT) == 0) bytes += 8000;
        if (ctx.control) msgctl(id, IPC_RMID, NULL);
    }
    return stopped("message queues", count, 20000);
}

static enum verdict passed(void) {
    announce("passed-fds");
    int pair[2], count = 0;
    if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair) < 0) return by_result(-1, "socketpair");
    for (; count < 100000; count++) {  // descriptors in flight: beyond RLIMIT_NOFILE
        char space[CMSG_SPACE(sizeof(int) * 200)] = {0}, byte = 0;
        struct iovec piece = {&byte, 1};
        struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int) * 200);
        for (int i = 0; i < 200; i++) memcpy(CMSG_DATA(header) + sizeof(int) * (size_t)i, &pair[0], sizeof(int));
        if (sendmsg(pair[1], &message, 0) == 0) continue;
        if (errno == ETOOMANYREFS) break;
        if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair) < 0) break;  // this queue is full: the next
    }
    return stopped("messages of 200 descriptors in flight", count, 100000);
}

static enum verdict deep(void) {
    announce("deep-directories");
    long depth = 0;
    long long start = now_ms();
    if (mkdir("/tmp/.deep", 0700) < 0 || chdir("/tmp/.deep") < 0) return by_result(-1, "/tmp/.deep");
    // Behind Landlock each step costs as much as it is deep: on half a CPU some thousands are made in this time.
    for (; depth < 30000 && now_ms() - start < 8000; depth++)
        if (mkdir("d", 0700) < 0 || chdir("d") < 0) break;
    detail("%ld nested directories", depth);  // any depth will do: whoever removes them must not fall over
    return CONTAINED;
}

static enum verdict dentries(void) {
    announce("negative-dentries");
    char path[300];
    struct stat info;
    memset(path, 'n', sizeof path);
    long long start = now_ms();
    long count = 0;
    for (; count < 2000000 && now_ms() - start < 1500; count++) {
        snprintf(path, 250, "/tmp/%0230ld", count);
        stat(path, &info);
    }
    detail("%ld lookups of missing names: charged to the own memory limit", count);
    return CONTAINED;  // the driver compares the node's slab before and after
}

const struct probe exhaust_probes[] = {
    {"forkbomb", 'C', NEVER, fork_bomb, "fork 1,000 times", "pids limit"},
    {"threads", 'C', NEVER, threads, "1,000 threads", "pids limit"},
    {"memory", 'C', NEVER, memory, "touch 512 MiB", "killed at the memory limit, and said so"},
    {"shm", 'C', NEVER, shm, "512 MiB of System V shared memory", "memory limit"},
    {"tmpfs", 'C', NEVER, tmpfs, "512 MiB in /tmp", "size limit"},
    {"devshm", 'C', NEVER, devshm, "512 MiB in /dev/shm", "size limit"},
    {"inodes", 'M', NEVER, inodes, "100,000 empty files in /tmp", "inode or memory limit"},
    {"fds", 'M', NEVER, descriptors, "18,000 descriptors", "RLIMIT_NOFILE"},
    {"cpu", 'C', NEVER, cpu, "two busy processes for 1.5 s; half a CPU is granted", "quota"},
    {"output", 'C', NEVER, output, "64 MiB of output", "log limit"},
    {"filesize", 'M', NEVER, file_size, "a sparse file of 1 TiB, then its blocks", "size limit"},
    {"args", 'M', NEVER, arguments, "150 MB of arguments", "E2BIG"},
    {"hang-term", 'C', NEVER, ignore_term, "ignore every signal and stay; the driver sets a time limit", "SIGKILL at the deadline"},
    {"daemonize", 'C', NEVER, leave_daemon, "double fork, setsid, every signal ignored, parent ends", "dies with the task"},
    {"inotify", 'M', NEVER, watches, "4,096 inotify instances", "the user namespace's own count"},
    {"pipes", 'M', NEVER, pipes, "4,096 full pipes of 1 MiB", "memory limit"},
    {"semaphores", 'M', NEVER, semaphores, "20,000 semaphore sets", "memory limit"},
    {"queues", 'M', NEVER, queues, "20,000 full message queues", "memory limit"},
    {"passed-fds", 'M', NEVER, passed, "descriptors in flight, beyond RLIMIT_NOFILE", "ETOOMANYREFS or memory limit"},
    {"deep-directories", 'M', NEVER, deep, "30,000 nested directories in /tmp", "removed without recursion"},
    {"negative-dentries", 'M', NEVER, dentries, "millions of missing names", "kernel memory charged to the task"},
    END};
