// `swiftlet-sandbox create`: an OCI container's process, without a supervisor. The process becomes the child of the
// caller (or of whom the caller leaves its children to), as engines expect that wait for it by its pid.
#pragma once

// Carries out the plan. `sync` is a SOCK_SEQPACKET descriptor to the caller, by which go, each as one message:
//   'P' and the process's pid in decimal, as this machine's pid namespace has it, before anything else;
//   'H' when the caller is to run its hooks; it answers with one byte, or closes the socket to give up;
//   'R' when the process waits at its gate;
//   a `struct failure` when a stage failed. End of file without one means that exec succeeded.
// Returns the exit status of this process: 0 when the process was started.
int create(const char *plan_path, int sync);
