// What a client says to the resident launcher and hears from it (Sandbox/README.md, "The resident launcher").
#pragma once
#include "plan.h"
#include "text.h"

#include <sys/types.h>

struct request {
    struct plan *plan;  // NULL when it is refused: `error` says why
    struct plan_error error;
    char directory[4096];  // last, as most of it is never touched
};

// Receives one request from a client that is allowed to ask. 0 when `directory` is set, -1 when there is none. `slow` is called with
// `argument` when the client lets wait.
struct task;
int request_receive(int client, struct request *request, void (*slow)(struct task *), struct task *argument);

// Gives the memory for messages back.
void request_release(void);

// One message, as much of it as has room. 0 when the client is gone, which need not matter.
int request_answer(int client, struct text *text);
