// Runs probes, each in a process of its own, and prints `name<TAB>verdict<TAB>detail` for each.
#include "probe.h"

#include <dirent.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#define PROBE_SECONDS 5

struct context ctx;
int inherited[64], inherited_count;
static char text[400];

static const struct { const char *name; const struct probe *probes; } families[] = {
    {"escape", escape_probes}, {"kernel", kernel_probes}, {"read", read_probes}, {"network", network_probes},
    {"signal", signal_probes}, {"confuse", confuse_probes}, {"persist", persist_probes}, {"exhaust", exhaust_probes},
};
#define FAMILIES (sizeof families / sizeof *families)
static const char *const words[] = {"open", "blocked", "contained", "absent", "error"};

void detail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
}

enum verdict by_result(long result, const char *what) {
    int error = errno;
    detail("%s: %s", what, result >= 0 ? "succeeded" : strerror(error));
    return result >= 0 ? OPEN : BLOCKED;
}

enum verdict open_for(const char *path, int flags) {
    int fd = open(path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    enum verdict verdict = by_result(fd, path);
    if (fd >= 0) close(fd);
    return verdict;
}

int same_namespace(const char *name, unsigned long host) {
    char path[64];
    struct stat info;
    snprintf(path, sizeof path, "/proc/self/ns/%s", name);
    return stat(path, &info) < 0 || info.st_ino == host;  // unknown counts as the host's
}

int status_field(const char *field, char *value, size_t size) {
    FILE *file = fopen("/proc/self/status", "re");
    char line[512];
    size_t length = strlen(field);
    int found = 0;
    while (file && !found && fgets(line, sizeof line, file))
        if (!strncmp(line, field, length) && line[length] == ':') {
            char *at = line + length + 1 + strspn(line + length + 1, " \t");
            at[strcspn(at, "\n")] = 0;
            snprintf(value, size, "%s", at);
            found = 1;
        }
    if (file) fclose(file);
    return found;
}

int file_contains(const char *path, const char *wanted) {
    char bytes[4096];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return 0;
    ssize_t n = read(fd, bytes, sizeof bytes);
    close(fd);
    return n > 0 && memmem(bytes, (size_t)n, wanted, strlen(wanted)) != NULL;
}

int write_text(const char *path, const char *value) {
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return -1;
    ssize_t n = write(fd, value, strlen(value));
    int error = errno;
    close(fd);
    errno = error;
    return n < 0 ? -1 : 0;
}

long long now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static void read_context(const char *path) {
    FILE *file = fopen(path, "re");
    char line[512], key[64], value[400];
    if (!file) { fprintf(stderr, "probe: cannot read %s: %s\n", path, strerror(errno)); exit(64); }
    while (fgets(line, sizeof line, file)) {
        if (sscanf(line, "%63[^=]=%399[^\n]", key, value) != 2) continue;
        const struct { const char *name; char *text; size_t size; } strings[] = {
            {"magic", ctx.magic, sizeof ctx.magic}, {"canary", ctx.canary, sizeof ctx.canary},
            {"canary-text", ctx.canary_text, sizeof ctx.canary_text}, {"abstract", ctx.abstract, sizeof ctx.abstract},
            {"queue", ctx.queue, sizeof ctx.queue}, {"key", ctx.key, sizeof ctx.key},
            {"variable", ctx.variable, sizeof ctx.variable}, {"readonly", ctx.readonly, sizeof ctx.readonly},
            {"dir", ctx.dir, sizeof ctx.dir}};
        for (size_t i = 0; i < sizeof strings / sizeof *strings; i++)
            if (!strcmp(key, strings[i].name)) snprintf(strings[i].text, strings[i].size, "%s", value);
        const struct { const char *name; unsigned long *number; } numbers[] = {
            {"ns-pid", &ctx.ns_pid}, {"ns-net", &ctx.ns_net}, {"ns-ipc", &ctx.ns_ipc}, {"ns-uts", &ctx.ns_uts},
            {"ns-user", &ctx.ns_user}, {"ns-mnt", &ctx.ns_mnt}, {"ns-cgroup", &ctx.ns_cgroup},
            {"host-pid", (unsigned long *)&ctx.host_pid}, {"shm-key", (unsigned long *)&ctx.shm_key},
            {"port", (unsigned long *)&ctx.port}};
        for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
            if (!strcmp(key, numbers[i].name)) *numbers[i].number = strtoul(value, NULL, 10);
    }
    fclose(file);
}

// Unconfined, each probe gets a mount namespace of its own: what it mounts or unmounts ends with it.
static void prepare_control(void) {
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) _exit(99);
}

static void run_child(const struct probe *probe, int pipe) {
    setpgid(0, 0);
    if (ctx.control) prepare_control();
    text[0] = 0;
    enum verdict verdict = probe->run();
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < ' ') *c = ' ';
    dprintf(pipe, "%s\t%s", words[verdict], text);
    _exit(0);
}

static void report(const char *name, char *answer, int status) {
    if (WIFSIGNALED(status) && !*answer) {
        int number = WTERMSIG(status);
        // A filter ends by SIGSYS. A kernel without 32-bit entries ends their caller by SIGSEGV; any other signal is a fault.
        if (number == SIGSYS) printf("%s\tblocked\tended by the filter (SIGSYS)\n", name);
        else if (number == SIGSEGV && !strcmp(name, "ia32-abi")) printf("%s\tblocked\tended by SIGSEGV: no such entry\n", name);
        else printf("%s\terror\tended by signal %d, expected an answer or SIGSYS\n", name, number);
    } else if (!*answer) printf("%s\terror\tno answer, status %d\n", name, WEXITSTATUS(status));
    else printf("%s\t%s\n", name, answer);
    fflush(stdout);
}

static void run(const struct probe *probe, int seconds) {
    int pipe[2];
    char answer[512] = "";
    fflush(stdout);
    if (pipe2(pipe, O_CLOEXEC) < 0) { printf("%s\terror\tpipe: %s\n", probe->name, strerror(errno)); return; }
    pid_t pid = fork();
    if (pid == 0) { close(pipe[0]); run_child(probe, pipe[1]); }
    close(pipe[1]);
    if (pid < 0) { printf("%s\terror\tfork: %s\n", probe->name, strerror(errno)); close(pipe[0]); return; }
    struct pollfd ready = {.fd = pipe[0], .events = POLLIN};
    int status = 0, late = poll(&ready, 1, seconds * 1000) == 0;
    if (!late && read(pipe[0], answer, sizeof answer - 1) < 0) answer[0] = 0;
    close(pipe[0]);
    kill(late || !*answer ? pid : -pid, 0);
    if (late) { kill(-pid, SIGKILL); kill(pid, SIGKILL); }
    waitpid(pid, &status, 0);
    kill(-pid, SIGKILL);  // what the probe left behind in its group
    if (late) printf("%s\terror\tno answer in %d s\n", probe->name, seconds);
    else report(probe->name, answer, status);
}

static void list(void) {
    for (size_t f = 0; f < FAMILIES; f++)
        for (const struct probe *p = families[f].probes; p->name; p++)
            printf("%s\t%s\t%c\t%s\t%s\t%s\n", p->name, families[f].name, p->severity, p->control == RUN ? "run" : "never", p->what,
                   p->want);
}

static void note_inherited(void) {
    for (int fd = 3; fd < 256 && inherited_count < 64; fd++)
        if (fcntl(fd, F_GETFD) >= 0) inherited[inherited_count++] = fd;
}

// Small programs that some probes execute, to see what an exec gives them.
static int reborn(const char *as) {
    char caps[64] = "?", filter[16] = "?", privs[16] = "?";
    status_field("CapPrm", caps, sizeof caps);
    status_field("Seccomp", filter, sizeof filter);
    status_field("NoNewPrivs", privs, sizeof privs);
    printf("%s euid=%u egid=%u caps=%s seccomp=%s nnp=%s\n", as, geteuid(), getegid(), caps, filter, privs);
    return 0;
}

int main(int argc, char **argv) {
    note_inherited();
    if (argc == 2 && !strcmp(argv[1], "--reborn")) return reborn("reborn");
    if (argc == 2 && !strcmp(argv[1], "--list")) { list(); return 0; }
    if (argc == 3 && !strcmp(argv[1], "--room")) return print_room(argv[2]);
    if (argc >= 2 && !strcmp(argv[1], "--hunt")) return hunt(argc > 2 ? argv[2] : "");
    if (argc < 4) { fputs("usage: probe CONTEXT sandbox|control all|FAMILY|NAME...\n       probe --list\n", stderr); return 64; }
    read_context(argv[1]);
    ctx.control = !strcmp(argv[2], "control");
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);  // a file over its limit is an error then, and the attack goes on
    for (size_t f = 0; f < FAMILIES; f++)
        for (const struct probe *p = families[f].probes; p->name; p++)
            for (int i = 3; i < argc; i++) {
                int exhaust = families[f].probes == exhaust_probes, named = !strcmp(argv[i], p->name);
                // Resource attacks only by name: each wants a sandbox of its own.
                if (!named && (exhaust || (strcmp(argv[i], "all") && strcmp(argv[i], families[f].name)))) continue;
                if (ctx.control && p->control == NEVER) printf("%s\tnot-run\t\n", p->name);
                else if (exhaust) {  // in this process: it is to be the payload itself that meets the limit
                    enum verdict verdict = p->run();
                    printf("%s\t%s\t%s\n", p->name, words[verdict], text);
                } else run(p, PROBE_SECONDS);
                break;
            }
    puts("end\tend\t");
    return 0;
}
