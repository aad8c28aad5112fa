// A program that does not see a mount.
#pragma once

// Does not return when the program was started; 127.
int hide(const char *path, char **program);
