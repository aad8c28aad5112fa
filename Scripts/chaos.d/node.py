"""What a node keeps on its machine: records, cgroups, mounts, processes; read from the kernel, not from the agent."""
import glob
import json
import os
import shutil


def text(path):
    try:
        with open(path, "rb") as file:
            return file.read().decode(errors="replace")
    except OSError:
        return ""


def names(path):
    try:
        return sorted(os.listdir(path))
    except OSError:
        return []


def command(pid):
    return text(f"/proc/{pid}/cmdline").replace("\0", " ").strip()


def start_time(pid):
    """Clock ticks since boot; None when there is no such process, or only its zombie."""
    fields = text(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return int(fields[19]) if len(fields) > 19 and fields[0] != "Z" else None


def parent(pid):
    fields = text(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return int(fields[1]) if len(fields) > 1 else None


def is_alive(identity):
    """`identity`: (pid, start time). A reused number is another process."""
    return start_time(identity[0]) == identity[1]


class Node:
    """The machine's side of one Lite: its state directory and its cgroup."""

    def __init__(self, state, cgroup):
        self.state, self.cgroup = state, cgroup

    # Below the state directory: one entry for each pod.
    OF_PODS = ["runp/pods", "runp/scratch", "runc/pods", "runc/scratch", "memory"]

    @property
    def memory(self):
        """Where the secrets of pods are."""
        return f"{self.state}/memory"

    def work(self, uid, name="c_0"):
        """The working directory of a container without an image."""
        return f"{self.state}/runp/scratch/{uid}/{name}/work"

    def remove_records(self):
        """Those in memory, which no removal of the state directory reaches."""
        for records in (f"{self.state}/runp/pods", f"{self.state}/records"):
            if os.path.islink(records):
                shutil.rmtree(os.path.dirname(os.path.realpath(records)), ignore_errors=True)

    def containers(self):
        """{(pod uid, "name_attempt"): the launcher's record}"""
        found = {}
        for path in glob.glob(f"{self.state}/runp/pods/*/*_*/state.json"):
            try:
                found[tuple(path.split("/")[-3:-1])] = json.loads(text(path))
            except ValueError:
                continue
        return found

    def container(self, uid, name="c_0"):
        return self.containers().get((uid, name))

    def task(self, uid, name="c_0"):
        """(pid, start time) of the task's init on the host; None while there is none."""
        record = self.container(uid, name)
        return (record["pid"], record["pidStartTime"]) if record else None

    def supervisor(self, uid, name="c_0"):
        record = self.container(uid, name)
        return (record["supervisorPid"], record["supervisorStartTime"]) if record else None

    def groups(self, uid=None):
        """Directories of cgroups below the node's (a pod's) in every hierarchy."""
        below = f"/{uid}" if uid else ""
        # RunC's have a parent of their own.
        parents = (self.cgroup, self.cgroup + ".runc")
        roots = [path for parent in parents for top in ("/sys/fs/cgroup", "/sys/fs/cgroup/*") for path in glob.glob(f"{top}/{parent}{below}")]
        return [directory for root in roots for directory, _, _ in os.walk(root)]

    def members(self, uid=None):
        """Every process in the node's (a pod's) cgroups."""
        return {int(pid) for directory in self.groups(uid) for pid in text(f"{directory}/cgroup.procs").split()}

    def forks_refused(self, uid):
        """How often the kernel refused one of the pod's groups a process because of its limit."""
        fields = " ".join(text(f"{directory}/pids.events") for directory in self.groups(uid)).split()
        return sum(int(count) for name, count in zip(fields[::2], fields[1::2]) if name == "max")

    def mounts(self):
        return [line for line in text("/proc/self/mountinfo").splitlines() if self.state + "/" in line]

    def processes(self):
        """Whatever runs the launcher or a Lite of this state directory, by pid."""
        found = {}
        for name in names("/proc"):
            if name.isdigit() and self.state in command(name):
                found[int(name)] = command(name)
        return found

    def supervisors(self):
        return {record["supervisorPid"]: key for key, record in self.containers().items()
                if start_time(record["supervisorPid"]) == record["supervisorStartTime"]}

    def launchers(self):
        """Resident launchers. Their spare children and the supervisors of running tasks have the same words."""
        words = {pid for pid, words in self.processes().items() if " serve " in words}
        tasks = set(self.supervisors()) | self.members()
        return {pid for pid in words - tasks if parent(pid) not in words}

    def remains(self, uids=()):
        """What is on the machine of pods that are none of `uids`, in words."""
        found = [f"record {uid}" for place in ("pods", "records") for uid in names(f"{self.state}/{place}") if uid not in uids]
        found += [f"{place}/{uid}" for place in self.OF_PODS for uid in names(f"{self.state}/{place}") if uid not in uids]
        found += [f"log {name}" for name in names(f"{self.state}/logs/pods") if not any(name.endswith(uid) for uid in uids)]
        pods = {below.split("/")[0] for directory in self.groups() for below in directory.split(f"/{self.cgroup}/", 1)[1:]}
        pods |= {below.split("/")[0] for directory in self.groups() for below in directory.split(f"/{self.cgroup}.runc/", 1)[1:]}
        found += [f"cgroup {uid}" for uid in sorted(pods) if uid not in uids]
        mounts = [line.split()[4] for line in self.mounts()]
        if self.memory in mounts:
            mounts.remove(self.memory)  # the node's own; a second one above it is a leak
        found += [f"mount {path}" for path in mounts if not any(uid in path for uid in uids)]
        return found
