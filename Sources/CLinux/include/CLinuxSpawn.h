// Starting a program the safe way for a multithreaded Swift process: posix_spawn, which never copies the address space.
#pragma once
#include <sys/types.h>

// Starts `path` in a session of its own with the given descriptors as 0, 1 and 2 and no other, all signals at their
// default and unblocked (Dispatch's threads block nearly all of them, and a child would inherit that).
// Returns 0 and sets *pid, or an errno.
int clinux_spawn(const char *path, char *const argv[], char *const envp[], int in, int out, int err, pid_t *pid);

// pidfd_send_signal(2): reaches the very process that the descriptor stands for, never a later one of the same number.
// Returns 0 or an errno.
int clinux_pidfd_send_signal(int pidfd, int signal);
