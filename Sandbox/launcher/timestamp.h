// Unix time in nanoseconds and its RFC 3339 form, without libc's time zone machinery (it reads files and costs pages).
#pragma once
#include <stdint.h>

#define TIMESTAMP_BYTES 31  // "2026-11-21T04:00:00.123456789Z" and NUL

int64_t timestamp_now(void);
int64_t timestamp_monotonic_ms(void);
void timestamp_format(char text[TIMESTAMP_BYTES], int64_t nanoseconds);
