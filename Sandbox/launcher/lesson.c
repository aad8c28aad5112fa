// See lesson.h. A table without order: a program calls a hundred kinds, and learning costs a switch of processes per call anyway.
#define _GNU_SOURCE
#include "lesson.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define KINDS_MAX 2048
// Of one call with its arguments; a program that asks more ioctls than this gets them all.
#define KINDS_PER_CALL_MAX 128
#define ARGUMENTS_MAX 3

struct kind {
    int number, arguments, any;
    uint32_t argument[ARGUMENTS_MAX];
    uint64_t count;
};

struct lesson {
    uint32_t kinds, lost;
    struct kind kind[KINDS_MAX];
};

// Calls whose first arguments say what they do; their low 32 bits, which is what the kernel looks at.
static const struct { int number, first, count; } inspected[] = {
    {SYS_socket, 0, 3}, {SYS_socketpair, 0, 3}, {SYS_clone, 0, 1}, {SYS_ioctl, 1, 1}, {SYS_prctl, 0, 1}, {SYS_personality, 0, 1},
};

struct lesson *lesson_new(void) { return calloc(1, sizeof(struct lesson)); }

void lesson_note(struct lesson *lesson, const struct seccomp_data *call) {
    struct kind seen = {.number = call->nr, .count = 1};
    for (size_t i = 0; i < sizeof inspected / sizeof *inspected; i++) {
        if (inspected[i].number != call->nr) continue;
        seen.arguments = inspected[i].count;
        for (int a = 0; a < seen.arguments; a++) seen.argument[a] = (uint32_t)call->args[inspected[i].first + a];
    }
    uint32_t alike = 0;
    for (uint32_t i = 0; i < lesson->kinds; i++) {
        struct kind *known = &lesson->kind[i];
        if (known->number != seen.number) continue;
        if (known->any || !memcmp(known->argument, seen.argument, sizeof seen.argument)) { known->count++; return; }
        alike++;
    }
    if (lesson->kinds == KINDS_MAX) { lesson->lost++; return; }
    if (alike >= KINDS_PER_CALL_MAX) { seen.any = 1; seen.arguments = 0; }
    lesson->kind[lesson->kinds++] = seen;
}

int lesson_write(const struct lesson *lesson, const char *path) {
    int fd = openat(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
    if (!file) return -1;
    fputs("swiftlet-lesson 1\n", file);
    for (uint32_t i = 0; i < lesson->kinds; i++) {
        const struct kind *k = &lesson->kind[i];
        fprintf(file, "%d %llu", k->number, (unsigned long long)k->count);
        for (int a = 0; a < k->arguments; a++) fprintf(file, " %x", k->argument[a]);
        fputs(k->any ? " any\n" : "\n", file);
    }
    fputs(lesson->lost ? "lost\n" : "end\n", file);
    int bad = ferror(file);
    return fclose(file) || bad ? -1 : 0;
}
