// The task's output as a CRI log: "2026-11-21T04:00:00.123456789Z stdout F line".
#pragma once
#include <stddef.h>
#include <stdint.h>

// A longer line is written in parts tagged P, the last one F (CRI's own bound).
#define LOG_LINE_MAX 16384

struct log_file {
    char path[1024];
    int fd;
    uint64_t limit;    // bytes of one file; 0: no limit. At the limit the file becomes PATH.NUMBER, counted from 1.
    uint64_t files;    // so many are kept, the present one among them; at least 1
    int64_t age;       // nanoseconds after its first line at which a file is full too; 0: never
    int64_t began;     // time of the present file's first line; 0: it is empty
    uint64_t rotations;
    uint64_t size;     // bytes in the present file
    uint64_t total;    // bytes written in all
    uint64_t dropped;  // bytes of output that could not be written (disk full)
    int torn;          // the last write stopped inside a line
    int late;          // nothing is there before the first line; fd is -1 until then
};

struct log_stream {
    int fd;            // read end of a pipe, non-blocking; -1 after its end
    const char *name;  // "stdout" or "stderr"
    size_t filled;
    char *bytes;       // LOG_LINE_MAX of them; apart, so that a stream that nobody writes to costs no page
    struct attach *attach;  // who hears it too (attach.h); or NULL
    int channel;
};

// What bounds a log.
struct log_bounds { uint64_t bytes, files, seconds; };

// 0, or -1 with errno. `late`: file and directories are made with the first line. What cannot be made then is tried again with the next, and
// the line counts as dropped: a full disk is no reason to end a task.
int log_open(struct log_file *log, const char *path, struct log_bounds bounds, int late);

// Somebody moved the file away: goes on in a new one at its path. Else begins a new one if the present one is too old.
void log_reopen(struct log_file *log);

// Reads once and writes the complete lines. Returns bytes read, 0 at the end of the stream, -1 when nothing is there.
int log_pump(struct log_file *log, struct log_stream *stream);

// Writes what is left of an unfinished line and closes the stream.
void log_finish(struct log_file *log, struct log_stream *stream);
