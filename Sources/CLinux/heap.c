// The process's own heap.
#include "CLinux.h"

#include <malloc.h>

int clinux_trim_heap(void) { return malloc_trim(0); }
