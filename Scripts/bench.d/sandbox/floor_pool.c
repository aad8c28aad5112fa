// What a resident launcher prepares once: a slim mount namespace with a read-only template, a user namespace, network
// namespaces, cgroups to use again.
#define _GNU_SOURCE
#include "floor.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// A namespace that lives by its descriptor alone: made by a short-lived child.
static int make_namespace(struct floor *floor, int flag, const char *name) {
    int made[2], done[2], status;
    char byte, path[64];
    if (pipe2(made, O_CLOEXEC) < 0 || pipe2(done, O_CLOEXEC) < 0) floor_die("pipe");
    pid_t child = fork();
    if (child < 0) floor_die("fork");
    if (child == 0) {
        if (unshare(flag) < 0) floor_die("unshare");
        if (write(made[1], "", 1) != 1) _exit(1);
        close(done[1]);
        _exit(read(done[0], &byte, 1) < 0);
    }
    if (read(made[0], &byte, 1) != 1) floor_die("namespace");
    if (flag == CLONE_NEWUSER) {
        snprintf(path, sizeof path, "/proc/%d/uid_map", child);
        floor_write(AT_FDCWD, path, "0 100000 65536\n");
        snprintf(path, sizeof path, "/proc/%d/gid_map", child);
        floor_write(AT_FDCWD, path, "0 100000 65536\n");
    }
    snprintf(path, sizeof path, "/proc/%d/ns/%s", child, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) floor_die(path);
    if (flag == CLONE_NEWNET && floor->whole) floor_open_evidence(floor, child);
    close(done[0]), close(done[1]), close(made[0]), close(made[1]);
    waitpid(child, &status, 0);
    return fd;
}

// Leaves one mount tree: a tmpfs with the read-only rootfs at /root. What the host mounts is not copied per launch.
static void enter_slim_namespace(const char *root, int with_null) {
    int tree = (int)syscall(SYS_open_tree, AT_FDCWD, root, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    struct mount_attr attributes = {.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV};
    if (tree < 0 || syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attributes, sizeof attributes) < 0) floor_die("template");
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) floor_die("slim namespace");
    if (mount("slim", "/mnt", "tmpfs", 0, "size=64k") < 0 || chdir("/mnt") < 0 || mkdir("root", 0755) < 0) floor_die("slim root");
    if (syscall(SYS_move_mount, tree, "", AT_FDCWD, "root", MOVE_MOUNT_F_EMPTY_PATH) < 0) floor_die("move_mount");
    close(tree);
    if (with_null && mount("/dev/null", "root/dev/null", NULL, MS_BIND, NULL) < 0) floor_die("/dev/null");
    if (syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0) floor_die("slim pivot");
}

static void pool_name(char name[32], int slot) { snprintf(name, 32, "pool%d.%d", getpid(), slot); }

void floor_prepare_resident(struct floor *floor) {
    char name[32];
    if (floor->whole) floor_own_user_namespace(floor);
    else floor->user_namespace = make_namespace(floor, CLONE_NEWUSER, "user");
    if (floor->pooled_network) floor->network[0] = make_namespace(floor, CLONE_NEWNET, "net");
    if (floor->pooled_cgroups) {
        pool_name(name, 0);
        floor_cgroup_make(floor, name, floor->pool_join);
    }
    enter_slim_namespace(floor->root, floor->whole);
}

void floor_release_resident(struct floor *floor) {
    char name[32];
    if (!floor->pooled_cgroups) return;
    pool_name(name, 0);
    floor_cgroup_remove(floor, name, floor->pool_join);
}
