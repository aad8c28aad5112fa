// Log pump: one read, one timestamp, one writev for up to LINES_PER_WRITE lines.
#define _GNU_SOURCE
#include "log.h"
#include "timestamp.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define LINES_PER_WRITE 64

struct batch {
    char full[64], part[64];  // "TIME stdout F " and "... P "
    size_t prefix;
    int count;
    size_t bytes;
    struct iovec piece[3 * LINES_PER_WRITE + 1];
};

int log_open(struct log_file *log, const char *path, uint64_t limit) {
    if ((size_t)snprintf(log->path, sizeof log->path, "%s", path) >= sizeof log->path - 2) {
        errno = ENAMETOOLONG;
        return -1;
    }
    log->limit = limit;
    log->fd = openat(AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0640);  // a fifo must not hold us
    struct stat info;
    if (log->fd < 0 || fstat(log->fd, &info) < 0) return -1;
    if (!S_ISREG(info.st_mode)) {
        errno = EINVAL;
        return -1;
    }
    log->size = (uint64_t)info.st_size;
    return 0;
}

// The newest two files are kept: a flood costs at most twice the limit, whoever reads or does not read.
static void rotate(struct log_file *log) {
    char old[sizeof log->path + 2];
    snprintf(old, sizeof old, "%s.1", log->path);
    if (rename(log->path, old) < 0) {
        // Something is in the way: the bound holds all the same, at the price of the oldest lines.
        if (ftruncate(log->fd, 0) == 0) { log->dropped += log->size; log->size = 0; }
        return;
    }
    int fd = openat(AT_FDCWD, log->path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (fd < 0) return;
    close(log->fd);
    log->fd = fd;
    log->size = 0;
    log->torn = 0;
}

static void flush(struct log_file *log, struct batch *batch) {
    if (!batch->count) return;
    if (log->limit && log->size && log->size + batch->bytes > log->limit) rotate(log);
    if (log->torn && write(log->fd, "\n", 1) == 1) { log->torn = 0; log->size++; }
    ssize_t n = log->torn ? 0 : writev(log->fd, batch->piece, batch->count);
    if (n < 0) n = 0;
    log->size += (uint64_t)n;
    log->total += (uint64_t)n;
    if ((size_t)n < batch->bytes) {
        log->dropped += batch->bytes - (size_t)n;
        log->torn = log->torn || n > 0;
    }
    batch->count = 0;
    batch->bytes = 0;
}

static void add(struct batch *batch, const char *bytes, size_t length) {
    batch->piece[batch->count++] = (struct iovec){(void *)(uintptr_t)bytes, length};
    batch->bytes += length;
}

static void add_line(struct log_file *log, struct batch *batch, const char *line, size_t length, int full) {
    if (batch->count > 3 * (LINES_PER_WRITE - 1)) flush(log, batch);
    add(batch, full ? batch->full : batch->part, batch->prefix);
    if (length) add(batch, line, length);
    add(batch, "\n", 1);
}

static void start(struct batch *batch, const char *stream) {
    char time[TIMESTAMP_BYTES];
    timestamp_format(time, timestamp_now());
    batch->prefix = (size_t)snprintf(batch->full, sizeof batch->full, "%s %s F ", time, stream);
    snprintf(batch->part, sizeof batch->part, "%s %s P ", time, stream);
    batch->count = 0;
    batch->bytes = 0;
}

int log_pump(struct log_file *log, struct log_stream *stream) {
    ssize_t n = read(stream->fd, stream->bytes + stream->filled, LOG_LINE_MAX - stream->filled);
    if (n < 0) return -1;
    if (n == 0) return 0;
    struct batch batch;
    start(&batch, stream->name);
    size_t end = stream->filled + (size_t)n, line = 0;
    char *newline;
    while ((newline = memchr(stream->bytes + line, '\n', end - line))) {
        size_t length = (size_t)(newline - stream->bytes) - line;
        add_line(log, &batch, stream->bytes + line, length, 1);
        line += length + 1;
    }
    if (line == 0 && end == LOG_LINE_MAX) {
        add_line(log, &batch, stream->bytes, end, 0);
        line = end;
    }
    flush(log, &batch);
    stream->filled = end - line;
    if (line) memmove(stream->bytes, stream->bytes + line, stream->filled);
    return (int)n;
}

void log_finish(struct log_file *log, struct log_stream *stream) {
    if (stream->filled) {
        struct batch batch;
        start(&batch, stream->name);
        add_line(log, &batch, stream->bytes, stream->filled, 1);
        flush(log, &batch);
        stream->filled = 0;
    }
    close(stream->fd);
    stream->fd = -1;
}
