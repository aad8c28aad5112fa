// Closing whatever was inherited or is no longer needed.
#pragma once

// Closes every descriptor above 2 but these; sorts them. Negative ones are passed over.
void keep_only(int *kept, int count);
