// The slim mount namespace: one empty read-only file system, so that copying it costs the same on every host.
#pragma once

// Puts this process into a new slim mount namespace. 0, or -1 with errno.
int slim_enter(void);

// Whether this kernel mounts on trees that are attached nowhere (Linux 6.15), which the spares' roots are built with.
int slim_builds_detached(void);
