// The launcher's own program as something nobody can write to: a task whose program is /proc/self/exe, or names it as its
// interpreter, runs the launcher itself, and other processes of the task then reach that file by /proc (CVE-2019-5736).
#pragma once

// Runs the launcher again from a read-only mount of its program, or from a sealed copy in memory where mounts are not permitted.
// Returns 0 when it runs from one already, -1 with errno when neither can be made. For the verbs that leave no process behind
// which runs the program: while one does, the kernel itself refuses to write to it.
int sealed_run(char **argv);
