// Line-wise mutations: repeat, move, drop a line; mutate one word only.
#include "lines.h"

#include <string.h>

static unsigned int state;

static size_t below(size_t bound) {
    state = state * 1664525u + 1013904223u;
    return bound ? (size_t)(state >> 8) % bound : 0;
}

struct span { size_t from, length; };  // a line with its end, or a word without

static struct span line_around(const uint8_t *data, size_t size, size_t at) {
    size_t from = at, to = at;
    while (from > 0 && data[from - 1] != '\n') from--;
    while (to < size && data[to] != '\n') to++;
    return (struct span){from, (to < size ? to + 1 : to) - from};
}

static struct span word_around(const uint8_t *data, size_t size, size_t at) {
    size_t from = at, to = at;
    while (from > 0 && data[from - 1] != '\n' && data[from - 1] != ' ') from--;
    while (to < size && data[to] != '\n' && data[to] != ' ') to++;
    return (struct span){from, to - from};
}

// Replaces a span by other bytes; gives up (same size) when there is no room.
static size_t replace(uint8_t *data, size_t size, size_t max_size, struct span old, const uint8_t *bytes, size_t length) {
    if (size - old.length + length > max_size) return size;
    memmove(data + old.from + length, data + old.from + old.length, size - old.from - old.length);
    if (length) memcpy(data + old.from, bytes, length);
    return size - old.length + length;
}

static size_t mutate_word(uint8_t *data, size_t size, size_t max_size) {
    uint8_t word[512];
    struct span old = word_around(data, size, below(size));
    size_t length = old.length < sizeof word / 2 ? old.length : sizeof word / 2;
    memcpy(word, data + old.from, length);
    length = LLVMFuzzerMutate(word, length, sizeof word);
    return replace(data, size, max_size, old, word, length);
}

size_t lines_mutate(uint8_t *data, size_t size, size_t max_size, unsigned int seed) {
    uint8_t copy[1024];
    state = seed;
    if (size < 2 || below(2)) return LLVMFuzzerMutate(data, size, max_size);
    struct span line = line_around(data, size, below(size)), other = line_around(data, size, below(size));
    size_t length = line.length < sizeof copy ? line.length : sizeof copy;
    memcpy(copy, data + line.from, length);
    switch (below(4)) {
    case 0: return replace(data, size, max_size, line, NULL, 0);
    case 1: return replace(data, size, max_size, (struct span){other.from, 0}, copy, length);
    case 2: return replace(data, size, max_size, other, copy, length);
    default: return mutate_word(data, size, max_size);
    }
}
