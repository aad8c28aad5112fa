// The resident launcher's child: a supervisor that waits with a spare jail, serves a request and stays with its task. After a task
// that ended at once, in front of a client that stayed to hear it, it waits again.
#pragma once
#include "netpool.h"

// The most children that the resident launcher knows at a time.
#define ATTEND_MAX 64

// What each of them does, in memory that all share. A child writes its own word, the resident launcher those of the dead.
enum attend_state { ATTEND_ABSENT, ATTEND_COMING, ATTEND_WAITING, ATTEND_BUSY };
struct attend_board {
    int state[ATTEND_MAX];
    uint32_t served;  // clients that were taken
    int is_crowded;   // the resident launcher makes no more children for now, and looks again by itself
};

// How many of them wait for a client, or will in a moment.
int attend_waiting(const struct attend_board *board);

// What a child tells the resident launcher.
struct attend_message {
    enum { ATTEND_TAKEN = 1,  // its task lasts: this child is a child no longer
           ATTEND_SHORT,      // the last one that waited has a client now
           ATTEND_UNABLE,     // this child could not make a spare, and ends
           ATTEND_NETWORK     // a network namespace comes back: a message with the descriptors of a struct network
    } kind;
    int pid;
};

struct attend {
    int resident;       // pid of the resident launcher
    struct attend_board *board;
    int place;          // on the board
    int wanted;         // so many are to wait
    int listener;       // clients come here, to whichever child is free
    int office;         // datagrams to the resident launcher
    int host_mounts;
    struct network network;
    int makes_spare;    // 0 where the kernel builds no detached roots: every task then gets its init when it comes
};

_Noreturn void attend_run(struct attend *attend);
