// The two things of the host that the set-up needs after its paths are gone: its /proc and its /dev/null. A task's own may be
// anything at all.
#pragma once

// Opens both while the host's paths are there (before a root is entered or a mount namespace joined).
void host_keep(void);

// Opens a file beneath the host's /proc; -1 with errno. `self` there means this process.
int host_proc_open(const char *name, int flags);

// A descriptor of /dev/null, for reading.
int host_null(void);

// How many processors the host can have, as asked once while its paths are there; very many where it does not say.
int host_processors(void);

// Closes what host_keep opened.
void host_release(void);
