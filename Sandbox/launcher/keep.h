// Closing whatever was inherited or is no longer needed.
#pragma once

// Closes every descriptor above 2 but these; sorts them. Negative ones are passed over.
void keep_only(int *kept, int count);

// Closes it when some more have come, or leaves that to keep_only, exec or the process's end: for what hinders nobody meanwhile.
void close_soon(int descriptor);

// Closes these, neighbours in one call; sorts them. Negative ones are passed over.
void close_all(int *gone, int count);
