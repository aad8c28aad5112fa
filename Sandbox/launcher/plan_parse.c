// Reads a launch plan: lines of space-separated, percent-encoded words. Decoding happens in place.
#define _GNU_SOURCE
#include "plan.h"
#include "plan_rules.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
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

// Decodes one word in place; returns its length or -1. `""` is the empty word.
static ssize_t decode(char *word) {
    if (!strcmp(word, "\"\"")) { word[0] = 0; return 0; }
    char *out = word;
    for (char *in = word; *in; in++) {
        unsigned char c = (unsigned char)*in;
        if (c <= ' ' || c >= 0x7f || c == '"') return -1;
        if (c != '%') { *out++ = *in; continue; }
        int high = hex_digit(in[1]);
        int low = high < 0 ? -1 : hex_digit(in[2]);
        if (low < 0) return -1;
        *out++ = (char)(high << 4 | low);
        in += 2;
    }
    *out = 0;
    return out - word;
}

static int read_whole(struct plan *plan, const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    struct stat info;
    if (fstat(fd, &info) < 0) goto failed;
    if (!S_ISREG(info.st_mode) || info.st_size <= 0 || info.st_size > PLAN_BYTES_MAX) { errno = EFBIG; goto failed; }
    plan->size = (size_t)info.st_size;
    plan->bytes = mmap(NULL, plan->size + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (plan->bytes == MAP_FAILED) { plan->bytes = NULL; goto failed; }
    for (size_t done = 0; done < plan->size;) {
        ssize_t n = read(fd, plan->bytes + done, plan->size - done);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) { errno = n ? errno : EIO; goto failed; }
        done += (size_t)n;
    }
    close(fd);
    return 0;
failed:;
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

// Splits one line into an operation. Returns a reason, or NULL when it is good.
static const char *parse_line(struct plan *plan, char *line, uint32_t number) {
    if (plan->count == PLAN_OPERATIONS_MAX) return "too many operations";
    struct operation *op = &plan->operation[plan->count];
    op->line = number;
    op->argument = &plan->token[plan->tokens];
    char *name = strsep(&line, " ");
    if (!rules_kind(name, &op->kind)) return "unknown operation";
    char *word;
    while ((word = strsep(&line, " "))) {
        if (op->count == PLAN_TOKENS_PER_LINE_MAX || plan->tokens == PLAN_TOKENS_MAX) return "too many arguments";
        if (!*word) return "empty argument (write \"\")";
        ssize_t length = decode(word);
        if (length < 0) return "bad encoding";
        // Only the contents of a file may hold NUL; everything else becomes a C string.
        if (strlen(word) != (size_t)length && op->kind != OP_FILE) return "NUL in an argument";
        op->argument[op->count++] = word;
        op->length = (size_t)length;
        plan->tokens++;
    }
    plan->count++;
    return rules_check_operation(op);
}

struct plan *plan_read(const char *path, struct plan_error *error) {
    struct plan *plan = mmap(NULL, sizeof *plan, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (plan == MAP_FAILED) return refuse(NULL, error, 0, "out of memory");
    if (read_whole(plan, path) < 0) {
        char reason[96];
        snprintf(reason, sizeof reason, "cannot read the plan: %s", strerror(errno));
        return refuse(plan, error, 0, reason);
    }
    if (memchr(plan->bytes, 0, plan->size)) return refuse(plan, error, 0, "NUL byte in the plan");
    if (plan->bytes[plan->size - 1] != '\n') return refuse(plan, error, 0, "the last line does not end");
    plan->bytes[plan->size - 1] = 0;

    char *rest = plan->bytes;
    uint32_t number = 1;
    if (strcmp(strsep(&rest, "\n"), PLAN_HEADER)) return refuse(plan, error, 1, "expected \"" PLAN_HEADER "\"");
    char *line;
    while ((line = strsep(&rest, "\n"))) {
        const char *reason = parse_line(plan, line, ++number);
        if (reason) return refuse(plan, error, number, reason);
    }
    uint32_t where = 0;
    const char *reason = rules_check_plan(plan, &where);
    return reason ? refuse(plan, error, where, reason) : plan;
}

void plan_release(struct plan *plan) {
    if (plan->bytes) munmap(plan->bytes, plan->size + 1);
    munmap(plan, sizeof *plan);
}

const struct operation *plan_find(const struct plan *plan, enum operation_kind kind) {
    for (uint32_t i = 0; i < plan->count; i++)
        if (plan->operation[i].kind == kind) return &plan->operation[i];
    return NULL;
}

int plan_has_namespace(const struct plan *plan, const char *name) {
    for (uint32_t i = 0; i < plan->count; i++)
        if (plan->operation[i].kind == OP_NAMESPACE && !strcmp(plan->operation[i].argument[0], name)) return 1;
    return 0;
}

uint64_t plan_number(const char *text) {
    uint64_t value = 0;
    for (; *text; text++) value = value * 10 + (uint64_t)(*text - '0');
    return value;
}

unsigned plan_octal(const char *text) {
    unsigned value = 0;
    for (; *text; text++) value = value * 8 + (unsigned)(*text - '0');
    return value;
}

int plan_flag(const char *flags, const char *name) {
    size_t length = strlen(name);
    for (const char *at = flags; at; at = strchr(at, ','), at = at ? at + 1 : NULL)
        if (!strncmp(at, name, length) && (at[length] == ',' || !at[length])) return 1;
    return 0;
}

size_t plan_hex(char *text) {
    size_t count = 0;
    for (; text[2 * count] && text[2 * count + 1]; count++)
        text[count] = (char)(hex_digit(text[2 * count]) << 4 | hex_digit(text[2 * count + 1]));
    return count;
}
