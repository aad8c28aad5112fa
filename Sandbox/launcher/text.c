// See text.h.
#include "text.h"

#include <errno.h>

void text_put_part(struct text *text, const char *bytes, size_t length) {
    size_t room = (size_t)(text->end - text->at);
    if (length < room) room = length;
    memcpy(text->at, bytes, room);
    text->at += room;
    text->is_cut = 1;
}

void text_put_integer(struct text *text, int64_t value) {
    char digits[24], *at = digits + sizeof digits;
    uint64_t rest = value < 0 ? -(uint64_t)value : (uint64_t)value;
    do *--at = (char)('0' + rest % 10);
    while (rest /= 10);
    if (value < 0) *--at = '-';
    text_put_bytes(text, at, (size_t)(digits + sizeof digits - at));
}

ptrdiff_t text_end(struct text *text) {
    *text->at = 0;
    if (!text->is_cut) return text->at - text->place;
    errno = ENAMETOOLONG;
    return -1;
}

void text_process_path(char *place, size_t bytes, int pid, const char *name) {
    struct text path = text_begin(place, bytes);
    text_put(&path, "/proc/");
    text_put_integer(&path, pid);
    text_put(&path, "/");
    text_put(&path, name);
    text_end(&path);
}
