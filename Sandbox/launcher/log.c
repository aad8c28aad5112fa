// Log pump: one read, one timestamp, one writev for up to LINES_PER_WRITE lines.
#define _GNU_SOURCE
#include "log.h"
#include "attach.h"
#include "text.h"
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
    int64_t time;
    size_t bytes;
    struct iovec piece[3 * LINES_PER_WRITE + 1];
};

#define NAME_MAX_BYTES (sizeof ((struct log_file *)0)->path + 32)

// A fifo in the place must not hold us, a link not lead us elsewhere. The descriptor, or -1 with errno.
static int open_regular(const char *path, int flags, struct stat *info) {
    int fd = openat(AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | flags, 0640);
    if (fd < 0) return -1;
    if (flags & O_EXCL) {  // it is new, and so an empty file
        memset(info, 0, sizeof *info);
        return fd;
    }
    if (fstat(fd, info) == 0 && S_ISREG(info->st_mode)) return fd;
    close(fd);
    errno = EINVAL;
    return -1;
}

// The file at its path, new or not.
static int open_file(struct log_file *log) {
    struct stat info;
    log->fd = open_regular(log->path, O_EXCL, &info);
    if (log->fd < 0 && errno == EEXIST) log->fd = open_regular(log->path, 0, &info);
    if (log->fd < 0) return -1;
    log->size = (uint64_t)info.st_size;
    log->began = log->size ? timestamp_now() : 0;
    return 0;
}

// Those above the file. Whoever reads logs may enter them, whatever the umask.
static int make_directories(char *path) {
    char *slash = strrchr(path, '/');
    if (!slash || slash == path) return 0;
    *slash = 0;
    int made = mkdir(path, 0755);
    if (made < 0 && errno == ENOENT && make_directories(path) == 0) made = mkdir(path, 0755);
    if (made == 0) made = chmod(path, 0755);
    else if (errno == EEXIST) made = 0;
    *slash = '/';
    return made;
}

static void open_late(struct log_file *log) {
    if (open_file(log) < 0 && errno == ENOENT && make_directories(log->path) == 0) open_file(log);
}

int log_open(struct log_file *log, const char *path, struct log_bounds bounds, int late) {
    struct text own = text_begin(log->path, sizeof log->path);
    text_put(&own, path);
    if (text_end(&own) < 0) return -1;
    log->limit = bounds.bytes;
    log->files = bounds.files ? bounds.files : 1;
    log->age = bounds.seconds < INT64_MAX / 1000000000 ? (int64_t)bounds.seconds * 1000000000 : 0;
    log->late = late;
    return late ? 0 : open_file(log);
}

static void go_on_in(struct log_file *log, int fd, uint64_t size) {
    close(log->fd);
    log->fd = fd;
    log->size = size;
    log->began = size ? timestamp_now() : 0;
    log->torn = 0;
}

// Whoever keeps logs may have compressed it meanwhile.
static void remove_rotated(const struct log_file *log, uint64_t number) {
    char name[NAME_MAX_BYTES];
    snprintf(name, sizeof name, "%s.%llu", log->path, (unsigned long long)number);
    unlink(name);
    snprintf(name, sizeof name, "%s.%llu.gz", log->path, (unsigned long long)number);
    unlink(name);
}

// The newest files are kept: a flood costs at most their number times the limit, whoever reads or does not read. A rotated file keeps
// its number for good, so that a reader never finds another file under a name that it has seen.
static void rotate(struct log_file *log) {
    char old[NAME_MAX_BYTES];
    struct stat info;
    snprintf(old, sizeof old, "%s.%llu", log->path, (unsigned long long)log->rotations + 1);
    if (log->files < 2 || rename(log->path, old) < 0) {
        // Something is in the way: the bound holds all the same, at the price of the oldest lines.
        if (ftruncate(log->fd, 0) == 0) { log->dropped += log->size; log->size = 0; log->began = 0; }
        return;
    }
    log->rotations++;
    if (log->rotations >= log->files) remove_rotated(log, log->rotations - log->files + 1);
    int fd = open_regular(log->path, O_EXCL, &info);
    if (fd >= 0) go_on_in(log, fd, 0);
}

static int is_too_old(const struct log_file *log, int64_t now) { return log->age && log->began && now - log->began >= log->age; }

void log_reopen(struct log_file *log) {
    struct stat own, named;
    if (log->fd < 0 || fstat(log->fd, &own) < 0) return;
    if (lstat(log->path, &named) == 0 && named.st_ino == own.st_ino && named.st_dev == own.st_dev) {
        if (is_too_old(log, timestamp_now())) rotate(log);
        return;
    }
    int fd = open_regular(log->path, 0, &named);
    if (fd >= 0) go_on_in(log, fd, (uint64_t)named.st_size);
}

static void flush(struct log_file *log, struct batch *batch) {
    if (!batch->count) return;
    if (log->fd < 0 && log->late) open_late(log);
    if ((log->limit && log->size && log->size + batch->bytes > log->limit) || is_too_old(log, batch->time)) rotate(log);
    if (!log->began && log->fd >= 0) log->began = batch->time;
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
    batch->time = timestamp_now();
    timestamp_format(time, batch->time);
    batch->prefix = (size_t)snprintf(batch->full, sizeof batch->full, "%s %s F ", time, stream);
    snprintf(batch->part, sizeof batch->part, "%s %s P ", time, stream);
    batch->count = 0;
    batch->bytes = 0;
}

int log_pump(struct log_file *log, struct log_stream *stream) {
    ssize_t n = read(stream->fd, stream->bytes + stream->filled, LOG_LINE_MAX - stream->filled);
    if (n < 0) return -1;
    if (n == 0) return 0;
    if (stream->attach) attach_output(stream->attach, stream->channel, stream->bytes + stream->filled, (size_t)n);
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
