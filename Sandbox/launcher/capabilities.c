// See capabilities.h.
#define _GNU_SOURCE
#include "capabilities.h"
#include "failure.h"
#include "names.h"
#include "workspace.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LAST_POSSIBLE 63

struct capability_sets capabilities_wanted(const struct operation *op) {
    struct capability_sets sets = {0, 0, 0, 0};
    if (!op || op->count != 4) return sets;
    sets.effective = names_mask(names_capability, op->argument[0]);
    sets.permitted = names_mask(names_capability, op->argument[1]);
    sets.inheritable = names_mask(names_capability, op->argument[2]);
    sets.ambient = names_mask(names_capability, op->argument[3]);
    return sets;
}

void capabilities_limit(const char *kept, int has_ambient) {
    uint64_t mask = names_mask(names_capability, kept);  // "none" is in no table
    for (int capability = 0; capability <= LAST_POSSIBLE; capability++) {
        if (mask >> capability & 1) continue;
        if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0) continue;
        if (errno == EINVAL) break;  // above the kernel's last capability
        fail(errno, "bounding-set(drop %d)", capability);
    }
    if (has_ambient && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0) fail(errno, "bounding-set(ambient)");
}

static uint64_t permitted_now(void) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    if (syscall(SYS_capget, &header, data) < 0) fail(errno, "capabilities(read)");
    return data[0].permitted | (uint64_t)data[1].permitted << 32;
}

static void set(uint64_t effective, uint64_t permitted, uint64_t inheritable, const char *stage) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {
        {(uint32_t)effective, (uint32_t)permitted, (uint32_t)inheritable},
        {(uint32_t)(effective >> 32), (uint32_t)(permitted >> 32), (uint32_t)(inheritable >> 32)}};
    if (syscall(SYS_capset, &header, data) < 0) fail(errno, "%s", stage);
}

void capabilities_set_securebits(const struct operation *securebits) {
    const char *list = securebits->argument[0];
    if (prctl(PR_SET_SECUREBITS, (unsigned long)names_mask(names_securebit, list), 0, 0, 0) < 0) fail(errno, "securebits(%s)", list);
}

void capabilities_apply(const struct capability_sets *sets, const struct operation *securebits, uint64_t retained) {
    uint64_t permitted = permitted_now();
    // Effective again: the change of user emptied that set. Inheritable now, as ambient is a part of it.
    set(permitted, permitted, sets->inheritable, "capabilities(inheritable)");
    for (const struct name *capability = names_capability; capability->word; capability++) {
        if (!(sets->ambient & capability->value)) continue;
        if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, __builtin_ctzll(capability->value), 0, 0) < 0)
            fail(errno, "capabilities(ambient %s)", capability->word);
    }
    // After the ambient set, as a bit may forbid to raise it. Clears keep-caps, which served its purpose, unless the plan has it.
    if (securebits) capabilities_set_securebits(securebits);
    else if (prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) < 0) fail(errno, "capabilities(keep)");
    retained &= permitted;
    set(sets->effective | retained, sets->permitted | retained, sets->inheritable, "capabilities(set)");
}

void capabilities_finish(const struct capability_sets *sets) {
    set(sets->effective, sets->permitted, sets->inheritable, "capabilities(set)");
}

void capabilities_drop_bounding_set(void) { capabilities_limit("none", 1); }

void capabilities_drop(void) { set(0, 0, 0, "capabilities(drop)"); }

void capabilities_raise(void) {
    // Whoever asks has the same each time: nothing is given up where namespaces are made.
    static struct __user_cap_data_struct data[2] TOGETHER;
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    if (!data[0].permitted && syscall(SYS_capget, &header, data) < 0) return;
    for (int i = 0; i < 2; i++) data[i].effective = data[i].permitted;
    syscall(SYS_capset, &header, data);  // where it is refused, what needs them says so
}

void capabilities_keep(uint64_t kept) {
    kept &= permitted_now();
    set(kept, kept, 0, "capabilities(keep)");
    if (prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) < 0) fail(errno, "capabilities(keep)");
}
