// What a client says to the resident launcher and hears from it (Sandbox/README.md, "The resident launcher").
#pragma once
#include "plan.h"

#include <sys/types.h>

struct request {
    char directory[4096];
    struct plan_error error;
    struct plan *plan;  // NULL when it is refused: `error` says why
};

// Receives one request from a client that is allowed to ask. 0 when `directory` is set, -1 when there is none.
int request_receive(int client, struct request *request);

// One message; a client that is gone does not matter.
void request_answer(int client, const char *format, ...) __attribute__((format(printf, 2, 3)));
