"""The node before and after: processes, mounts, cgroups, namespaces, IPC, keys, sockets, settings, files."""
import glob
import hashlib
import os
import re

SETTINGS = ["kernel/core_pattern", "kernel/hostname", "kernel/modprobe", "kernel/randomize_va_space", "vm/overcommit_memory",
            "vm/panic_on_oom", "net/ipv4/ip_forward", "fs/file-max", "user/max_user_namespaces"]
FILES = ["/etc/passwd", "/etc/group", "/etc/shadow", "/etc/hosts", "/etc/resolv.conf", "/etc/hostname", "/etc/ld.so.cache",
         "/etc/ld.so.preload", "/etc/crontab", "/root/.ssh/authorized_keys", "/bin/sh", "/usr/bin/env"]


def read(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def processes():
    return {int(name) for name in os.listdir("/proc") if name.isdigit()}


def namespaces():
    """Namespaces that some process is in, as (kind, inode) -> one pid."""
    found = {}
    for path in glob.glob("/proc/[0-9]*/ns/*"):
        try:
            found.setdefault(os.readlink(path), int(path.split("/")[2]))
        except OSError:
            continue
    return found


def cgroups():
    found, waiting = set(), ["/sys/fs/cgroup"]
    while waiting:  # by hand: a hostile tree may be deeper than recursion, and than a path may be long
        directory = waiting.pop()
        found.add(directory)
        try:
            below = [entry.path for entry in os.scandir(directory) if entry.is_dir(follow_symlinks=False)]
        except OSError:
            continue
        waiting += below if directory.count("/") < 40 else []
    return found


def cgroup_counts():
    """Per controller, also those that are removed but not yet free (num_cgroups)."""
    return {line.split()[0]: int(line.split()[2]) for line in read("/proc/cgroups").decode().splitlines()[1:]}


def mounts():
    return [line for line in read("/proc/self/mountinfo").decode().splitlines()]


def command(pid):
    return read(f"/proc/{pid}/cmdline").replace(b"\0", b" ").decode(errors="replace").strip()


def belongs(pid, magic):
    """Whether a process comes from this run: its command line, environment, cgroups or mounts name it."""
    needle = magic.encode()
    return any(needle in read(f"/proc/{pid}/{name}") for name in ("cmdline", "environ", "cgroup", "mountinfo"))


def orphaned_init(pid):
    """A launcher's init that nobody supervises any more: whosever it is, it would stay for ever."""
    rows = dict(row.split(":\t", 1) for row in read(f"/proc/{pid}/status").decode(errors="replace").splitlines() if ":\t" in row)
    return rows.get("PPid") == "1" and rows.get("Name") == "init" and len(rows.get("NSpid", "").split()) > 1


class Snapshot:
    def __init__(self):
        self.processes = processes()
        self.namespaces = namespaces()
        self.cgroups = cgroups()
        self.mounts = set(mounts())
        self.settings = {name: read("/proc/sys/" + name) for name in SETTINGS}
        self.files = {path: hashlib.sha256(read(path)).hexdigest() for path in FILES}
        self.devices = set(os.listdir("/dev"))
        self.ipc = {kind: set(self._ipc(kind)) for kind in ("shm", "msg", "sem")}
        self.abstract = set(re.findall(r"@\S+", read("/proc/net/unix").decode(errors="replace")))
        self.links = set(os.listdir("/sys/class/net"))

    @staticmethod
    def _ipc(kind):
        # key, id
        return [tuple(line.split()[:2]) for line in read("/proc/sysvipc/" + kind).decode().splitlines()[1:]]


def differences(before, magic, alone):
    """What is different now, as sentences. Not `alone` on the machine: only what can be traced to this run."""
    after, found = Snapshot(), []
    ours = [pid for pid in after.processes - before.processes if pid != os.getpid() and (alone or belongs(pid, magic) or orphaned_init(pid))]
    found += [f"process {pid} stays: {command(pid)[:80]}" for pid in ours if command(pid)]
    found += [f"cgroup {path} stays" for path in sorted(after.cgroups - before.cgroups) if alone or magic in path]
    found += [f"mount stays: {line}" for line in sorted(after.mounts - before.mounts) if alone or magic in line]
    held = {name: pid for name, pid in after.namespaces.items() if name not in before.namespaces and (alone or belongs(pid, magic))}
    found += [f"namespace {name} stays, held by {pid} ({command(pid)[:60]})" for name, pid in held.items()]
    found += [f"{name} changed" for name in SETTINGS if after.settings[name] != before.settings[name]]
    found += [f"{path} changed" for path in FILES if after.files[path] != before.files[path]]
    if alone:
        for kind in before.ipc:
            found += [f"System V {kind} {item} appeared" for item in after.ipc[kind] - before.ipc[kind]]
        found += [f"device /dev/{name} appeared" for name in after.devices - before.devices]
        found += [f"network link {name} appeared" for name in after.links - before.links]
    found += [f"abstract socket {name} stays" for name in after.abstract - before.abstract if magic in name]
    return found
