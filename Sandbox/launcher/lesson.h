// What a task that is being learnt from called: numbers, and arguments where a profile could tell them apart.
#pragma once
#include <linux/seccomp.h>

struct lesson;

// NULL without memory.
struct lesson *lesson_new(void);
void lesson_note(struct lesson *lesson, const struct seccomp_data *call);

// "swiftlet-lesson 1", then a line per call: NUMBER COUNT [ARGUMENT...] in hexadecimal; "NUMBER COUNT any" when it came with more
// arguments than are kept; last "end". 0 or -1 with errno.
int lesson_write(const struct lesson *lesson, const char *path);
