// How soon the scheduler lets the launcher's processes run when they wake up on a busy machine.
#pragma once

// Short slices for this process and what it clones: it runs a moment at a time, and is let in sooner (EEVDF; Linux 6.12).
void prompt_begin(void);

// The usual slices again: what a task is given must not depend on who started it. `is_changed`: somebody has changed its scheduling since.
void prompt_end(int is_changed);
