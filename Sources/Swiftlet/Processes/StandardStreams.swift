// The three standard streams, where the caller closed one: its number must not become a file's or a connection's of ours.
import Glibc

enum StandardStreams {
    /// As the C library does it for programs that change their user: what is closed stays unusable, but taken. Reading or writing there
    /// goes on to fail (EBADF), and no table is written into the connection to a master.
    static func occupyClosed() {
        for (stream, flags) in [(STDIN_FILENO, O_WRONLY), (STDOUT_FILENO, O_RDONLY), (STDERR_FILENO, O_RDONLY)]
        where fcntl(stream, F_GETFD) < 0 {
            // The lowest number that is free, which is this one: they are looked at in order.
            _ = open("/dev/null", flags)
        }
    }
}
