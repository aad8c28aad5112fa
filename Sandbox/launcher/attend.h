// The resident launcher's child: a supervisor that waits with a spare jail, serves one request and stays with its task.
#pragma once
#include <stdint.h>

// What a child tells the resident launcher.
struct attend_message {
    enum { ATTEND_TAKEN = 1,  // a client came: another child is wanted
           ATTEND_UNABLE,     // this child could not make a spare, and ends
           ATTEND_NETWORK     // a network namespace comes back, as a descriptor with the message
    } kind;
    int pid;
};

struct attend {
    int resident;       // pid of the resident launcher
    int listener;       // clients come here, to whichever child is free
    int office;         // datagrams to the resident launcher
    int host_mounts;
    int net_namespace;  // or -1
    int makes_spare;    // 0 where the kernel builds no detached roots: every task then gets its init when it comes
};

_Noreturn void attend_run(const struct attend *attend);
