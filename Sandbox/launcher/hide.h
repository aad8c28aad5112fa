// A program that does not see a mount, or sees other namespaces.
#pragma once

// Does not return when the program was started; 127.
int hide(const char *path, char **program);
// The same in the namespaces of these files.
int enter(int count, char **path, char **program);
