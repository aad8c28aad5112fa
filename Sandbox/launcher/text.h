// Text put together in a bounded place. Without printf(3), which took a tenth of the time of a short task's supervisor.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>

// `end`: where the NUL of a text that fills its place lies.
struct text { char *place, *at, *end; int is_cut; };

static inline struct text text_begin(char *place, size_t bytes) { return (struct text){place, place, place + bytes - 1, 0}; }

// What does not fit; text_end tells of it.
void text_put_part(struct text *text, const char *bytes, size_t length);

static inline void text_put_bytes(struct text *text, const char *bytes, size_t length) {
    if (length > (size_t)(text->end - text->at)) {
        text_put_part(text, bytes, length);
        return;
    }
    memcpy(text->at, bytes, length);
    text->at += length;
}

// Here, so that of a text that the compiler knows it knows the length too.
static inline __attribute__((always_inline)) void text_put(struct text *text, const char *bytes) {
    text_put_bytes(text, bytes, strlen(bytes));
}

void text_put_integer(struct text *text, int64_t value);

// The text's length, with a NUL behind it; -1 with ENAMETOOLONG, and its first part, when it did not fit.
ptrdiff_t text_end(struct text *text);

// "/proc/PID/NAME"
void text_process_path(char *place, size_t bytes, int pid, const char *name);
