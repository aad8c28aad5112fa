// How a launch that goes wrong says where: the child writes one record into a close-on-exec pipe and exits.
// An empty pipe at end of file means that exec succeeded.
#pragma once

#define FAILURE_STAGE_BYTES 252

struct failure {
    int error;                        // errno
    char stage[FAILURE_STAGE_BYTES];  // e.g. "mount(bind /data)"
};

// Where fail() writes; set once before the clone.
extern int failure_pipe;

// Formats a stage; used by fail() and by the supervisor for its own stages.
void failure_set(struct failure *failure, int error, const char *format, ...) __attribute__((format(printf, 3, 4)));

// Reports (stage, errno) to the supervisor and ends this process. Never returns.
_Noreturn void fail(int error, const char *format, ...) __attribute__((format(printf, 2, 3)));
