// One candidate of the benchmark, and a worker that launches it again and again.
#pragma once
#include <stddef.h>
#include <stdint.h>

#define WORDS_MAX 200
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
    char *fresh;  // one of the words, or NULL
    int socket;
    char *plan;
    size_t plan_bytes;
    uint64_t sequence;
};

uint64_t measure_now(void);
// 0, or -1 with a message printed.
int worker_open(struct worker *worker, const struct candidate *candidate, int number);
int worker_launch(struct worker *worker, struct sample *sample);
void worker_close(struct worker *worker);
