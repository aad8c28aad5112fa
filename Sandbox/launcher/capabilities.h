// The five sets of capabilities and the bits that govern them (capabilities(7)).
#pragma once
#include "plan.h"

// What a plan leaves its task.
struct capability_sets { uint64_t effective, permitted, inheritable, ambient; };

// The sets of a `capabilities` operation; all empty for "none" or NULL.
struct capability_sets capabilities_wanted(const struct operation *op);

// Drops what the list does not hold from the bounding set, and empties the ambient one. Needs CAP_SETPCAP, so it stands before
// the change of user.
void capabilities_limit(const char *kept, int has_ambient);

// Sets inheritable and ambient capabilities and the secure bits (an operation or NULL), then everything else; what is in
// `retained` as well stays permitted and effective for the launcher's last steps.
void capabilities_apply(const struct capability_sets *sets, const struct operation *securebits, uint64_t retained);

// The secure bits alone. Needs CAP_SETPCAP.
void capabilities_set_securebits(const struct operation *securebits);

// The exact sets, nothing retained.
void capabilities_finish(const struct capability_sets *sets);

// Empties bounding, ambient, and, in a second step after the change of user, the rest: for a process that needs none.
void capabilities_drop_bounding_set(void);
void capabilities_drop(void);

// Makes all that are permitted effective again, which a change of user has emptied.
void capabilities_raise(void);

// Leaves these of those that are permitted, as far as they are, and no others.
#define CAPABILITY_KILL (1ull << 5)
#define CAPABILITY_SETUID (1ull << 7)
void capabilities_keep(uint64_t kept);
