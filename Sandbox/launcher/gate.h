// The gate between `create` and `start`: a unix socket in the container's state directory.
#pragma once

// Host side, before the clone: listens at `path`, an absolute path of any length. The descriptor, or -1 with errno.
int gate_listen(const char *path);

// From now on until gate_wait comes back, who is told to end ends.
void gate_heed_signals(void);

// The container's process: waits for a caller who sends one byte, however long that takes. Returns the connection: stage
// failures go there from now on, and its end of file says that exec succeeded. A caller who leaves without a byte ends the
// process: the caller has taken the socket's name away by then, so nobody else could come.
int gate_wait(int listener);
