// Measures launches of several candidates in one run. Reads candidates from stdin, one a line, words separated by tabs:
//   NAME spawn [@FD=FILE...] PROGRAM ARGUMENT...    from posix_spawn to the return of wait4
//   NAME floor SOCKET                               from the request to the answer of `floor resident`
//   NAME serve SOCKET PLAN STATE_DIR                the same of `swiftlet-sandbox serve`
// %w in a word becomes the worker's number; +PATH is a directory made anew for each launch. Then
//   measure rounds N GAP_MS        round by round over all candidates: lines NAME WALL_NS INNER_NS CPU_NS [PHASE_NS...]
//   measure parallel P SECONDS     one candidate after the other, P launches in flight: lines NAME LAUNCHES WALL_NS CPU_NS
// A launch that fails is said with its name and not counted; too many end the run with status 1. BALLAST_MB: so much touched memory in this process.
#define _GNU_SOURCE
#include "measure.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define CANDIDATES_MAX 32
#define WORKERS_MAX 64
#define FAILURES_MAX 3  // over all candidates
#define AHEAD_PER_LANE 512

static struct candidate candidate[CANDIDATES_MAX];
static int candidates;

uint64_t measure_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void sleep_ms(long ms) {
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    while (nanosleep(&t, &t) < 0 && errno == EINTR) {}
}

static void read_candidates(void) {
    static char line[1 << 16];
    while (fgets(line, sizeof line, stdin) && candidates < CANDIDATES_MAX) {
        struct candidate *c = &candidate[candidates];
        line[strcspn(line, "\n")] = 0;
        char *rest = strdup(line), *word;
        for (c->words = 0; (word = strsep(&rest, "\t")) && c->words < WORDS_MAX - 1;) c->word[c->words++] = word;
        if (c->words >= 3) candidates++;
    }
}

static void print_sample(const char *name, const struct sample *s) {
    printf("%s\t%llu\t%llu\t%llu", name, (unsigned long long)s->wall, (unsigned long long)s->inner, (unsigned long long)s->cpu);
    for (int i = 0; s->phase[0] && i + 1 < MOMENTS; i++) printf("\t%llu", (unsigned long long)s->phase[i]);
    putchar('\n');
}

static int rounds(int count, long gap_ms) {
    int failures = 0;
    static struct worker worker[CANDIDATES_MAX];
    for (int i = 0; i < candidates; i++)
        if (worker_open(&worker[i], &candidate[i], 0, 0) < 0) return 1;
    for (int round = -2; round < count; round++)  // two to warm up
        for (int i = 0; i < candidates; i++) {
            struct sample s;
            if (gap_ms) sleep_ms(gap_ms);
            if (worker_launch(&worker[i], &s) < 0) {
                fprintf(stderr, "measure: %s failed\n", candidate[i].word[0]);
                if (++failures > FAILURES_MAX) return 1;
            } else if (round >= 0) print_sample(candidate[i].word[0], &s);
        }
    for (int i = 0; i < candidates; i++) worker_close(&worker[i]);
    return 0;
}

static atomic_int running;
static struct { struct worker worker; uint64_t launches, cpu; int failed; } lane[WORKERS_MAX];

static void *run_lane(void *argument) {
    long n = (long)argument;
    struct sample s;
    while (!atomic_load(&running)) usleep(100);
    while (atomic_load(&running) == 1) {
        if (worker_launch(&lane[n].worker, &s) < 0) { lane[n].failed = 1; break; }
        lane[n].launches++;
        lane[n].cpu += s.cpu;
    }
    return NULL;
}

static int parallel(int count, double seconds) {
    for (int i = 0; i < candidates; i++) {
        pthread_t thread[WORKERS_MAX];
        memset(lane, 0, sizeof lane);
        atomic_store(&running, 0);
        for (long n = 0; n < count; n++) {
            if (worker_open(&lane[n].worker, &candidate[i], (int)n, AHEAD_PER_LANE) < 0) return 1;
            if (pthread_create(&thread[n], NULL, run_lane, (void *)n)) return 1;
        }
        uint64_t begin = measure_now(), launches = 0, cpu = 0;
        int failed = 0;
        atomic_store(&running, 1);
        sleep_ms((long)(seconds * 1000));
        atomic_store(&running, 2);
        for (int n = 0; n < count; n++) {
            pthread_join(thread[n], NULL);
            launches += lane[n].launches, cpu += lane[n].cpu, failed += lane[n].failed;
        }
        uint64_t wall = measure_now() - begin;
        for (int n = 0; n < count; n++) worker_close(&lane[n].worker);
        if (failed) { fprintf(stderr, "measure: %s failed in %d of %d lanes\n", candidate[i].word[0], failed, count); return 1; }
        printf("%s\t%llu\t%llu\t%llu\n", candidate[i].word[0], (unsigned long long)launches, (unsigned long long)wall,
               (unsigned long long)cpu);
    }
    return 0;
}

static void take_ballast(void) {
    const char *text = getenv("BALLAST_MB");
    size_t bytes = text ? (size_t)atol(text) << 20 : 0;
    if (!bytes) return;
    char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) { perror("ballast"); exit(1); }
    madvise(memory, bytes, MADV_NOHUGEPAGE);  // as a heap that grew in small steps
    for (size_t i = 0; i < bytes; i += 4096) memory[i] = 1;
}

int main(int argc, char **argv) {
    if (argc != 4) { fputs("measure: see the first lines of measure.c\n", stderr); return 64; }
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    signal(SIGPIPE, SIG_IGN);
    take_ballast();
    read_candidates();
    int count = atoi(argv[2]);
    if (!strcmp(argv[1], "rounds") && count > 0) return rounds(count, atol(argv[3]));
    if (!strcmp(argv[1], "parallel") && count > 0 && count <= WORKERS_MAX) return parallel(count, atof(argv[3]));
    return 64;
}
