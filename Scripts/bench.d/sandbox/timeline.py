"""Our launch's own phases, as the kernel's tracer saw them: events of the asking process, the resident launcher and their children."""
import os
import re
import statistics
import subprocess
import time

from sandbox.lab import MNT_DETACH, check, libc

EVENTS = ("raw_syscalls/sys_exit", "raw_syscalls/sys_enter", "sched/sched_process_fork", "sched/sched_process_exec", "sched/sched_process_exit")
CONNECT, ACCEPT4, CLOSE = ("42", "288", "3") if os.uname().machine == "x86_64" else ("203", "242", "57")
PHASES = ("client to supervisor", "to init's wake-up", "to the payload's clone", "to exec", "to its end", "to init's end", "to the answer")
LINE = re.compile(r"\s*(?P<comm>.+)-(?P<pid>\d+)\s+\[\d+\] \S+\s+(?P<at>[\d.]+): (?P<event>.*)")


class Tracer:
    """The kernel's tracer in an instance of its own, following some processes and what they make."""

    def __init__(self, lab):
        self.mount = os.path.join(lab.directory, "tracing")
        self.instance = os.path.join(self.mount, "instances", lab.group)

    def __enter__(self):
        os.makedirs(self.mount)
        check(libc.mount(b"nodev", self.mount.encode(), b"tracefs", 0, None), "mount(tracefs)")
        os.mkdir(self.instance)
        for file, value in [("options/event-fork", "1"), ("trace_clock", "mono"), ("buffer_size_kb", "16384")] + [(f"events/{event}/enable", "1") for event in EVENTS]:
            self._write(file, value)
        self._write("tracing_on", "0")
        return self

    def __exit__(self, *_):
        self._write("tracing_on", "0")
        os.rmdir(self.instance)
        libc.umount2(self.mount.encode(), MNT_DETACH)

    def _write(self, file, value):
        with open(os.path.join(self.instance, file), "w") as handle:
            handle.write(value)

    def follow(self, pids):
        self._write("set_event_pid", " ".join(map(str, pids)))
        self._write("tracing_on", "1")

    def events(self):
        """(command, pid, microseconds, event) in the order of time."""
        self._write("tracing_on", "0")
        for line in open(os.path.join(self.instance, "trace"), errors="replace"):
            found = LINE.match(line)
            if found:
                yield found["comm"], int(found["pid"]), float(found["at"]) * 1e6, found["event"]


def family(pid):
    """The process and its children."""
    children = open(f"/proc/{pid}/task/{pid}/children").read().split()
    return [pid] + [int(child) for child in children]


def launches(events, asker):
    """The moments of each launch: connect, accept, init's first call, the payload's clone, its exec, its end, init's end, the answer."""
    moments, init, payload, answered = [], None, None, 0
    for comm, pid, at, event in events:
        step = len(moments)
        if pid == asker and event.startswith(f"sys_enter: NR {CONNECT} "):
            moments, init, payload = [at], None, None
        elif step == 1 and pid != asker and event.startswith(f"sys_exit: NR {ACCEPT4} "):
            moments.append(at)
        elif step == 2 and comm == "init" and event.startswith("sys_exit"):
            init = pid
            moments.append(at)
        elif step == 3 and pid == init and event.startswith("sched_process_fork"):
            payload = int(re.search(r"child_pid=(\d+)", event).group(1))
            moments.append(at)
        elif step in (4, 5) and pid == payload and event.startswith(("sched_process_exec", "sched_process_exit")[step - 4]):
            moments.append(at)
        elif step == 6 and pid == init and event.startswith("sched_process_exit"):
            moments.append(at)
        elif step == 7 and pid == asker and event.startswith(f"sys_enter: NR {CLOSE} "):
            yield moments + [answered]
            moments = []
        if pid == asker and event.startswith("sys_exit"):
            answered = at


def own_phases(lab, candidate, rounds, report):
    """A row per phase of the resident launcher; nothing where the kernel has no tracer."""
    try:
        with Tracer(lab) as tracer:
            text = "\t".join([candidate.name, candidate.kind] + candidate.words) + "\n"
            asker = subprocess.Popen([os.path.join(lab.bin, "measure"), "rounds", str(rounds), "50"], stdin=subprocess.PIPE,
                                     stdout=subprocess.DEVNULL, text=True)
            time.sleep(0.05)
            tracer.follow([asker.pid] + family(candidate.server.pid))
            asker.communicate(text)
            found = list(launches(tracer.events(), asker.pid))
    except (OSError, RuntimeError) as failure:
        report.notes.append(f"no phases of our own launch: the kernel's tracer cannot be used ({failure})")
        return
    if found:
        steps = [statistics.median(after - before for before, after in zip(column, following))
                 for column, following in zip(zip(*found), list(zip(*found))[1:])]
        report.table(f"Where the resident launcher's time goes, median us of {len(found)} launches 50 ms apart, traced",
                     PHASES + ("sum",), [[f"{step:.0f}" for step in steps] + [f"{sum(steps):.0f}"]])
