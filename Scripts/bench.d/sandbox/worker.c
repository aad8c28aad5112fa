// How each kind of candidate is launched and its end awaited.
#define _GNU_SOURCE
#include "measure.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define SERIAL "@SERIAL@"
#define PLAN_BYTES 65536
#define MESSAGE_BYTES 60000

static int is_kind(const struct worker *worker, const char *kind) { return !strcmp(worker->candidate->word[1], kind); }

static char *numbered(const char *word, int number) {
    char *out = malloc(strlen(word) + 16), *to = out;
    for (const char *at = word; *at; at++) {
        if (at[0] == '%' && at[1] == 'w') { to += sprintf(to, "%d", number); at++; }
        else *to++ = *at;
    }
    *to = 0;
    return out;
}

static int connect_to(const char *path, int type) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        fprintf(stderr, "measure: %s: %s\n", path, strerror(errno));
        return -1;
    }
    return fd;
}

static void write_serial(char *at, uint64_t number) {
    char serial[16];
    snprintf(serial, sizeof serial, "%08llu", (unsigned long long)(number % 100000000));
    memcpy(at, serial, strlen(SERIAL));
}

// "+PATH" among the arguments is a directory that is new for every launch (a task's record); neither making nor removing it is measured.
static void name_fresh(struct worker *worker, uint64_t number) {
    snprintf(worker->place, sizeof worker->place, "%s", worker->fresh);
    for (char *at = worker->place; (at = strstr(at, SERIAL));) write_serial(at, number);
}

static void make_fresh(struct worker *worker, uint64_t number) {
    name_fresh(worker, number);
    if (mkdir(worker->place, 0700) < 0 && errno != EEXIST) perror(worker->place);
}

static void remove_fresh(struct worker *worker, uint64_t number) {
    name_fresh(worker, number);
    DIR *directory = opendir(worker->place);
    if (!directory) return;
    for (struct dirent *entry; (entry = readdir(directory));) unlinkat(dirfd(directory), entry->d_name, 0);
    closedir(directory);
    rmdir(worker->place);
}

// The request's first line and the plan. The launch's own number, eight digits for every "@SERIAL@", is written into it at each launch: what
// composing it costs is the asker's.
static int compose_request(struct worker *worker) {
    FILE *file = fopen(worker->word[3], "r");
    char *plan = calloc(1, PLAN_BYTES);
    size_t plan_bytes = file && plan ? fread(plan, 1, PLAN_BYTES - 1, file) : 0, size = plan_bytes + strlen(worker->word[4]) + 64;
    if (file) fclose(file);
    if (!plan_bytes) { fprintf(stderr, "measure: %s: %s\n", worker->word[3], strerror(errno)); free(plan); return -1; }
    worker->request = malloc(size);
    int length = snprintf(worker->request, size, "launch %zu %s\n%s", plan_bytes, worker->word[4], plan);
    free(plan);
    worker->request_bytes = (size_t)length;
    if (length > MESSAGE_BYTES) { fputs("measure: the plan is too long for one message\n", stderr); return -1; }
    for (char *at = worker->request; (at = strstr(at, SERIAL)); at += strlen(SERIAL)) {
        if (worker->serials == SERIALS_MAX) { fprintf(stderr, "measure: more than %d serials in a plan\n", SERIALS_MAX); return -1; }
        worker->serial[worker->serials++] = at;
    }
    return 0;
}

int worker_open(struct worker *worker, const struct candidate *candidate, int number, uint64_t ahead) {
    char byte;
    *worker = (struct worker){.candidate = candidate, .socket = -1};
    for (int i = 0; i < candidate->words; i++) {
        worker->word[i] = numbered(candidate->word[i], number);
        if (worker->word[i][0] == '+') worker->fresh = memmove(worker->word[i], worker->word[i] + 1, strlen(worker->word[i]));
    }
    if (is_kind(worker, "floor")) {
        if ((worker->socket = connect_to(worker->word[2], SOCK_STREAM)) < 0) return -1;
        if (read(worker->socket, &byte, 1) != 1) { fprintf(stderr, "measure: %s: not ready\n", worker->word[2]); return -1; }
    }
    if (is_kind(worker, "serve") && compose_request(worker) < 0) return -1;
    worker->ahead = worker->fresh ? ahead : 0;
    for (uint64_t n = 1; n <= worker->ahead; n++) make_fresh(worker, n);
    return 0;
}

void worker_close(struct worker *worker) {
    if (worker->socket >= 0) close(worker->socket);
    uint64_t last = worker->sequence > worker->ahead ? worker->sequence : worker->ahead;
    for (uint64_t n = 1; worker->ahead && n <= last; n++) remove_fresh(worker, n);
    free(worker->request);
    for (int i = 0; i < worker->candidate->words; i++) free(worker->word[i]);
}

static uint64_t nanoseconds(struct timeval t) { return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_usec * 1000u; }

static int launch_command(struct worker *worker, struct sample *sample) {
    static char *environment[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL};
    posix_spawn_file_actions_t actions;
    char **argv = worker->word + 2;
    struct rusage usage;
    *sample = (struct sample){0};
    pid_t pid;
    int status;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    for (; *argv && **argv == '@'; argv++)
        posix_spawn_file_actions_addopen(&actions, atoi(*argv + 1), strchr(*argv, '=') + 1, O_RDONLY, 0);
    uint64_t begin = measure_now();
    int error = posix_spawn(&pid, argv[0], &actions, NULL, argv, environment);
    if (error) { fprintf(stderr, "measure: %s: %s\n", argv[0], strerror(error)); return -1; }
    while (wait4(pid, &status, 0, &usage) < 0 && errno == EINTR) {}
    sample->wall = sample->inner = measure_now() - begin;
    sample->cpu = nanoseconds(usage.ru_utime) + nanoseconds(usage.ru_stime);
    posix_spawn_file_actions_destroy(&actions);
    if (status) fprintf(stderr, "measure: %s: wait status 0x%x\n", argv[0], status);
    return status ? -1 : 0;
}

static int launch_floor(struct worker *worker, struct sample *sample) {
    uint64_t answer[2 + MOMENTS], begin = measure_now();
    if (write(worker->socket, "", 1) != 1 || read(worker->socket, answer, sizeof answer) != (ssize_t)sizeof answer) return -1;
    *sample = (struct sample){.wall = measure_now() - begin, .inner = answer[1]};
    for (int i = 0; i + 1 < MOMENTS; i++) sample->phase[i] = answer[3 + i] - answer[2 + i];
    return answer[0] ? -1 : 0;
}

// Asks the resident launcher as the agent does: a connection per task; "started ...", later "ended CODE SIGNAL".
static int launch_served(struct worker *worker, struct sample *sample) {
    char answer[600];
    ssize_t n = 0;
    int code = -1;
    for (int i = 0; i < worker->serials; i++) write_serial(worker->serial[i], worker->sequence);
    uint64_t begin = measure_now();
    int client = connect_to(worker->word[2], SOCK_SEQPACKET);
    if (client < 0) return -1;
    if (send(client, worker->request, worker->request_bytes, MSG_NOSIGNAL) != (ssize_t)worker->request_bytes) perror("measure: send");
    while ((n = recv(client, answer, sizeof answer - 1, 0)) > 0) {
        answer[n] = 0;
        char *end = strstr(answer, "ended ");
        if (end && sscanf(end, "ended %d", &code) == 1) break;
        if (strncmp(answer, "started ", 8)) fprintf(stderr, "measure: serve: %s", answer);
    }
    *sample = (struct sample){.wall = measure_now() - begin};
    close(client);
    return code ? -1 : 0;
}

int worker_launch(struct worker *worker, struct sample *sample) {
    worker->sequence++;
    if (worker->fresh && worker->sequence > worker->ahead) make_fresh(worker, worker->sequence);
    int result = is_kind(worker, "floor") ? launch_floor(worker, sample)
                 : is_kind(worker, "serve") ? launch_served(worker, sample) : launch_command(worker, sample);
    if (!result && worker->fresh && !worker->ahead) remove_fresh(worker, worker->sequence);
    return result;
}
