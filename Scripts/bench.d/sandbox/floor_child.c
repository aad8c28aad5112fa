// The floor's child: system calls from clone to exec, in the order that makes each of them effective.
#define _GNU_SOURCE
#include "floor.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LAST_CAPABILITY 40

static void mount_proc_and_tmp(void) {
    if (mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0) floor_die("proc");
    if (mount("tmpfs", "tmp", "tmpfs", MS_NOSUID | MS_NODEV, "size=16m") < 0) floor_die("tmpfs");
}

// In the command: the host's whole mount table was copied, so it is left behind with pivot_root.
static void jail_root(const char *root) {
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) floor_die("private");
    if (mount(root, root, NULL, MS_BIND | MS_REC, NULL) < 0) floor_die("bind");
    if (mount(NULL, root, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV, NULL) < 0) floor_die("read-only");
    if (chdir(root) < 0) floor_die("chdir");
    mount_proc_and_tmp();
    if (syscall(SYS_pivot_root, ".", ".") < 0) floor_die("pivot_root");
    if (umount2(".", MNT_DETACH) < 0 || chdir("/") < 0) floor_die("umount");
}

// In the resident kind: the slim namespace holds nothing but the template, so a chroot leaves nothing behind.
static void enter_template(void) {
    if (chdir("/root") < 0) floor_die("chdir");
    mount_proc_and_tmp();
    if (chroot(".") < 0 || chdir("/") < 0) floor_die("chroot");
}

static void drop_privileges(void) {
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct none[2] = {{0}};
    for (int i = 0; i <= LAST_CAPABILITY; i++) prctl(PR_CAPBSET_DROP, i, 0, 0, 0);
    if (syscall(SYS_capset, &header, none) < 0) floor_die("capset");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) floor_die("no_new_privs");
}

void floor_become_root_inside(void) {
    if (syscall(SYS_setresgid, 0, 0, 0) < 0 || syscall(SYS_setresuid, 0, 0, 0) < 0) floor_die("setresuid");
}

_Noreturn void floor_become_program(const struct floor *floor) {
    if (floor->resident) {
        if (setns(floor->user_namespace, CLONE_NEWUSER) < 0) floor_die("user namespace");
        floor_become_root_inside();
    }
    drop_privileges();
    floor_mark(IDENTIFIED);
    if (floor->whole) floor_new_session();
    // Before the filter, which may refuse it and then leaks every descriptor in silence.
    if (syscall(SYS_close_range, 3, ~0U, CLOSE_RANGE_CLOEXEC) < 0) floor_die("close_range");
    floor_usual_slice();
    struct sock_fprog program = {floor->filter_length, floor->filter};
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0) floor_die("seccomp");
    floor_mark(FILTERED);
    static char *environment[] = {"PATH=/bin", NULL};
    execve(floor->argv[0], floor->argv, environment);
    floor_die("exec");
}

int floor_child(void *argument) {
    const struct floor_launch *launch = argument;
    const struct floor *floor = launch->floor;
    char go;
    floor_mark(CLONED);
    if (!floor->resident) {
        close(launch->go[1]);
        if (read(launch->go[0], &go, 1) != 1) _exit(121);
        floor_become_root_inside();
    }
    if (!floor->naive)
        for (int i = 0; i < floor->cgroups; i++)
            if (write(launch->join[i], "0", 1) != 1) floor_die("join");
    if (unshare(CLONE_NEWCGROUP) < 0) floor_die("cgroup namespace");
    floor_mark(JOINED);
    if (launch->network >= 0 && setns(launch->network, CLONE_NEWNET) < 0) floor_die("network namespace");
    if (sethostname("sandbox", 7) < 0) floor_die("sethostname");
    floor_mark(NETWORKED);
    if (floor->resident) enter_template();
    else jail_root(floor->root);
    floor_mark(ROOTED);
    if (floor->whole) floor_stay_as_init(floor);
    else floor_become_program(floor);
    return 0;
}
