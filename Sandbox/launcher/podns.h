// Namespaces of a pod, pinned as files.
#pragma once

// Carries out the plan's join-namespace net, hostname and sysctl lines in new ipc and uts namespaces, which are mounted as
// DIRECTORY/ipcns and DIRECTORY/utsns. 0, or 1 with the reason on standard error.
int podns_make(const char *plan_path, const char *directory);
