// Proleptic Gregorian calendar from days since 1970-01-01 (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
#define _GNU_SOURCE
#include "timestamp.h"

#include <stdio.h>
#include <time.h>

int64_t timestamp_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t timestamp_monotonic_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void timestamp_format(char text[TIMESTAMP_BYTES], int64_t nanoseconds) {
    int64_t seconds = nanoseconds / 1000000000, days = seconds / 86400, second = seconds % 86400;
    int64_t z = days + 719468, era = z / 146097;
    unsigned day_of_era = (unsigned)(z - era * 146097);
    unsigned year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    unsigned day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    unsigned shifted = (5 * day_of_year + 2) / 153;
    unsigned day = day_of_year - (153 * shifted + 2) / 5 + 1, month = shifted < 10 ? shifted + 3 : shifted - 9;
    unsigned year = (unsigned)(era * 400) + year_of_era + (month <= 2);
    snprintf(text, TIMESTAMP_BYTES, "%04u-%02u-%02uT%02u:%02u:%02u.%09uZ", year % 10000, month % 100, day % 100,
             (unsigned)(second / 3600) % 100, (unsigned)(second / 60 % 60), (unsigned)(second % 60),
             (unsigned)(nanoseconds % 1000000000) % 1000000000);
}
