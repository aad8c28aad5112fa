// Mounts that most tasks have, made by an init that waits for its plan. They are its own: nobody else ever has them.
#pragma once

// What the last plan asked of /proc, as it said it: the next one will, as a rule.
#define MOUNTS_AHEAD_OPTIONS 64

// Makes a proc file system of the present pid namespace with these options, and a copy of the host's /dev/null. What cannot be made
// is not there.
void mounts_make_ahead(const char *proc_options);

// The one that was made, which is the caller's then; -1: none, or it was made otherwise.
int mounts_take_proc(const char *options);
int mounts_take_null(void);

// What no plan asked for goes.
void mounts_drop_ahead(void);
