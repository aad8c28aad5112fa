// See console.h. The caller receives one descriptor by SCM_RIGHTS with the name "/dev/ptmx", as runc sends it.
#define _GNU_SOURCE
#include "console.h"
#include "failure.h"
#include "mount_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <termios.h>
#include <unistd.h>

#define DEVPTS_MAGIC 0x1cd1

int console_connect(const struct plan *plan) {
    const struct operation *terminal = plan_find(plan, OP_TERMINAL);
    if (!terminal) return -1;
    const char *path = terminal->argument[0];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    // A path longer than a socket's name goes by its directory's descriptor.
    if (strlen(path) >= sizeof address.sun_path) {
        char directory[4096];
        const char *name = strrchr(path, '/') + 1;
        snprintf(directory, sizeof directory, "%.*s", (int)(name - path), path);
        int fd = openat(AT_FDCWD, directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 || strlen(name) > 60) fail(fd < 0 ? errno : ENAMETOOLONG, "terminal(%s)", path);
        snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", fd, name);
    } else strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0) fail(errno, "terminal(%s)", path);
    return fd;
}

// The terminals of a devpts that is mounted nowhere: for a container that has none of its own. Made with the host's powers, before any
// namespace is entered.
static int own_multiplexer = -1;

void console_prepare(void) {
    int context = fsopen("devpts", FSOPEN_CLOEXEC);
    if (context < 0) return;  // the container's own then, or the failure says that there is none
    int tree = -1;
    if (fsconfig(context, FSCONFIG_SET_STRING, "ptmxmode", "0666", 0) == 0 &&
        fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
        tree = fsmount(context, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
    close(context);
    if (tree < 0) return;
    own_multiplexer = openat(tree, "ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
    close(tree);
}

static void send_master(int socket, int master) {
    char name[] = "/dev/ptmx";
    struct iovec data = {.iov_base = name, .iov_len = sizeof name - 1};
    union { struct cmsghdr header; char space[CMSG_SPACE(sizeof(int))]; } control;
    memset(&control, 0, sizeof control);
    struct msghdr message = {
        .msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control.space};
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(&control.header), &master, sizeof master);
    if (sendmsg(socket, &message, MSG_NOSIGNAL) < 0) fail(errno, "terminal(send)");
}

int console_receive(int socket) {
    char name[64];
    struct iovec data = {.iov_base = name, .iov_len = sizeof name};
    union { struct cmsghdr header; char space[CMSG_SPACE(sizeof(int))]; } control;
    struct msghdr message = {
        .msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control.space};
    int master;
    if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT) < 0) return -1;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (!header || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS || header->cmsg_len != CMSG_LEN(sizeof master)) {
        errno = EPROTO;
        return -1;
    }
    memcpy(&master, CMSG_DATA(header), sizeof master);
    return master;
}

// A hostile image may offer any file as /dev/ptmx: only the multiplexer of a devpts is taken.
static int open_multiplexer(void) {
    int master = openat(AT_FDCWD, "/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (master < 0) master = openat(AT_FDCWD, "/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
    // Where the task has taken all of its own, whoever comes to look gets one all the same.
    if (master < 0 && (errno == ENOENT || errno == ENOSPC) && own_multiplexer >= 0) return own_multiplexer;
    struct stat info;
    struct statfs system;
    if (master < 0) fail(errno, "terminal(open /dev/ptmx)");
    if (fstat(master, &info) < 0 || fstatfs(master, &system) < 0) fail(errno, "terminal(/dev/ptmx)");
    if (!S_ISCHR(info.st_mode) || major(info.st_rdev) != 5 || minor(info.st_rdev) != 2 || system.f_type != DEVPTS_MAGIC)
        fail(ENOTTY, "terminal(/dev/ptmx is no devpts multiplexer)");
    return master;
}

static void bind_console(int slave) {
    int place = openat(AT_FDCWD, "/dev/console", O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_EXCL, 0666);
    if (place >= 0) close(place);
    else if (errno != EEXIST) fail(errno, "terminal(/dev/console)");
    int target = openat(AT_FDCWD, "/dev/console", O_PATH | O_NOFOLLOW | O_CLOEXEC);
    int tree = open_tree(slave, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    if (target < 0 || tree < 0 ||
        move_mount(tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
        fail(errno, "terminal(bind /dev/console)");
    close(tree);
    close(target);
}

static void set_size(const struct plan *plan, int slave) {
    const struct operation *size = plan_find(plan, OP_CONSOLE_SIZE);
    if (!size) return;
    struct winsize window = {
        .ws_row = (unsigned short)plan_number(size->argument[0]), .ws_col = (unsigned short)plan_number(size->argument[1])};
    if (ioctl(slave, TIOCSWINSZ, &window) < 0) fail(errno, "terminal(size)");
}

// Before the program can write anything.
static void keep_line_ends(const struct plan *plan, int slave) {
    struct termios settings;
    const struct operation *terminal = plan_find(plan, OP_TERMINAL);  // none where somebody attaches to the task's
    if (!terminal || terminal->count < 2) return;
    if (tcgetattr(slave, &settings) < 0) fail(errno, "terminal(settings)");
    settings.c_oflag &= ~(tcflag_t)ONLCR;
    if (tcsetattr(slave, TCSANOW, &settings) < 0) fail(errno, "terminal(settings)");
}

void console_take(const struct plan *plan, int socket, int bind) {
    int unlocked = 0, master = open_multiplexer();
    if (ioctl(master, TIOCSPTLCK, &unlocked) < 0) fail(errno, "terminal(unlock)");
    // By the master, not by a path that the image may have prepared (TIOCGPTPEER).
    int slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (slave < 0) fail(errno, "terminal(open slave)");
    set_size(plan, slave);
    keep_line_ends(plan, slave);
    if (bind) bind_console(slave);
    send_master(socket, master);
    close(master);
    close(socket);
    if (ioctl(slave, TIOCSCTTY, 0) < 0) fail(errno, "terminal(controlling)");
    for (int fd = 0; fd < 3; fd++)
        if (dup2(slave, fd) < 0) fail(errno, "terminal(dup2)");
    close(slave);
}

int console_socket_open(struct console_socket *console) {
    char directory[] = "/run/swiftlet-console-XXXXXX";
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (!mkdtemp(directory)) return -1;  // nobody else's: mode 0700
    snprintf(console->path, sizeof console->path, "%s/socket", directory);
    strcpy(address.sun_path, console->path);
    console->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (console->listener >= 0 && bind(console->listener, (struct sockaddr *)&address, sizeof address) == 0 &&
        listen(console->listener, 1) == 0) return 0;
    int saved = errno;
    console_socket_take(console);
    errno = saved;
    return -1;
}

int console_socket_take(struct console_socket *console) {
    int connection = console->listener >= 0 ? accept4(console->listener, NULL, NULL, SOCK_CLOEXEC) : -1;
    if (console->listener >= 0) close(console->listener);
    console->listener = -1;
    unlink(console->path);
    char *name = strrchr(console->path, '/');
    *name = 0;
    rmdir(console->path);
    *name = '/';
    return connection;
}
