// Reads a launch plan: lines of space-separated, percent-encoded words. Decoding happens in place.
#define _GNU_SOURCE
#include "plan.h"
#include "names.h"
#include "plan_rules.h"
#include "workspace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct plan *refuse(struct plan *plan, struct plan_error *error, uint32_t line, const char *reason) {
    error->line = line;
    snprintf(error->reason, sizeof error->reason, "%s", reason);
    if (plan) plan_release(plan);
    return NULL;
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

// Whether every byte stands for itself: a filter is most of a plan, and nothing else. Without branches, so that a compiler takes
// many bytes at a time.
static int is_plain(const char *word, size_t length) {
    unsigned char other = 0;
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)word[i];
        other |= (unsigned char)((c <= ' ') | (c >= 0x7f) | (c == '"') | (c == '%'));
    }
    return !other;
}

// Decodes one word in place; returns its length or -1, and says whether it holds NUL. `""` is the empty word.
static ssize_t decode(char *word, size_t length, int *holds_nul) {
    *holds_nul = 0;
    if (is_plain(word, length)) return (ssize_t)length;
    if (length == 2 && word[0] == '"' && word[1] == '"') { word[0] = 0; return 0; }
    char *out = word;
    for (char *in = word; *in; in++) {
        unsigned char c = (unsigned char)*in;
        if (c <= ' ' || c >= 0x7f || c == '"') return -1;
        if (c != '%') { *out++ = *in; continue; }
        int high = hex_digit(in[1]);
        int low = high < 0 ? -1 : hex_digit(in[2]);
        if (low < 0) return -1;
        *holds_nul |= !(high | low);
        *out++ = (char)(high << 4 | low);
        in += 2;
    }
    *out = 0;
    return out - word;
}

// Pages instead of the heap: the supervisor gives them back whole. A fuzzer's heap knows the exact bounds.
static char *arena TOGETHER;
static size_t arena_used TOGETHER;

void plan_use_arena(void *memory) {
    arena = memory;
    arena_used = 0;
}

static void *allocate(size_t bytes) {
    if (arena && arena_used + bytes <= PLAN_ARENA_BYTES) {
        char *piece = arena + arena_used;
        arena_used += (bytes + 63) & ~(size_t)63;
        return piece;
    }
#ifdef PLAN_ON_HEAP
    return calloc(1, bytes);
#else
    void *pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return pages == MAP_FAILED ? NULL : pages;
#endif
}

static void release(void *pages, size_t bytes) {
    if (arena && (char *)pages > arena && (char *)pages < arena + PLAN_ARENA_BYTES) return;
    if (arena && pages == (void *)arena) {  // the plan itself, which goes last
        bytes = PLAN_ARENA_BYTES;
        arena = NULL;
    }
#ifdef PLAN_ON_HEAP
    (void)bytes;
    free(pages);
#else
    munmap(pages, bytes);
#endif
}

// A file, or a pipe up to its end. Returns the size read, or -1.
static ssize_t read_bytes(int fd, char *bytes, size_t limit) {
    size_t done = 0;
    while (done < limit) {
        ssize_t n = read(fd, bytes + done, limit - done);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return -1;
        if (n == 0) return (ssize_t)done;
        done += (size_t)n;
    }
    errno = EFBIG;
    return -1;
}

// Nearly every word is shorter: not worth a search that compares many letters at a time.
#define SHORT_WORD 24

// strsep(3) for one separator, which some libraries search for letter by letter; with the word's length.
static char *split(char **rest, char separator, size_t *length) {
    char *word = *rest, *end = word;
    if (!word) return NULL;
    while (end < word + SHORT_WORD && *end && *end != separator) end++;
    if (*end && *end != separator) end = strchrnul(end, separator);
    *length = (size_t)(end - word);
    *rest = *end ? end + 1 : NULL;
    *end = 0;
    return word;
}

// Splits one line into an operation. Returns a reason, or NULL when it is good.
static const char *parse_line(struct plan *plan, char *line, uint32_t number) {
    if (plan->count == PLAN_OPERATIONS_MAX) return "too many operations";
    struct operation *op = &plan->operation[plan->count];
    op->line = number;
    op->argument = &plan->token[plan->tokens];
    size_t written;
    char *name = split(&line, ' ', &written);
    if (plan->count) op->kind = op[-1].kind;
    if (!rules_kind(name, &op->kind)) return "unknown operation";
    char *word;
    while ((word = split(&line, ' ', &written))) {
        if (op->count == PLAN_TOKENS_PER_LINE_MAX || plan->tokens == PLAN_TOKENS_MAX) return "too many arguments";
        if (!*word) return "empty argument (write \"\")";
        int holds_nul;
        ssize_t length = decode(word, written, &holds_nul);
        if (length < 0) return "bad encoding";
        // Only the contents of a file may hold NUL; everything else becomes a C string.
        if (op->kind != OP_FILE && holds_nul) return "NUL in an argument";
        op->argument[op->count++] = word;
        op->length = (size_t)length;
        plan->tokens++;
    }
    plan->count++;
    if (!plan->first[op->kind]) plan->first[op->kind] = (uint16_t)plan->count;
    const char *reason = rules_check_operation(op);
    if (!reason && op->kind == OP_NAMESPACE) plan->namespaces |= names_value(names_namespace, op->argument[0]);
    return reason;
}

// Checks `plan->bytes`, in place.
static struct plan *parse(struct plan *plan, struct plan_error *error) {
    if (!plan->size) return refuse(plan, error, 0, "the plan is empty");
    if (memchr(plan->bytes, 0, plan->size)) return refuse(plan, error, 0, "NUL byte in the plan");
    if (plan->bytes[plan->size - 1] != '\n') return refuse(plan, error, 0, "the last line does not end");
    plan->bytes[plan->size - 1] = 0;

    char *rest = plan->bytes;
    uint32_t number = 1;
    size_t length;
    if (strcmp(split(&rest, '\n', &length), PLAN_HEADER)) return refuse(plan, error, 1, "expected \"" PLAN_HEADER "\"");
    char *line;
    if (!rest) return refuse(plan, error, 1, "the plan is cut off behind its first line");
    while ((line = split(&rest, '\n', &length))) {
        // What was cut off behind a whole line must not be missed: a filter, say.
        if (!rest && strcmp(line, PLAN_END)) return refuse(plan, error, number + 1, "the plan is cut off: its last line is not \"" PLAN_END "\"");
        if (!rest) break;
        const char *reason = parse_line(plan, line, ++number);
        if (reason) return refuse(plan, error, number, reason);
    }
    uint32_t where = 0;
    const char *reason = rules_check_plan(plan, &where);
    return reason ? refuse(plan, error, where, reason) : plan;
}

struct plan *plan_parse(const void *bytes, size_t size, struct plan_error *error) {
    if (size > PLAN_BYTES_MAX) return refuse(NULL, error, 0, "the plan is too large");
    struct plan *plan = allocate(sizeof *plan);
    if (!plan) return refuse(NULL, error, 0, "out of memory");
    plan->size = size;
    plan->bytes = allocate(size + 1);
    if (!plan->bytes) return refuse(plan, error, 0, "out of memory");
    if (size) memcpy(plan->bytes, bytes, size);
    return parse(plan, error);
}

struct plan *plan_read(const char *path, struct plan_error *error) {
    int fd = strcmp(path, "-") ? openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : 0;  // a fifo must not hold us
    char *bytes = allocate(PLAN_BYTES_MAX + 1);  // untouched pages are never there
    ssize_t size = fd < 0 || !bytes ? -1 : read_bytes(fd, bytes, PLAN_BYTES_MAX + 1);
    int saved = errno;
    if (fd > 0) close(fd);
    struct plan *plan;
    if (size < 0) {
        char reason[96];
        snprintf(reason, sizeof reason, "cannot read the plan: %s", strerror(saved));
        plan = refuse(NULL, error, 0, reason);
    } else {
        plan = plan_parse(bytes, (size_t)size, error);
    }
    if (bytes) release(bytes, PLAN_BYTES_MAX + 1);
    return plan;
}

void plan_release(struct plan *plan) {
    if (plan->bytes) release(plan->bytes, plan->size + 1);
    release(plan, sizeof *plan);
}

void plan_wipe(struct plan *plan) {
    memset(plan->bytes, 0, plan->size + 1);
    memset(plan->token, 0, plan->tokens * sizeof *plan->token);
    memset(plan->operation, 0, plan->count * sizeof *plan->operation);
    memset(plan, 0, offsetof(struct plan, operation));
}

const struct operation *plan_find(const struct plan *plan, enum operation_kind kind) {
    uint32_t number = plan->first[kind];
    return number ? &plan->operation[number - 1] : NULL;
}

int plan_has_namespace(const struct plan *plan, const char *name) { return (plan->namespaces & names_value(names_namespace, name)) != 0; }

const char *plan_joined_namespace(const struct plan *plan, const char *name) {
    if (!plan->first[OP_JOIN_NAMESPACE]) return NULL;
    for (uint32_t i = plan->first[OP_JOIN_NAMESPACE] - 1u; i < plan->count; i++)
        if (plan->operation[i].kind == OP_JOIN_NAMESPACE && !strcmp(plan->operation[i].argument[0], name))
            return plan->operation[i].argument[1];
    return NULL;
}

int plan_joins_group(const struct plan *plan, const char *path) {
    if (!plan->first[OP_CGROUP]) return 0;
    for (uint32_t i = plan->first[OP_CGROUP] - 1u; i < plan->count; i++)
        if (plan->operation[i].kind == OP_CGROUP && !strcmp(plan->operation[i].argument[2], path)) return 1;
    return 0;
}

uint64_t plan_number(const char *text) {
    uint64_t value = 0;
    for (; *text; text++) value = value * 10 + (uint64_t)(*text - '0');
    return value;
}

int64_t plan_signed(const char *text) {
    return text[0] == '-' ? -(int64_t)plan_number(text + 1) : (int64_t)plan_number(text);
}

unsigned plan_octal(const char *text) {
    unsigned value = 0;
    for (; *text; text++) value = value * 8 + (unsigned)(*text - '0');
    return value;
}

int plan_flag(const char *flags, const char *name) {
    for (const char *at = flags;; at++) {
        const char *letter = name;
        while (*letter && *at == *letter) at++, letter++;
        if (!*letter && (*at == ',' || !*at)) return 1;
        while (*at && *at != ',') at++;
        if (!*at) return 0;
    }
}

// Of a character that is one: letters lie one above a multiple of 16, and have the bit 64.
static int hex_value(char digit) { return (digit & 15) + 9 * (digit >> 6 & 1); }

// Four bytes from eight digits at once, each in a byte of its own on the way.
static uint32_t hex_word(const char *text) {
    uint64_t digits;
    memcpy(&digits, text, sizeof digits);
    uint64_t values = (digits & 0x0f0f0f0f0f0f0f0f) + 9 * (digits >> 6 & 0x0101010101010101);
    uint64_t pairs = (values << 4 | values >> 8) & 0x00ff00ff00ff00ff;
    pairs = (pairs | pairs >> 8) & 0x0000ffff0000ffff;
    return (uint32_t)(pairs | pairs >> 16);
}

size_t plan_hex(char *text) {
    size_t digits = strlen(text), count = 0;
    for (; 2 * count + 8 <= digits; count += 4) {
        uint32_t word = hex_word(text + 2 * count);
        memcpy(text + count, &word, sizeof word);
    }
    for (; 2 * count + 1 < digits; count++)
        text[count] = (char)(hex_value(text[2 * count]) << 4 | hex_value(text[2 * count + 1]));
    return count;
}
