// The words of the launch plan that stand for a value of the kernel: one table for the grammar and for the mechanism.
#pragma once
#include <stddef.h>
#include <stdint.h>

struct name { const char *word; uint64_t value; };

// Each table ends with a NULL word. Values are bits where lists of words are allowed.
extern const struct name names_namespace[];          // CLONE_NEW...
extern const struct name names_mount_attribute[];    // MOUNT_ATTR_... to set
extern const struct name names_mount_propagation[];  // MS_PRIVATE...; those with a leading "r" are recursive
extern const struct name names_mount_other[];        // what the launcher itself makes of it (0)
extern const struct name names_rlimit[];             // RLIMIT_...
extern const struct name names_capability[];         // 1 << CAP_...
extern const struct name names_securebit[];          // SECBIT_...
extern const struct name names_landlock_right[];     // LANDLOCK_ACCESS_FS_...
extern const struct name names_landlock_scope[];     // LANDLOCK_SCOPE_...
extern const struct name names_seccomp_flag[];       // SECCOMP_FILTER_FLAG_..., and the launcher's own above bit 32
extern const struct name names_scheduler[];          // SCHED_...
extern const struct name names_scheduler_flag[];     // SCHED_FLAG_...
extern const struct name names_attach[];             // what `attach` may say
extern const struct name names_memory_mode[];        // MPOL_... (set_mempolicy(2))
extern const struct name names_memory_flag[];        // MPOL_F_...
extern const struct name names_io_class[];           // IOPRIO_CLASS_...

// The filter is loaded with CAP_SYS_ADMIN before the capabilities go, as the plan leaves no_new_privs off.
#define SECCOMP_BEFORE_CAPABILITIES (1ull << 32)

// The entry for the first `length` bytes of `word`, or NULL.
const struct name *names_find(const struct name *table, const char *word, size_t length);

// The value of a whole word; 0 when it is not in the table.
uint64_t names_value(const struct name *table, const char *word);

// All values of a comma-separated list, or-ed; words that the table does not have are passed over.
uint64_t names_mask(const struct name *table, const char *list);

// True when each word of the comma-separated list is in one of the tables (NULL-terminated array).
int names_known(const struct name *const *tables, const char *list);
