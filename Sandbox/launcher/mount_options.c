// See mount_options.h.
#include "mount_options.h"

#include <stddef.h>

char *mount_options_split(char **rest, char separator) {
    char *part = *rest, *at;
    if (!part) return NULL;
    for (at = part; *at && *at != separator; at++)
        if (*at == '\\' && at[1]) at++;
    *rest = *at ? at + 1 : NULL;
    *at = 0;
    return part;
}

void mount_options_unescape(char *text) {
    char *out = text;
    for (; *text; text++) {
        if (*text == '\\' && text[1]) text++;
        *out++ = *text;
    }
    *out = 0;
}
