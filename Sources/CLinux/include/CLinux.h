// Linux calls that Swift's Glibc module lacks: thin wrappers, no policy. Each returns what the call returns, with errno set.
#pragma once
#include <sys/types.h>

int clinux_pidfd_open(pid_t pid, unsigned flags);
int clinux_pidfd_send_signal(int pidfd, int signal);
/// With a value, as sigqueue(3).
int clinux_pidfd_queue_signal(int pidfd, int signal, int value);

/// Reaps the child behind a pidfd without waiting: 1 reaped (`status` is a wait status), 0 still running, -1 errno.
int clinux_wait_pidfd(int pidfd, int *status);

/// 1 when the process behind a pidfd is a child of this process that nobody has reaped, 0 when it is not. Nothing is reaped.
int clinux_is_child(int pidfd);

/// How a process ended that was reaped by whoever, while this pidfd was open (Linux 6.15): 1 with its wait status, 0 when that is not known.
int clinux_pidfd_exit_status(int pidfd, int *status);

/// posix_spawn in a session of its own, all signals default and unblocked, descriptors above 2 closed.
/// `out` and `err` become descriptors 1 and 2; -1 means /dev/null, as descriptor 0 always is. 0 or an errno value.
int clinux_spawn(pid_t *pid, const char *path, char *const argv[], char *const envp[], int out, int err);

/// The same with `in` as descriptor 0 (-1: /dev/null).
int clinux_spawn_with_input(pid_t *pid, const char *path, char *const argv[], char *const envp[], int in, int out, int err);

/// An unnamed file in memory, close-on-exec.
int clinux_memfd(const char *name);

/// umount2(2) with MNT_DETACH.
int clinux_unmount(const char *path);

/// A tmpfs at the path, without set-id programs and devices; `options` as mount(8) -o takes them. 0 or -1.
int clinux_mount_tmpfs(const char *path, const char *options, int without_programs);
/// 1 when the path lies in memory (tmpfs, ramfs), 0 when not, -1 with errno.
int clinux_is_in_memory(const char *path);

/// open(2) and flock(2) with plain arguments: both are variadic or shadowed by a struct in Swift.
int clinux_open(const char *path, int flags, mode_t mode);
int clinux_openat(int directory, const char *path, int flags, mode_t mode);
int clinux_flock(int fd, int operation);

/// posix_spawn in our own session and process group with our own standard descriptors, all signals default and unblocked.
/// `keep` (-1: none) stays open under its number, other descriptors above 2 are closed. 0 or an errno value.
int clinux_spawn_foreground(pid_t *pid, const char *path, char *const argv[], char *const envp[], int keep);

/// Clears close-on-exec.
int clinux_keep_on_exec(int fd);

/// Landlock's ABI; 0 where the kernel has none or it is switched off.
int clinux_landlock_abi(void);

/// 1 when the file has this extended attribute.
int clinux_has_attribute(const char *path, const char *name);

/// Halves of a device number: macros in C.
unsigned clinux_major(dev_t device);
unsigned clinux_minor(dev_t device);

/// posix_spawn in our own session with our own standard descriptors, all signals default and unblocked. The descriptors of
/// `keep` stay open under their numbers; others go as their close-on-exec flags say. 0 or an errno value.
int clinux_spawn_keeping(pid_t *pid, const char *path, char *const argv[], char *const envp[], const int *keep, int count);

/// Two connected SOCK_SEQPACKET descriptors, close-on-exec.
int clinux_message_pair(int ends[2]);

/// Unix stream sockets by a path of any length (only its last component is bounded); close-on-exec, -1 with errno.
int clinux_unix_connect(const char *path);
int clinux_unix_listen(const char *path);
/// The same with messages instead of a stream (SOCK_SEQPACKET).
int clinux_message_connect(const char *path);
int clinux_unix_accept(int listener);
/// One descriptor sent over a unix socket (SCM_RIGHTS), close-on-exec; -1 with errno.
int clinux_receive_descriptor(int socket);
/// The other way, with a word beside it; -1 with errno.
int clinux_send_descriptor(int socket, int descriptor, const char *word);

/// Orphans below this process become its children (PR_SET_CHILD_SUBREAPER).
int clinux_become_subreaper(void);

/// A copy of an executable that nobody can open for writing: a detached read-only mount of it, or a sealed memory file.
int clinux_sealed_executable(const char *path);

/// Opens a regular file for reading beneath a root whose symbolic links may be hostile (openat2, RESOLVE_IN_ROOT); what is none is not
/// opened at all (EINVAL). -1 with errno.
int clinux_open_in_root(const char *root, const char *path);

/// The window size of one terminal given to another, unless it is not known.
int clinux_copy_window_size(int from, int to);

/// A BPF_PROG_TYPE_CGROUP_DEVICE program of `count` instructions, attached to a cgroup v2 directory, replacing none. 0 or -1.
int clinux_attach_device_program(const char *cgroup, const void *instructions, unsigned count);

/// 1 when the capability is in this process's bounding set, 0 when not, -1 when the kernel has none of that number.
int clinux_may_grant(int capability);

/// posix_spawn in a session of its own, all signals default and unblocked: `streams` become descriptors 0, 1, 2 (-1: /dev/null), those of
/// `keep` 3, 4, ...; all others are closed. Every descriptor given is at least 3 + `count`. 0 or an errno value.
int clinux_spawn_streams(pid_t *pid, const char *path, char *const argv[], char *const envp[], const int streams[3], const int *keep, int count);

/// renameat2(2), RENAME_EXCHANGE: the two names swap; 0 or -1 with errno.
int clinux_exchange(const char *one, const char *other);

/// pipe2(2) with O_CLOEXEC.
int clinux_pipe(int ends[2]);

/// TIOCSWINSZ: ioctl(2) is variadic.
int clinux_set_window_size(int terminal, unsigned short rows, unsigned short columns);
/// What a terminal says of its own; -1 for what is none.
int clinux_window_size(int terminal, unsigned short *rows, unsigned short *columns);

/// A TCP socket (`family` AF_INET or AF_INET6) of the network namespace behind this file, or of our own (NULL): non-blocking and
/// close-on-exec; -1 with errno. The namespace is entered by a thread that ends with it.
int clinux_tcp_socket_in(const char *namespace_file, int family);

/// One message of a SOCK_SEQPACKET descriptor within so many milliseconds: its bytes, 0 at the end, -1 with errno (ETIMEDOUT).
int clinux_receive_message(int socket, void *buffer, int size, int milliseconds);

/// O_PATH, which the C library gives to GNU programs only.
static const int clinux_o_path = 010000000;

/// What a tree takes on the disk, in bytes and inodes, without following links or crossing mounts: 0, or -1 with errno. A file of n
/// names counts for one nth at each.
int clinux_tree_usage(const char *path, long long *bytes, long long *inodes);

/// openat2(2) below an open directory, which is the root for ".." and symbolic links; no magic link, no other mount. `mode` for O_CREAT.
int clinux_open_below(int root, const char *path, int flags, mode_t mode);

/// The same, found component by component, as it is where renames elsewhere keep the kernel from following ".."; for tests.
int clinux_open_below_by_steps(int root, const char *path, int flags, mode_t mode);

/// lsetxattr(2) by directory and name: 0 or -1 with errno.
int clinux_set_attribute(int directory, const char *name, const char *attribute, const void *value, size_t size);

/// Removes every attribute that an image may carry; those of the kernel's own stay.
void clinux_clear_attributes(int directory, const char *name);

/// makedev(3): a macro in C.
dev_t clinux_device(unsigned major, unsigned minor);

/// An overlay that is mounted nowhere (a descriptor), nosuid and nodev. The uppermost of the `count` lower layers is first; `upper`
/// and `work` are NULL for a read-only one. Paths may be of any length.
int clinux_overlay(const char *const lower[], int count, const char *upper, const char *work);

/// Mounts what `clinux_overlay` made at the path: 0 or -1 with errno.
int clinux_attach_mount(int mount, const char *path);

/// syncfs(2).
int clinux_sync_file_system(int fd);

/// malloc_trim(3): gives free memory of all the heap's arenas back to the kernel. 1 when there was some.
int clinux_trim_heap(void);
