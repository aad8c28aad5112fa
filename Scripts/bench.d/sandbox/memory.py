"""What one sleeping task costs beside itself: the proportional set size (PSS) of every process that supervises it."""
import os
import signal
import socket
import subprocess
import time

from sandbox import candidates as make

TASKS = 100
BOUND_KIB = 60


def processes(program):
    """Processes that run this executable, whatever they call themselves."""
    found = []
    identity = os.stat(program)
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            seen = os.stat(f"/proc/{pid}/exe")
            if (seen.st_dev, seen.st_ino) == (identity.st_dev, identity.st_ino):
                found.append(int(pid))
        except OSError:
            continue
    return found


def pss_kib(pid):
    try:
        for line in open(f"/proc/{pid}/smaps_rollup"):
            if line.startswith("Pss:"):
                return int(line.split()[1])
    except OSError:
        pass
    return 0


def settled(count, program, at_least):
    """Waits until so many processes of the program are there; their ids."""
    deadline = time.monotonic() + 30
    while len(found := processes(program)) < at_least and time.monotonic() < deadline:
        time.sleep(0.05)
    if len(found) < at_least:
        raise RuntimeError(f"{program}: {len(found)} processes after {count} starts, expected at least {at_least}")
    time.sleep(0.5)
    return processes(program)


def end(lab, started):
    """The payloads are the no-op of this laboratory alone; whoever supervises them ends with them."""
    for pid in processes(os.path.join(lab.root, "bin", "noop")):
        os.kill(pid, signal.SIGKILL)
    for process in started:
        process.wait(timeout=30)


def of_supervisors(lab, sandbox):
    """KiB per task of `supervise` in the background, and the processes per task."""
    before = set(processes(sandbox))
    starts = []
    for i in range(TASKS):
        state = os.path.join(lab.state, f"sleep{i}")
        os.makedirs(state)
        path = make.plan(lab, f"sleep{i}", ("/bin/noop", "sleep"), log=os.path.join(state, "log"))
        starts.append(subprocess.Popen([sandbox, "supervise", "--plan", path, "--state-dir", state], stdin=subprocess.DEVNULL))
    for start in starts:
        if start.wait(timeout=60):
            raise RuntimeError(f"supervise ended with {start.returncode}")
    found = set(settled(TASKS, sandbox, TASKS)) - before
    kib = sum(pss_kib(pid) for pid in found) / TASKS
    end(lab, [])
    return kib, len(found) / TASKS


def of_server(lab, sandbox):
    """The same of tasks that a resident launcher started, its own process and waiting children shared out among them."""
    before = set(processes(sandbox))
    candidate = make.serve_candidate(lab, sandbox, "sleeping")
    connections = []
    for i in range(TASKS):
        state = os.path.join(lab.state, f"served{i}")
        os.makedirs(state)
        text = open(make.plan(lab, f"served{i}", ("/bin/noop", "sleep"), log=os.path.join(state, "log"))).read()
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        connection.settimeout(30)
        connection.connect(candidate.words[0])
        connection.send(f"launch {len(text)} {state}\n{text}".encode())
        answer = connection.recv(600).decode()
        if not answer.startswith("started"):
            raise RuntimeError(f"serve: {answer}")
        connections.append(connection)
    found = set(settled(TASKS, sandbox, TASKS)) - before
    kib = sum(pss_kib(pid) for pid in found) / TASKS
    end(lab, [])
    for connection in connections:
        connection.recv(600)
        connection.close()
    return kib, len(found) / TASKS


def of_bubblewrap(lab):
    candidate = make.bubblewrap(lab, ("/bin/noop", "sleep"))
    if not candidate:
        return None
    # Each opens the filter for itself: a shared descriptor would be at its end for the second.
    started = [subprocess.Popen(["sh", "-c", 'exec "$@" 9<"$0"', lab.filter] + candidate.words[1:], stdin=subprocess.DEVNULL) for _ in range(TASKS)]
    found = settled(TASKS, candidate.words[1], TASKS)
    kib = sum(pss_kib(pid) for pid in found) / TASKS
    end(lab, started)
    return kib, len(found) / TASKS


def measure_memory(lab, paths, options, report):
    sandbox = paths["swiftlet-sandbox"]
    rows = []
    ways = [("swiftlet-sandbox supervise", of_supervisors(lab, sandbox)), ("swiftlet-sandbox serve", of_server(lab, sandbox))]
    bubblewrap = of_bubblewrap(lab)
    if bubblewrap:
        ways.append(("bubblewrap", bubblewrap))
    for name, (kib, count) in ways:
        rows.append([name, f"{kib:.1f}", f"{count:.1f}"])
    report.table(f"Supervising {TASKS} sleeping tasks", ["way", "PSS KiB per task", "processes per task"], rows)
    for name, (kib, _) in ways[1:2]:
        report.limit(f"{name}, PSS per sleeping task", kib, BOUND_KIB, "KiB", bubblewrap and bubblewrap[0], "bubblewrap")
