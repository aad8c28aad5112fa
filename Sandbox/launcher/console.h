// A pseudo terminal of the container's own: its master goes to the caller, its slave becomes the standard descriptors.
#pragma once
#include "plan.h"

// Connects to the socket that `terminal` names, while the host's paths are there; -1 when the plan has no terminal.
int console_connect(const struct plan *plan);

// For a container whose processes are there already and that may have no terminals: gets one ready that is mounted nowhere. To be
// called with the host's powers.
void console_prepare(void);

// Inside the new root: opens /dev/ptmx there (or takes what was prepared), sends the master, makes the slave this session's controlling terminal and
// descriptors 0 to 2. With `bind` it is also bound on /dev/console. Ends the set-up when that fails.
void console_take(const struct plan *plan, int socket, int bind);

// The other side: the master that came over the socket, or -1 with errno. Does not wait.
int console_receive(int socket);

// For a runtime that makes the terminal by itself and sends its master (runc's --console-socket): a name short enough for a socket's.
struct console_socket {
    int listener;  // or -1
    char path[64];
};

// 0 or -1 with errno.
int console_socket_open(struct console_socket *console);
// To be called when the runtime is through: the connection that it made, or -1. The socket is gone afterwards.
int console_socket_take(struct console_socket *console);
