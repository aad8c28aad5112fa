// See sealed.h.
#define _GNU_SOURCE
#include "sealed.h"
#include "mount_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#define OWN_PROGRAM "/proc/self/exe"
#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static int is_sealed(int program) {
    struct statvfs info;
    if (fstatvfs(program, &info) == 0 && info.f_flag & ST_RDONLY) return 1;
    int seals = fcntl(program, F_GET_SEALS);
    return seals >= 0 && (seals & SEALS) == SEALS;
}

static int readonly_mount(void) {
    int tree = open_tree(AT_FDCWD, OWN_PROGRAM, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    if (tree < 0) return -1;
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID, .propagation = MS_PRIVATE};
    if (mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof attr) == 0) return tree;
    close(tree);
    return -1;
}

static int copy_in_memory(int program) {
    struct stat info;
    int copy = memfd_create("swiftlet-sandbox", MFD_CLOEXEC | MFD_ALLOW_SEALING | 0x10u /* MFD_EXEC */);
    if (copy < 0 && errno == EINVAL) copy = memfd_create("swiftlet-sandbox", MFD_CLOEXEC | MFD_ALLOW_SEALING);  // before 6.3
    if (copy < 0 || fstat(program, &info) < 0) return -1;
    for (off_t done = 0; done < info.st_size;) {
        ssize_t n = sendfile(copy, program, &done, (size_t)(info.st_size - done));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) { if (!n) errno = EIO; return -1; }
    }
    return fcntl(copy, F_ADD_SEALS, SEALS) < 0 ? -1 : copy;
}

int sealed_run(char **argv) {
    int program = openat(AT_FDCWD, OWN_PROGRAM, O_RDONLY | O_CLOEXEC);
    if (program < 0) return -1;
    if (is_sealed(program)) { close(program); return 0; }
    int sealed = readonly_mount();
    if (sealed < 0) sealed = copy_in_memory(program);
    if (sealed < 0) return -1;
    syscall(SYS_execveat, sealed, "", argv, environ, AT_EMPTY_PATH);
    return -1;
}
