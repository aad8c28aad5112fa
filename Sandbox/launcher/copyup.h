// Gives a new tmpfs what its place in the root held before (the OCI's `tmpcopyup`).
#pragma once

// Copies directories, regular files and symbolic links with modes, owners and times from `source` (O_PATH, a directory)
// into the detached tree `tree`. Devices, sockets and FIFOs are left out: a hostile image gets no node opened.
void copyup(int source, int tree, const char *path);
