// A network namespace with a name: what a pod's containers share, and what network plugins work on.
#pragma once

// Makes a namespace with its loopback up, and pins it at `path`, a file that must not exist yet. Exit status: 0 or 1.
int netns_make(const char *path);
