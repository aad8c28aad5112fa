// Linux calls that Swift's Glibc module lacks: thin wrappers, no policy.
#pragma once
#include <sys/types.h>
int clinux_pidfd_open(pid_t pid, unsigned flags);
