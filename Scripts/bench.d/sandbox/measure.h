// One candidate of the benchmark, and a worker that launches it again and again.
#pragma once
#include <stddef.h>
#include <stdint.h>

#define WORDS_MAX 200
#define SERIALS_MAX 64
#define MOMENTS 10  // of the floor: enum floor_moment

struct candidate {
    char *word[WORDS_MAX];  // name, kind, the kind's words
    int words;
};

struct sample {
    uint64_t wall;   // ns from asking to knowing the end
    uint64_t inner;  // ns as the resident floor measured itself; else wall
    uint64_t phase[MOMENTS - 1];  // of the resident floor, between its moments
    uint64_t cpu;    // ns of the processes that were waited for; 0 when the candidate is a server
};

struct worker {
    const struct candidate *candidate;
    char *word[WORDS_MAX];  // with %w replaced
    char *fresh;       // one of the words, or NULL: the directory that is new for every launch, with "@SERIAL@" where its number goes
    char place[512];   // that of this launch
    uint64_t ahead;    // so many of them are made before the clock runs, and removed when it has stopped; 0: each around its launch
    int socket;
    char *request;     // to a resident launcher, whole, of the launch before
    size_t request_bytes;
    char *serial[SERIALS_MAX];  // where the launch's number stands in it
    int serials;
    uint64_t sequence;
};

uint64_t measure_now(void);
// 0, or -1 with a message printed.
// `ahead`: directories to make now, for who launches without a pause to make them in.
int worker_open(struct worker *worker, const struct candidate *candidate, int number, uint64_t ahead);
int worker_launch(struct worker *worker, struct sample *sample);
void worker_close(struct worker *worker);
