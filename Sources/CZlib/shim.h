// zlib, for answers that a client wants compressed.
#include <zlib.h>

// A macro in zlib.h, which Swift cannot call.
static inline int swiftlet_deflateInit2(z_streamp stream, int level, int windowBits) {
    return deflateInit2(stream, level, Z_DEFLATED, windowBits, 8, Z_DEFAULT_STRATEGY);
}
