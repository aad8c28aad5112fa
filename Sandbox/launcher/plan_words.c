// See plan_words.h. Every check bounds its word: nothing here is known to be shorter than the plan.
#define _GNU_SOURCE
#include "plan_words.h"
#include "names.h"

#include <limits.h>
#include <string.h>

// What a character may be part of: a table, as a library's search makes one of its own for every word.
enum { DECIMAL = 1, OCTAL = 2, HEXADECIMAL = 4, NAME = 8, SYSCTL = 16 };
static const unsigned char part_of[256] = {
    ['0' ... '7'] = DECIMAL | OCTAL | HEXADECIMAL | NAME | SYSCTL, ['8' ... '9'] = DECIMAL | HEXADECIMAL | NAME | SYSCTL,
    ['A' ... 'F'] = HEXADECIMAL | NAME | SYSCTL, ['G' ... 'Z'] = NAME | SYSCTL, ['a' ... 'z'] = NAME | SYSCTL,
    ['.'] = NAME | SYSCTL, ['_'] = NAME | SYSCTL, ['-'] = NAME | SYSCTL, ['/'] = SYSCTL, [':'] = SYSCTL, ['@'] = SYSCTL};

static size_t span(const char *text, unsigned char of) {
    size_t length = 0;
    while (part_of[(unsigned char)text[length]] & of) length++;
    return length;
}

static const char *const tmpfs_options[] = {"size", "nr_inodes", "nr_blocks", "mode", "uid", "gid", NULL};
static const char *const proc_values[] = {"noaccess", "invisible", "ptraceable", "off", "pid", NULL};

static int listed(const char *word, size_t length, const char *const *list) {
    for (; *list; list++)
        if (strlen(*list) == length && !memcmp(*list, word, length)) return 1;
    return 0;
}

static int is_number(const char *text, size_t max_digits, unsigned char digits) {
    size_t length = span(text, digits);
    return length > 0 && length <= max_digits && !text[length];
}

// A filter is most of a plan: without branches, so that a compiler takes many letters at a time.
static int is_hexadecimal(const char *text) {
    size_t length = strlen(text);
    unsigned char other = 0;
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i], digit = (unsigned char)(c - '0'), letter = (unsigned char)(c - 'A');
        other |= (unsigned char)((digit > 9) & (letter > 5));
    }
    return length && length % 2 == 0 && !other;
}

static int is_path(const char *text) {
    if (text[0] != '/') return 0;
    if (!text[1]) return 1;
    for (const char *part = text + 1, *at = part;; at++) {
        if (*at && *at != '/') continue;
        size_t length = (size_t)(at - part);
        if (!length || (length == 1 && part[0] == '.') || (length == 2 && part[0] == '.' && part[1] == '.')) return 0;
        if (!*at) return at - text < PATH_MAX;
        part = at + 1;
    }
}

// key=value pairs between commas; each value is a number, or of `values` when that is given.
static int is_options(const char *text, const char *const *keys, const char *const *values) {
    for (const char *at = text;; at++) {
        size_t length = strcspn(at, ",");
        const char *equals = memchr(at, '=', length);
        if (!equals || !listed(at, (size_t)(equals - at), keys)) return 0;
        size_t value = (size_t)(at + length - equals - 1);
        if (!value) return 0;
        if (span(equals + 1, DECIMAL) < value && !(values && listed(equals + 1, value, values))) return 0;
        at += length;
        if (!*at) return 1;
    }
}

static int is_mount_flags(const char *text) {
    static const struct name *const tables[] = {names_mount_attribute, names_mount_propagation, names_mount_other, NULL};
    return names_known(tables, text);
}

static int is_list(const struct name *table, const char *text) {
    const struct name *const tables[] = {table, NULL};
    return names_known(tables, text);
}

// 0-3,8: ascending is not asked for, but every number is a CPU that a mask can hold.
// At most 2^64 - 1, as the kernel has limits.
static int is_limit(const char *text) {
    static const char largest[] = "18446744073709551615";
    return is_number(text, sizeof largest - 1, DECIMAL) && (strlen(text) < sizeof largest - 1 || strcmp(text, largest) <= 0);
}

static int is_number_list(const char *text) {
    for (const char *at = text;; at++) {
        size_t first = span(at, DECIMAL);
        if (!first || first > 4) return 0;
        at += first;
        if (*at == '-') {
            size_t last = span(++at, DECIMAL);
            if (!last || last > 4) return 0;
            at += last;
        }
        if (!*at) return 1;
        if (*at != ',') return 0;
    }
}

// Words between dots or slashes, so that an interface's name may hold a dot (net/ipv4/conf/eth0.1/forwarding).
static int is_sysctl(const char *text) {
    size_t length = strlen(text);
    if (!length || length > 255 || text[span(text, SYSCTL)]) return 0;
    const char *separator = strchr(text, '/') ? "/" : ".";
    for (const char *at = text;; at++) {
        size_t part = strcspn(at, separator);
        if (!part || at[0] == '.') return 0;
        at += part;
        if (!*at) return 1;
    }
}

int plan_word_fits(char type, const char *text) {
    static const char *const tmpfs_values[] = {NULL};
    static const char *const proc_keys[] = {"hidepid", "gid", "subset", NULL};
    switch (type) {
    case 'p': return is_path(text);
    case 'n': return is_number(text, 18, DECIMAL);
    case 'u': return !strcmp(text, "unlimited") || is_limit(text);
    case 'o': return is_number(text, 4, OCTAL);
    case 'i': return is_number(text[0] == '-' ? text + 1 : text, 4, DECIMAL);
    case 'z': return is_number(text[0] == '-' ? text + 1 : text, 18, DECIMAL);
    case 'k': return *text && !text[span(text, NAME)];
    case 's': return 1;
    case 'x': return is_hexadecimal(text);
    case 'h': return is_number(text, 8, HEXADECIMAL);
    case 'f': return is_mount_flags(text);
    case 't': return is_options(text, tmpfs_options, tmpfs_values);
    case 'q': return is_options(text, proc_keys, proc_values);
    case 'v': return !strcmp(text, "1") || !strcmp(text, "2");
    case 'c': return !strcmp(text, "none") || is_list(names_capability, text);
    case 'b': return is_list(names_securebit, text);
    case 'r': return is_list(names_landlock_right, text);
    case 'e': return is_list(names_landlock_scope, text);
    case 'm': return is_list(names_seccomp_flag, text);
    case 'a': return is_list(names_attach, text);
    case 'y': return is_sysctl(text);
    case 'l': return is_number_list(text);
    default: return 0;
    }
}
