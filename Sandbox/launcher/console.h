// A pseudo terminal of the container's own: its master goes to the caller, its slave becomes the standard descriptors.
#pragma once
#include "plan.h"

// Connects to the socket that `terminal` names, while the host's paths are there; -1 when the plan has no terminal.
int console_connect(const struct plan *plan);

// Inside the new root: opens /dev/ptmx there, sends the master, makes the slave this session's controlling terminal and
// descriptors 0 to 2. With `bind` it is also bound on /dev/console. Ends the set-up when that fails.
void console_take(const struct plan *plan, int socket, int bind);
