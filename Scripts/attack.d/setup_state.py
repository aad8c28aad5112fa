"""State directories full of links, floods of output, supervisors and inits that are signalled or traced."""
import contextlib
import glob
import os
import random
import re
import signal
import subprocess
import time

import machine
import plan as plans
import sandboxes
from setup_attacks import attack
from setup_lab import Setup, judge, wait_for


@attack("state:log is a link to a host file", "C")
def log_link(lab, rounds):
    setup = Setup(lab, "log-link")
    os.symlink(lab.targets.canary, os.path.join(setup.state, "main.log"))
    return judge(setup.write().go())


@attack("state:log is a fifo", "M")
def log_fifo(lab, rounds):
    setup = Setup(lab, "log-fifo")
    os.mkfifo(os.path.join(setup.state, "main.log"))
    started = time.monotonic()
    process = subprocess.Popen(setup.write().argv(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        process.wait(8)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return False, "the supervisor hangs in opening its log"
    return process.returncode != 0, f"refused after {time.monotonic() - started:.1f} s: {setup.record().get('error')}"


@attack("state:record, its temporary file, lock, grace are links", "C")
def record_links(lab, rounds):
    details = []
    for name in ("state.json", "state.json.tmp", "supervisor.lock", "lock", "grace"):
        setup = Setup(lab, "links")
        os.symlink(lab.targets.canary, os.path.join(setup.state, name))
        done = setup.write().go()
        if lab.targets.harmed():
            return False, f"{name}: {lab.targets.harmed()[0]}"
        details.append(f"{name}: {judge(done)[1][:40]}")
    return True, "; ".join(details)


@attack("state:rotation is in the way of a directory", "M")
def rotation(lab, rounds):
    setup = Setup(lab, "rotate")
    os.makedirs(os.path.join(setup.state, "main.log.1", "x"))
    setup.write(words=["output"]).go(20)
    size = os.path.getsize(os.path.join(setup.state, "main.log"))
    return size <= 4 * sandboxes.LOG, f"{size >> 10} KiB kept of 64 MiB"


@attack("log:forged lines and control characters", "M")
def forged(lab, rounds):
    setup = Setup(lab, "forged")
    script = r"""printf '2026-01-01T00:00:00.000000000Z stdout F forged\n\r\033[2J\0\0x\n'; head -c 300000 /dev/zero | tr '\0' 'y'; echo; printf 'no end'"""
    setup.write(change=lambda plan: setattr(plan, "arguments", ["/bin/sh", "-c", script])).go()
    with open(os.path.join(setup.state, "main.log"), "rb") as file:
        rows = file.read().split(b"\n")
    form = re.compile(rb"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+(Z|[+-]\d\d:\d\d) (stdout|stderr) [FP] ")
    wrong = [row[:60] for row in rows if row and not form.match(row)]
    longest = max(map(len, rows))
    text = b"".join(rows)
    if len(rows) < 10 or b"forged" not in text or text.count(b"y") < 300_000 or b"no end" not in text:
        raise RuntimeError(f"{len(rows)} lines with {text.count(b'y')} letters y in the log, expected 300,000 and the forged "
                           f"line: {text[-80:]!r}")
    return not wrong and longest < 40000, f"{len(rows)} lines, each with its prefix; longest {longest}" if not wrong else f"line without prefix: {wrong[0]!r}"


def sleeping(lab, name, script="trap '' TERM; sleep 600 & wait; sleep 600"):
    setup = Setup(lab, name)
    setup.write(change=lambda plan: setattr(plan, "arguments", ["/bin/sh", "-c", script]))
    process = setup.start()
    record = setup.record()
    if record.get("phase") != "running":
        process.kill()
        process.wait()
        raise RuntimeError(f"the task's record says {record.get('phase')}, expected running: {record.get('error')}")
    return setup, process, record


def forced(process):
    """For an attack that raises: what it started ends with it."""
    process.kill()
    process.wait()


def members(setup):
    """Processes in the launch's cgroups."""
    found = set()
    for path in glob.glob(f"/sys/fs/cgroup/*/{setup.lab.targets.magic}-{os.path.basename(setup.state)}/cgroup.procs"):
        found |= set(machine.read(path).decode().split())
    return found


def left(*setups):
    """Processes of these launches, by their plans' names."""
    plans = [setup.state.encode() + b"/plan" for setup in setups]
    return [pid for pid in machine.processes() if pid != os.getpid() and any(plan in words for words in [machine.read(f"/proc/{pid}/cmdline")] for plan in plans)]


@attack("supervisor:killed by hand", "C")
def supervisor_killed(lab, rounds):
    setup, process, record = sleeping(lab, "killed")
    process.kill()
    process.wait()
    gone = wait_for(lambda: not members(setup), 3)
    return gone and record.get("phase") == "running", "its task dies with it" if gone else f"its task lives on: {members(setup)}"


@attack("supervisor:killed at random moments of the launch", "C")
def killed_early(lab, rounds):
    """Whatever stands at that moment (namespace carriers, init, payload) must go too."""
    source, ran = random.Random(11), 0
    setups = []
    for number in range(rounds * 2):
        setup = Setup(lab, "early")
        setup.write(change=lambda plan: setattr(plan, "arguments", ["/bin/sh", "-c", "trap '' TERM; sleep 600"]))
        process = subprocess.Popen(setup.argv(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(source.random() * 0.03)
        process.kill()
        process.wait()
        ran += setup.record().get("phase") == "running"
        setups.append(setup)
    gone = wait_for(lambda: not left(*setups) and not any(map(members, setups)), 3)
    stays = left(*setups) + [int(pid) for setup in setups for pid in members(setup)]
    names = {f"{machine.command(pid)[:40]} {machine.read(f'/proc/{pid}/stat').decode()[:40]} {machine.read(f'/proc/{pid}/wchan').decode()}" for pid in stays}
    for pid in set(stays):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return gone, f"{len(setups)} launches killed, {ran} of them running: " + (f"{len(stays)} processes stay: {names}" if stays else "nothing stays")


@attack("supervisor:500 signals of every kind", "M")
def storm(lab, rounds):
    setup, process, record = sleeping(lab, "storm")
    for number in range(500):
        for kind in (signal.SIGHUP, signal.SIGPIPE, signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGWINCH):
            if process.poll() is None:
                process.send_signal(kind)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        return False, "does not end"
    after = setup.record()
    return after.get("phase") == "exited" and not members(setup), f"phase {after.get('phase')}, status {after.get('exitCode')}"


@attack("supervisor:two for one directory", "M")
def two(lab, rounds):
    setup, process, record = sleeping(lab, "two")
    second = subprocess.run(setup.argv(), stdin=subprocess.DEVNULL, capture_output=True, timeout=10)
    same = setup.record().get("pid") == record.get("pid")
    process.terminate()
    process.wait(20)
    return second.returncode == 2 and same, f"the second is refused: {second.stderr.decode().strip()[-60:]}"


@attack("init:traced by a process with the same host id", "C")
def traced(lab, rounds):
    setup, process, record = sleeping(lab, "traced")
    script = ("import ctypes,os,sys\nl=ctypes.CDLL(None,use_errno=True)\np=int(sys.argv[1])\nr=l.ptrace(0x4206,p,None,None)\n"
              "ok=[]\nif r==0: ok.append('ptrace')\n"
              "for n in ('mem','environ','maps','root/etc/passwd'):\n try: os.read(os.open(f'/proc/{p}/{n}',os.O_RDONLY),1); ok.append(n)\n except OSError: pass\n"
              "print(ok)")
    done = subprocess.run(["setpriv", f"--reuid={lab.id_start}", f"--regid={lab.id_start}", "--clear-groups", "/usr/bin/env", "python3", "-c", script,
                           str(record["pid"])], capture_output=True, text=True, timeout=10)
    try:
        inside = machine.read(f"/proc/{record['pid']}/status").decode()
        uid = next((row.split()[1] for row in inside.splitlines() if row.startswith("Uid:")), None)
    finally:
        process.terminate()
        process.wait(20)
    if uid != str(lab.id_start):
        raise RuntimeError(f"init {record['pid']} has the host id {uid}, expected {lab.id_start}, the tracer's")
    return done.stdout.strip() == "[]", f"ptrace, mem, environ, maps, root of init: {done.stdout.strip() or done.stderr.strip()[-80:]}"


@attack("output:pipe held by a stranger after the end", "M")
def held(lab, rounds):
    setup, process, record = sleeping(lab, "held", "sleep 600")
    children = machine.read(f"/proc/{record['pid']}/task/{record['pid']}/children").decode().split()
    keep = os.open(f"/proc/{children[0]}/fd/1", os.O_WRONLY)
    started = time.monotonic()
    process.terminate()
    try:
        process.wait(20)
        ended = True
    except subprocess.TimeoutExpired:
        process.kill()
        ended = False
    os.close(keep)
    return ended, f"the supervisor ends after {time.monotonic() - started:.1f} s all the same"


@attack("tree:stopped, tracing and dying at once", "M")
def mixture(lab, rounds):
    setup, process, record = sleeping(lab, "mixture-run", "for i in 1 2 3 4 5 6 7 8; do (setsid sleep 600 & setsid sh -c 'kill -STOP $$; sleep 600' &) ; done; sleep 0.2; kill -STOP $$")
    # Eight detached sleepers, eight that stopped themselves, their common parent that stopped too, and init.
    there = lambda: [machine.read(f"/proc/{pid}/stat").decode().rpartition(") ")[2][:1] for pid in members(setup)]
    if not wait_for(lambda: there().count("T") >= 9 and len(there()) >= 17, 10):
        states = there()
        forced(process)
        raise RuntimeError(f"{len(states)} processes, {states.count('T')} of them stopped, expected at least 17 and 9")
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        return False, "a stopped task outlives its grace"
    return not members(setup), "stopped and detached processes are gone" if not members(setup) else f"{len(members(setup))} stay"
