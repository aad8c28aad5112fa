// See names.h. Values are the kernel's (uapi headers); those newer than this machine's headers are written as numbers.
#define _GNU_SOURCE
#include "names.h"
#include "mount_calls.h"

#include <linux/capability.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>

const struct name names_namespace[] = {
    {"user", CLONE_NEWUSER}, {"mount", CLONE_NEWNS}, {"pid", CLONE_NEWPID}, {"ipc", CLONE_NEWIPC}, {"uts", CLONE_NEWUTS},
    {"cgroup", CLONE_NEWCGROUP}, {"net", CLONE_NEWNET}, {"time", 0x80 /* CLONE_NEWTIME */}, {NULL, 0}};

const struct name names_mount_attribute[] = {
    {"ro", MOUNT_ATTR_RDONLY}, {"rro", MOUNT_ATTR_RDONLY}, {"nosuid", MOUNT_ATTR_NOSUID}, {"nodev", MOUNT_ATTR_NODEV},
    {"noexec", MOUNT_ATTR_NOEXEC}, {"relatime", MOUNT_ATTR_RELATIME}, {"noatime", MOUNT_ATTR_NOATIME},
    {"strictatime", MOUNT_ATTR_STRICTATIME}, {"nodiratime", MOUNT_ATTR_NODIRATIME}, {"nosymfollow", 0x200000}, {NULL, 0}};

const struct name names_mount_propagation[] = {
    {"private", MS_PRIVATE}, {"slave", MS_SLAVE}, {"shared", MS_SHARED}, {"unbindable", MS_UNBINDABLE},
    {"rprivate", MS_PRIVATE | MS_REC}, {"rslave", MS_SLAVE | MS_REC}, {"rshared", MS_SHARED | MS_REC},
    {"runbindable", MS_UNBINDABLE | MS_REC}, {NULL, 0}};

const struct name names_mount_other[] = {
    {"rw", 0}, {"rec", 0}, {"idmap", 0}, {"topmap", 0}, {"optional", 0}, {"link", 0}, {"nofollow", 0}, {"top", 0}, {"sync", 0}, {"tmpcopyup", 0},
    {NULL, 0}};

const struct name names_rlimit[] = {
    {"as", RLIMIT_AS}, {"core", RLIMIT_CORE}, {"cpu", RLIMIT_CPU}, {"data", RLIMIT_DATA}, {"fsize", RLIMIT_FSIZE},
    {"locks", RLIMIT_LOCKS}, {"memlock", RLIMIT_MEMLOCK}, {"msgqueue", RLIMIT_MSGQUEUE}, {"nice", RLIMIT_NICE},
    {"nofile", RLIMIT_NOFILE}, {"nproc", RLIMIT_NPROC}, {"rss", RLIMIT_RSS}, {"rtprio", RLIMIT_RTPRIO},
    {"rttime", RLIMIT_RTTIME}, {"sigpending", RLIMIT_SIGPENDING}, {"stack", RLIMIT_STACK}, {NULL, 0}};

#define BIT(n) (1ull << (n))
const struct name names_capability[] = {
    {"chown", BIT(0)}, {"dac_override", BIT(1)}, {"dac_read_search", BIT(2)}, {"fowner", BIT(3)}, {"fsetid", BIT(4)},
    {"kill", BIT(5)}, {"setgid", BIT(6)}, {"setuid", BIT(7)}, {"setpcap", BIT(8)}, {"linux_immutable", BIT(9)},
    {"net_bind_service", BIT(10)}, {"net_broadcast", BIT(11)}, {"net_admin", BIT(12)}, {"net_raw", BIT(13)},
    {"ipc_lock", BIT(14)}, {"ipc_owner", BIT(15)}, {"sys_module", BIT(16)}, {"sys_rawio", BIT(17)}, {"sys_chroot", BIT(18)},
    {"sys_ptrace", BIT(19)}, {"sys_pacct", BIT(20)}, {"sys_admin", BIT(21)}, {"sys_boot", BIT(22)}, {"sys_nice", BIT(23)},
    {"sys_resource", BIT(24)}, {"sys_time", BIT(25)}, {"sys_tty_config", BIT(26)}, {"mknod", BIT(27)}, {"lease", BIT(28)},
    {"audit_write", BIT(29)}, {"audit_control", BIT(30)}, {"setfcap", BIT(31)}, {"mac_override", BIT(32)},
    {"mac_admin", BIT(33)}, {"syslog", BIT(34)}, {"wake_alarm", BIT(35)}, {"block_suspend", BIT(36)}, {"audit_read", BIT(37)},
    {"perfmon", BIT(38)}, {"bpf", BIT(39)}, {"checkpoint_restore", BIT(40)}, {NULL, 0}};

const struct name names_securebit[] = {
    {"noroot", SECBIT_NOROOT}, {"noroot-locked", SECBIT_NOROOT_LOCKED},
    {"no-setuid-fixup", SECBIT_NO_SETUID_FIXUP}, {"no-setuid-fixup-locked", SECBIT_NO_SETUID_FIXUP_LOCKED},
    {"keep-caps", SECBIT_KEEP_CAPS}, {"keep-caps-locked", SECBIT_KEEP_CAPS_LOCKED},
    {"no-cap-ambient-raise", SECBIT_NO_CAP_AMBIENT_RAISE},
    {"no-cap-ambient-raise-locked", SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED}, {NULL, 0}};

// Coarse words first: what a person means by them; then the kernel's own, for those who want to be exact (landlock(7)).
const struct name names_landlock_right[] = {
    {"read", BIT(2) | BIT(3)}, {"execute", BIT(0)}, {"write", BIT(1)}, {"remove", BIT(4) | BIT(5)},
    {"make", BIT(7) | BIT(8) | BIT(9) | BIT(10) | BIT(12)}, {"make-device", BIT(6) | BIT(11)},
    {"refer", BIT(13)}, {"truncate", BIT(14)}, {"ioctl", BIT(15)},
    {"write-file", BIT(1)}, {"read-file", BIT(2)}, {"read-dir", BIT(3)}, {"remove-dir", BIT(4)}, {"remove-file", BIT(5)},
    {"make-char", BIT(6)}, {"make-dir", BIT(7)}, {"make-reg", BIT(8)}, {"make-sock", BIT(9)}, {"make-fifo", BIT(10)},
    {"make-block", BIT(11)}, {"make-sym", BIT(12)}, {"optional", 0}, {NULL, 0}};

const struct name names_landlock_scope[] = {{"abstract-unix", BIT(0)}, {"signal", BIT(1)}, {NULL, 0}};

const struct name names_seccomp_flag[] = {
    {"tsync", SECCOMP_FILTER_FLAG_TSYNC}, {"log", SECCOMP_FILTER_FLAG_LOG}, {"spec-allow", SECCOMP_FILTER_FLAG_SPEC_ALLOW},
    {"wait-killable", BIT(5)}, {"before-capabilities", SECCOMP_BEFORE_CAPABILITIES}, {NULL, 0}};

const struct name names_scheduler[] = {
    {"other", SCHED_OTHER}, {"fifo", SCHED_FIFO}, {"rr", SCHED_RR}, {"batch", SCHED_BATCH}, {"idle", SCHED_IDLE},
    {"deadline", 6}, {NULL, 0}};

const struct name names_scheduler_flag[] = {
    {"none", 0}, {"reset-on-fork", 0x01}, {"reclaim", 0x02}, {"dl-overrun", 0x04}, {"keep-policy", 0x08},
    {"keep-params", 0x10}, {"util-clamp-min", 0x20}, {"util-clamp-max", 0x40}, {NULL, 0}};

const struct name names_attach[] = {{"stdin", 1}, {"once", 2}, {"terminal", 4}, {NULL, 0}};

const struct name names_memory_mode[] = {
    {"default", 0}, {"preferred", 1}, {"bind", 2}, {"interleave", 3}, {"local", 4}, {"preferred-many", 5},
    {"weighted-interleave", 6}, {NULL, 0}};

const struct name names_memory_flag[] = {
    {"none", 0}, {"numa-balancing", BIT(13)}, {"relative-nodes", BIT(14)}, {"static-nodes", BIT(15)}, {NULL, 0}};

const struct name names_io_class[] = {{"rt", 1}, {"be", 2}, {"idle", 3}, {NULL, 0}};

const struct name *names_find(const struct name *table, const char *word, size_t length) {
    for (const struct name *entry = table; entry->word; entry++) {
        size_t same = 0;
        while (same < length && entry->word[same] == word[same]) same++;
        if (same == length && !entry->word[same]) return entry;
    }
    return NULL;
}

uint64_t names_value(const struct name *table, const char *word) {
    const struct name *entry = names_find(table, word, strlen(word));
    return entry ? entry->value : 0;
}

static size_t part(const char *list) {
    size_t length = 0;
    while (list[length] && list[length] != ',') length++;
    return length;
}

uint64_t names_mask(const struct name *table, const char *list) {
    uint64_t mask = 0;
    for (const char *at = list;; at++) {
        size_t length = part(at);
        const struct name *entry = names_find(table, at, length);
        if (entry) mask |= entry->value;
        at += length;
        if (!*at) return mask;
    }
}

int names_known(const struct name *const *tables, const char *list) {
    for (const char *at = list;; at++) {
        size_t length = part(at);
        const struct name *entry = NULL;
        for (const struct name *const *table = tables; *table && !entry; table++) entry = names_find(*table, at, length);
        if (!entry) return 0;
        at += length;
        if (!*at) return 1;
    }
}
