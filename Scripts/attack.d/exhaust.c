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
#include <sys/prctl.h>
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
#define PLENTY_NAMES 600000  // resources.py knows it too

static enum verdict stopped(const char *what, long amount, long plenty) {
    int error = errno;
    // Who did not get a single one has met no limit: it never began.
    if (amount == 0) { detail("no %s at all: %s, expected at least one before a limit", what, strerror(error)); return FAILED; }
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

// Holds what was taken until the driver has looked from outside: it finds us by this name, and ends the wait by SIGUSR1.
// The alarm is for a driver that is gone.
static void looked_at(int number) { (void)number; }
static void hold(void) {
    sigset_t signals, before;
    sigemptyset(&signals);
    sigaddset(&signals, SIGUSR1);
    sigaddset(&signals, SIGALRM);
    sigprocmask(SIG_BLOCK, &signals, &before);
    signal(SIGUSR1, looked_at);
    signal(SIGALRM, looked_at);
    alarm(60);
    prctl(PR_SET_NAME, "holding");
    sigsuspend(&before);
    alarm(0);
    prctl(PR_SET_NAME, "held");
}

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
    detail("1 TiB sparse, its blocks refused: %s, expected a limit of size or memory", strerror(errno));
    return errno == ENOSPC || errno == EFBIG || errno == EDQUOT || errno == ENOMEM ? CONTAINED : FAILED;
}

static enum verdict arguments(void) {
    static char big[130000];
    static char *argv[1200];
    memset(big, 'a', sizeof big - 1);
    for (int i = 0; i < 1199; i++) argv[i] = big;
    execv("/proc/self/exe", argv);
    detail("150 MB of arguments: %s, expected %s", strerror(errno), strerror(E2BIG));
    return errno == E2BIG ? CONTAINED : FAILED;
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
    int stands[2];
    char byte;
    if (pipe2(stands, O_CLOEXEC) < 0) { detail("pipe: %s", strerror(errno)); return FAILED; }
    if (fork() == 0) {
        setsid();
        if (fork() == 0) {
            for (int number = 1; number < 64; number++) signal(number, SIG_IGN);
            if (write(stands[1], "", 1) != 1) _exit(1);
            sleep(30);
            _exit(0);
        }
        _exit(0);
    }
    close(stands[1]);
    if (read(stands[0], &byte, 1) != 1) { detail("the daemon did not come up, expected it to say so"); return FAILED; }
    wait(NULL);
    detail("left a daemon behind");  // the driver looks for it
    return OPEN;
}

static enum verdict watches(void) {
    long count = 0;
    while (count < 4096 && inotify_init1(IN_CLOEXEC) >= 0) count++;
    enum verdict verdict = stopped("inotify instances", count, 4096);
    hold();  // every limit below ours may still be the whole of what the host's own user has: the driver looks
    return verdict;
}

static enum verdict pending(void) {
    long count = 0;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN);
    sigprocmask(SIG_BLOCK, &set, NULL);
    while (count < 2000000 && sigqueue(getpid(), SIGRTMIN, (union sigval){0}) == 0) count++;
    enum verdict verdict = stopped("pending signals", count, 2000000);
    hold();
    return verdict;
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
    if (mkdir("/tmp/.deep", 0700) < 0 || chdir("/tmp/.deep") < 0) { by_result(-1, "/tmp/.deep"); return FAILED; }
    // Behind Landlock each step costs as much as it is deep: on half a CPU some thousands are made in this time.
    for (; depth < 30000 && now_ms() - start < 8000; depth++)
        if (mkdir("d", 0700) < 0 || chdir("d") < 0) break;
    detail("%ld nested directories", depth);
    return depth > 0 ? CONTAINED : FAILED;  // any depth will do: the driver looks whether whoever removes them falls over
}

// On a file system of the host that caches missing names, as a tmpfs does not. A long name takes a block of memory of its own.
static enum verdict dentries(void) {
    announce("negative-dentries");
    char path[600];
    struct stat info;
    long long begun = now_ms();  // names of this run's own: those of another are known already
    for (long count = 0; count < PLENTY_NAMES; count++) {
        snprintf(path, sizeof path, "%s/%lld-%0200ld", ctx.readonly, begun, count);
        if (stat(path, &info) < 0 && errno == ENOENT) continue;
        detail("a name in %s: %s, expected it to be missing", ctx.readonly, strerror(errno));
        return FAILED;
    }
    detail("%d lookups of missing names", PLENTY_NAMES);
    return CONTAINED;  // the driver compares the node's negative entries before and after
}

int print_room(const char *name) {
    if (!strcmp(name, "inotify")) {
        printf("%s\n", inotify_init1(IN_CLOEXEC) >= 0 ? "room" : strerror(errno));
    } else {
        timer_t timer;  // takes a pending signal when it is made
        printf("%s\n", timer_create(CLOCK_MONOTONIC, NULL, &timer) == 0 ? "room" : strerror(errno));
    }
    return 0;
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
    {"inotify", 'C', NEVER, watches, "4,096 inotify instances; then the host wants one", "a user namespace of nobody else"},
    {"pending-signals", 'C', NEVER, pending, "2,000,000 pending signals; then the host wants one", "the same, or a limit"},
    {"pipes", 'M', NEVER, pipes, "4,096 full pipes of 1 MiB", "memory limit"},
    {"semaphores", 'M', NEVER, semaphores, "20,000 semaphore sets", "memory limit"},
    {"queues", 'M', NEVER, queues, "20,000 full message queues", "memory limit"},
    {"passed-fds", 'M', NEVER, passed, "descriptors in flight, beyond RLIMIT_NOFILE", "ETOOMANYREFS or memory limit"},
    {"deep-directories", 'M', NEVER, deep, "30,000 nested directories in /tmp", "removed without recursion"},
    {"negative-dentries", 'M', NEVER, dentries, "600,000 missing names on a host file system", "charged to the task"},
    END};
