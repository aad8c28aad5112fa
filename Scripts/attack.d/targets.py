"""The host's targets: things that every unconfined process reaches and no sandboxed one may. Made for one run, removed after it."""
import ctypes
import os
import shutil
import socket
import stat
import struct
import subprocess
import tempfile

LIBC = ctypes.CDLL(None, use_errno=True)
SYS_KEYCTL, SYS_ADD_KEY = 250, 248
# VFS_CAP_REVISION_2 | effective, permitted: CAP_SYS_ADMIN (21)
FILE_CAPABILITY = struct.pack("<IIIII", 0x02000001, 1 << 21, 0, 0, 0)
SET_ID = 4242


def compile_probe(source, into):
    """The attack programs as one static binary, built from Scripts/attack.d/*.c."""
    sources = sorted(os.path.join(source, name) for name in os.listdir(source) if name.endswith(".c"))
    compiler = next((name for name in ("cc", "gcc", "clang") if shutil.which(name)), "cc")
    subprocess.run([compiler, "-O1", "-static", "-o", into, *sources, "-lrt", "-lpthread"], check=True)


class Targets:
    """`dir` (read-only inside every sandbox) holds the programs and the context; `secret` is nowhere inside."""

    def __init__(self, source, short_id):
        self.magic = "swiftlet-attack-" + short_id
        self.dir = tempfile.mkdtemp(prefix=self.magic + ".", dir="/var/tmp")
        os.chmod(self.dir, 0o755)
        self.programs, self.secret, self.readonly = (os.path.join(self.dir, n) for n in ("programs", "secret", "readonly"))
        for path in (self.programs, self.secret, self.readonly):
            os.mkdir(path, 0o755)
        self.probe = os.path.join(self.programs, "probe")
        compile_probe(source, self.probe)
        self.undo = []
        self._files()
        self._process()
        self._sockets()
        self._ipc()
        self._key()
        self._context()

    def _files(self):
        self.canary = os.path.join(self.secret, "file")
        with open(self.canary, "w") as file:
            file.write("the host's own: " + self.magic + "\n")
        for name in ("set-id", "capable"):
            shutil.copy(self.probe, os.path.join(self.programs, name))
        if os.getuid() == 0:
            os.chown(os.path.join(self.programs, "set-id"), SET_ID, SET_ID)
            os.chmod(os.path.join(self.programs, "set-id"), 0o6755)
            os.setxattr(os.path.join(self.programs, "capable"), "security.capability", FILE_CAPABILITY)
        with open(os.path.join(self.readonly, "file"), "w") as file:
            file.write("unchanged\n")
        os.chmod(os.path.join(self.readonly, "file"), 0o666)
        os.mkdir(os.path.join(self.readonly, "inner"), 0o777)
        os.chmod(self.readonly, 0o777)
        os.chmod(os.path.join(self.readonly, "inner"), 0o777)

    def _process(self):
        # A process whose command line and environment can be recognised.
        # Both end by themselves if this program is ended by force.
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "start_new_session": True, "cwd": "/"}
        self.victim = subprocess.Popen(["/bin/sleep", "1200"], env={"SECRET": self.magic}, stdin=subprocess.DEVNULL, **quiet)
        self.named = subprocess.Popen(["/bin/sh", "-c", "read line # " + self.magic], stdin=subprocess.PIPE, **quiet)

    def _sockets(self):
        self.loopback = socket.socket()
        self.loopback.bind(("127.0.0.1", 0))
        self.loopback.listen(64)
        self.abstract = socket.socket(socket.AF_UNIX)
        self.abstract.bind("\0" + self.magic)
        self.abstract.listen(64)
        self.named_socket = socket.socket(socket.AF_UNIX)
        self.named_socket.bind(os.path.join(self.secret, "socket"))

    def _ipc(self):
        self.shm_key = 0x53000000 | (os.getpid() & 0xFFFFFF)
        self.shm = LIBC.shmget(self.shm_key, 4096, 0o1666)
        self.queue = "/" + self.magic
        librt = ctypes.CDLL("librt.so.1", use_errno=True)
        self.mq = librt.mq_open(self.queue.encode(), os.O_RDWR | os.O_CREAT, 0o666, None)
        self.undo.append(lambda: librt.mq_unlink(self.queue.encode()))

    def _key(self):
        # A session keyring for this run only; every sandbox is started from it.
        LIBC.syscall(SYS_KEYCTL, 1, None)
        LIBC.syscall(SYS_ADD_KEY, b"user", self.magic.encode(), b"secret", ctypes.c_size_t(6), ctypes.c_int(-3))

    def _context(self):
        def inode(name):
            return os.stat("/proc/self/ns/" + name).st_ino

        values = {
            "host-pid": self.victim.pid, "magic": self.magic, "canary": self.canary, "canary-text": "the host's own: " + self.magic,
            "abstract": self.magic, "queue": self.queue, "key": self.magic, "variable": "SWIFTLET_ATTACK_SECRET", "shm-key": self.shm_key,
            "port": self.loopback.getsockname()[1], "dir": "/attack", "readonly": "/readonly"}
        values.update({"ns-" + name: inode(name) for name in ("pid", "net", "ipc", "uts", "user", "mnt", "cgroup")})
        for name, changes in (("context", {}), ("control", {"dir": self.programs, "readonly": self.readonly})):
            with open(os.path.join(self.programs, name), "w") as file:
                file.writelines(f"{key}={value}\n" for key, value in {**values, **changes}.items())

    def leaks(self):
        """Descriptors that a careless caller would leave open: a host directory and a host file."""
        return [os.open(self.secret, os.O_RDONLY | os.O_DIRECTORY), os.open(self.canary, os.O_RDONLY)]

    def harmed(self):
        """What of the targets was changed, as text; empty when nothing was."""
        found = []
        if self.victim.poll() is not None or self.named.poll() is not None:
            found.append("a host process was ended")
        if open(self.canary).read() != "the host's own: " + self.magic + "\n":
            found.append("the canary file was changed")
        info = os.stat(os.path.join(self.readonly, "file"))
        if open(os.path.join(self.readonly, "file")).read() != "unchanged\n" or stat.S_IMODE(info.st_mode) != 0o666:
            found.append("the read-only file was changed")
        if set(os.listdir(self.readonly)) != {"file", "inner"} or os.listdir(os.path.join(self.readonly, "inner")):
            found.append("files appeared below a read-only bind")
        if set(os.listdir(self.secret)) != {"file", "socket"}:
            found.append(f"the host's directory holds {sorted(os.listdir(self.secret))}, expected file and socket")
        for place in ("/tmp", "/var/tmp", "/dev/shm", "/run", "/run/lock", "/mnt"):
            if os.path.exists(os.path.join(place, self.magic + ".marker")):
                found.append("a marker appeared in " + place)
        return found

    def remove(self):
        for process in (self.victim, self.named):
            process.kill()
            process.wait()
        if self.shm >= 0:
            LIBC.shmctl(self.shm, 0, None)
        for step in self.undo:
            step()
        for end in (self.loopback, self.abstract, self.named_socket):
            end.close()
        shutil.rmtree(self.dir, ignore_errors=True)
