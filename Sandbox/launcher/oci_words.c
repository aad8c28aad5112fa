// What a runtime says when it fails: untrusted text, made one short printable line.
#define _GNU_SOURCE
#include "oci.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORDS_MAX 2048

// The value of the last "msg" (runc, swiftlet-oci, gVisor) of a log in JSON lines, else its last line (crun's text). 0 when empty.
static int last_message(const char *log, char *words) {
    char text[8192];
    int fd = openat(AT_FDCWD, log, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) return 0;
    off_t size = lseek(fd, 0, SEEK_END);
    ssize_t n = size < 0 ? -1 : pread(fd, text, sizeof text - 1, size > (off_t)sizeof text - 1 ? size - (off_t)sizeof text + 1 : 0);
    close(fd);
    while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == ' ')) n--;
    if (n <= 0) return 0;
    text[n] = 0;
    char *line = strrchr(text, '\n'), *at = NULL, *next;
    line = line ? line + 1 : text;
    for (char *from = text; (next = strstr(from, "\"msg\"")); from = next + 5) at = next + 5;
    size_t length = 0;
    if (!at) {
        length = strnlen(line, WORDS_MAX - 1);
        memcpy(words, line, length);
    } else {
        at += strspn(at, " :");
        if (*at == '"') at++;
        for (; *at && *at != '"' && length < WORDS_MAX - 1; at++) {
            if (*at == '\\' && at[1]) at++;
            words[length++] = *at;
        }
    }
    words[length] = 0;
    return length > 0;
}

static int from_pipe(int errors, char *words) {
    struct pollfd ready = {errors, POLLIN, 0};
    if (errors < 0 || poll(&ready, 1, 0) <= 0) return 0;
    ssize_t n = read(errors, words, WORDS_MAX - 1);
    words[n > 0 ? n : 0] = 0;
    return n > 0;
}

static void make_line(char *words) {
    char *to = words;
    for (const char *from = words; *from; from++) {
        char c = *from >= ' ' && *from < 0x7f ? *from : *from == '\n' || *from == '\t' ? ' ' : '?';
        if (c != ' ' || (to > words && to[-1] != ' ')) *to++ = c;
    }
    while (to > words && to[-1] == ' ') to--;
    *to = 0;
}

static int is_about_program(const char *words, const char *program) {
    if (!*program || !strstr(words, program)) return 0;
    static const char *const signs[] = {"exec", "not found", "o such file", "ermission denied", NULL};
    for (int i = 0; signs[i]; i++)
        if (strstr(words, signs[i])) return 1;
    return 0;
}

void oci_complaint(const struct oci_runtime *runtime, const char *verb, int status, int errors, const char *program, struct failure *failure) {
    char words[WORDS_MAX] = "", log[1100];
    snprintf(log, sizeof log, "%s/runtime.log", runtime->bundle);
    if (!last_message(log, words) && !from_pipe(errors, words))
        snprintf(words, sizeof words, "%s %d, and it said nothing", WIFSIGNALED(status) ? "ended by signal" : "ended with status",
                 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    make_line(words);
    // A launcher of ours says exec(PROGRAM) itself.
    if (is_about_program(words, program) && !strstr(words, "exec(")) failure_set(failure, 0, "exec(%s): %s %s: %s", program, runtime->name, verb, words);
    else failure_set(failure, 0, "%s %s: %s", runtime->name, verb, words);
}
