"""The resident launcher (`swiftlet-sandbox serve`): strangers, garbage, slow and vanishing clients; and its cycles for the leak test."""
import glob
import contextlib
import os
import random
import shutil
import socket
import struct
import subprocess
import sys
import time

import leaks
import machine
import plan as launch_plan
import sandboxes
from setup_attacks import attack
from setup_lab import SENTINELS, Setup, judge, wait_for
from setup_state import members

MESSAGE = 60000


def connect(path):
    end = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    end.settimeout(15)
    end.connect(path)
    return end


def request(end, plan, directory):
    """Sends one launch as RunP's client does; returns the answer's first line."""
    data = f"launch {len(plan)} {directory}\n".encode() + plan
    head = len(data) - len(plan)
    end.send(data[:MESSAGE])
    for at in range(MESSAGE, len(data), MESSAGE):
        end.send(data[at:at + MESSAGE])
    return end.recv(1024).decode(errors="replace") if head else ""


class Resident:
    """A resident launcher of this attack's own."""

    def __init__(self, lab, spares=4):
        self.lab = lab
        self.dir = os.path.join(lab.targets.dir, f"resident-{time.monotonic_ns()}")
        os.mkdir(self.dir, 0o755)
        self.path = os.path.join(self.dir, "socket")
        self.process = subprocess.Popen([lab.launcher, "serve", "--socket", self.path, "--spares", str(spares)], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if not wait_for(lambda: os.path.exists(self.path), 5):
            raise RuntimeError("the resident launcher does not listen")

    def children(self):
        return machine.read(f"/proc/{self.process.pid}/task/{self.process.pid}/children").decode().split()

    def serves(self, label="after"):
        """A launch through it, with the sentinels inside."""
        setup = Setup(self.lab, f"resident-{label}").write(words=SENTINELS)
        with connect(self.path) as end:
            with open(setup.plan_path, "rb") as file:
                answer = request(end, file.read(), setup.state)
        if not answer.startswith("started"):
            return False, f"answers {answer!r}"
        if not wait_for(lambda: setup.record().get("phase") == "exited", 10):
            return False, "the launch does not end"
        return judge(setup.collect(setup.state, sandboxes.Run("", 0, 0, 0, False)), must_run=True)

    def close(self):
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def resident_attack(name, severity):
    def register(function):
        def whole(lab, rounds):
            resident = Resident(lab)
            try:
                detail = function(lab, resident, rounds)
                if isinstance(detail, tuple):
                    return detail
                good, after = resident.serves()
                return good, f"{detail}; then {after}"
            finally:
                pid = resident.process.pid
                resident.close()
                wait_for(lambda: not os.path.exists(f"/proc/{pid}"), 2)
        attack("resident:" + name, severity)(whole)
        return function
    return register


@resident_attack("a stranger connects", "C")
def stranger(lab, resident, rounds):
    script = ("import socket,sys\ns=socket.socket(socket.AF_UNIX,socket.SOCK_SEQPACKET)\ns.settimeout(5)\n"
              "try:\n s.connect(sys.argv[1]); s.send(b'launch 5 /tmp\\nhello'); print('answer', s.recv(99))\nexcept OSError as e: print('refused', e)")
    answers = []
    for mode in (None, 0o777):
        if mode:
            os.chmod(resident.path, mode)  # somebody opened the socket: the peer's id counts
        done = subprocess.run([*sandboxes.ORDINARY, "python3", "-c", script, resident.path], capture_output=True, text=True, timeout=20)
        answers.append(done.stdout.strip()[:60])
        if "refused" not in done.stdout and "b''" not in done.stdout:
            return False, answers[-1] or done.stderr[-80:]
    return "; ".join(answers)


GARBAGE = [b"", b"\0", b"hello\n", b"launch\n", b"launch 5\n", b"launch 5 relative\nhello", b"launch -1 /tmp\n", b"launch 99999999999999999999 /tmp\n",
           b"launch 18446744073709551615 /tmp\nx", b"launch 2097153 /tmp\nx", b"launch 5 /" + b"d" * 5000 + b"\nhello", b"launch 5 /tmp\nhello too long",
           b"launch 0 /tmp\n", b"launch 5 /tmp\0/x\nhello", os.urandom(60000), b"launch 5 " + b"/tmp" * 10, b"\n" * 60000, b"launch  5 /tmp\nhello"]


@resident_attack("garbage", "C")
def garbage(lab, resident, rounds):
    for number, text in enumerate(GARBAGE):
        with connect(resident.path) as end:
            end.send(text)
            end.shutdown(socket.SHUT_WR)
            try:
                answer = end.recv(1024)
            except OSError:
                answer = b""
            if answer.startswith(b"started"):
                return False, f"number {number} is started"
    return f"{len(GARBAGE)} requests dropped"


@resident_attack("clients that say half and vanish, or wait", "M")
def partial(lab, resident, rounds):
    waiting = []
    for number in range(60):
        end = connect(resident.path)
        end.send(b"launch 500000 /tmp\n" + b"x" * (number * 100))
        if number % 2:
            end.close()
        else:
            waiting.append(end)
    good, detail = resident.serves("beside")
    if not good:
        return False, f"beside 30 slow clients: {detail}"
    held = len(resident.children())
    for end in waiting:
        end.close()
    wait_for(lambda: len(resident.children()) <= 8, 5)
    return len(resident.children()) <= 8, f"served beside 30 slow clients ({held} children), {len(resident.children())} children afterwards"


@resident_attack("300 connections at once", "M")
def flood(lab, resident, rounds):
    ends = []
    for _ in range(300):
        end = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        end.setblocking(False)
        try:
            end.connect(resident.path)
        except OSError:
            pass
        ends.append(end)
    for end in ends:
        end.close()
    return "300 connections"


@resident_attack("descriptors sent along", "M")
def descriptors(lab, resident, rounds):
    for number in range(12):
        resident.serves(f"warm-{number}")  # the pool of network namespaces fills up
    before = len(os.listdir(f"/proc/{resident.process.pid}/fd"))
    null = os.open("/dev/null", os.O_RDONLY)
    for _ in range(20):
        with connect(resident.path) as end:
            end.sendmsg([b"launch 5 /tmp\nhello"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("200i", *[null] * 200))])
            end.recv(1024)
    os.close(null)
    good, detail = resident.serves()
    after = len(os.listdir(f"/proc/{resident.process.pid}/fd"))
    return good and after <= before + 8, f"{before} -> {after} descriptors; then {detail}"


@resident_attack("directories that are links, files, another's, or gone", "C")
def directories(lab, resident, rounds):
    setup = Setup(lab, "resident-dir").write()
    with open(setup.plan_path, "rb") as file:
        plan = file.read()
    link = os.path.join(resident.dir, "link")
    os.symlink(lab.targets.secret, link)
    for where in ("/no/such", lab.targets.canary, "/dev/null", "/proc/self/fd", link + "/missing"):
        with connect(resident.path) as end:
            answer = request(end, plan, where)
            if answer.startswith("started"):
                return False, f"{where}: {answer}"
    return "5 refused"


@resident_attack("hostile plans", "C")
def plans(lab, resident, rounds):
    setup = Setup(lab, "resident-plan").write()
    with open(setup.plan_path, "rb") as file:
        plan = file.read()
    for number, text in enumerate((b"x" * 1000, plan[:500], plan.replace(b"pivot\n", b"pivot\0\n"), plan + b"bogus\n", plan * 40, b"\n")):
        directory = os.path.join(resident.dir, f"p{number}")
        os.mkdir(directory)
        with connect(resident.path) as end:
            try:
                answer = request(end, text, directory)
            except (BrokenPipeError, ConnectionResetError):
                answer = ""
            if answer.startswith("started"):
                return False, f"plan {number} is started"
    return "6 refused"


@resident_attack("a task does not see it", "C")
def unseen(lab, resident, rounds):
    """The slim namespace and the pool must not show through: the full set of programs inside a pooled jail."""
    setup = Setup(lab, "resident-full").write(words=["escape", "kernel", "read", "network", "signal", "confuse", "persist"])
    with connect(resident.path) as end, open(setup.plan_path, "rb") as file:
        answer = request(end, file.read(), setup.state)
    wait_for(lambda: setup.record().get("phase") in ("exited", "failed"), 30)
    done = setup.collect(setup.state, sandboxes.Run("", 0, 0, 0, False))
    bad = [f"{n}: {v[1]}" for n, v in done.lines.items() if v[0] in ("open", "error")]
    return not bad and len(done.lines) > 100, bad[0] if bad else f"{answer.split(' ')[0]}, {len(done.lines) - 1} attack programs blocked or contained"


@attack("resident:killed with tasks running", "C")
def killed(lab, rounds):
    resident = Resident(lab)
    setup = Setup(lab, "resident-killed")
    setup.write(change=lambda plan: setattr(plan, "arguments", ["/bin/sh", "-c", "sleep 600"]))
    with connect(resident.path) as end, open(setup.plan_path, "rb") as file:
        answer = request(end, file.read(), setup.state)
    idle = resident.children()
    resident.process.kill()
    resident.process.wait()
    lives = os.path.exists(f"/proc/{setup.record().get('pid', 0)}")
    subprocess.run([lab.launcher, "kill", "--state-dir", setup.state, "--grace", "0"], check=False)
    ended = wait_for(lambda: setup.record().get("phase") == "exited", 5)
    orphans = [p for p in idle if not wait_for(lambda: not os.path.exists(f"/proc/{p}") or b"serve" not in machine.read(f"/proc/{p}/cmdline"), 2)]
    return lives and ended and not orphans, f"{answer.split(' ')[0]}; its task lives on: {lives}, can be ended: {ended}, waiting children left: {len(orphans)}"


@attack("resident:its children killed at random moments of a launch", "C")
def killed_children(lab, rounds):
    resident, source = Resident(lab), random.Random(13)
    setups, started = [], 0
    try:
        for number in range(rounds * 2):
            setup = Setup(lab, "resident-early")
            setup.write(change=lambda plan: setattr(plan, "arguments", ["/bin/sh", "-c", "trap '' TERM; sleep 600"]))
            setups.append(setup)
            with contextlib.suppress(ConnectionResetError), connect(resident.path) as end, open(setup.plan_path, "rb") as file:
                children, data = resident.children(), file.read()
                with contextlib.suppress(OSError):
                    end.send(f"launch {len(data)} {setup.state}\n".encode() + data)
                time.sleep(source.random() * 0.008)
                for pid in children:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(int(pid), 9)
                end.settimeout(5)
                with contextlib.suppress(OSError):
                    started += end.recv(1024).startswith(b"started")
        # A child that is dying may still take a connection: RunP's client then starts the task by the command; here it is asked again.
        good, detail = False, "does not answer"
        for _ in range(5):
            with contextlib.suppress(ConnectionResetError, BrokenPipeError):
                good, detail = resident.serves("after-all")
                break
    finally:
        resident.close()
    for setup in setups:  # a request that a child's successor took runs rightly, under a supervisor of its own
        subprocess.run([lab.launcher, "kill", "--state-dir", setup.state, "--grace", "0"], stderr=subprocess.DEVNULL, check=False)
    def stays():
        return [pid for setup in setups for pid in members(setup)]  # and orphans of any kind: the driver looks at the end
    gone = wait_for(lambda: not stays(), 3)
    left = stays()
    names = {f"{pid} {machine.command(pid)[:40]} {machine.read(f'/proc/{pid}/wchan').decode()} {machine.read(f'/proc/{pid}/cgroup').decode().split(chr(10))[0][-60:]}" for pid in left}
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), 9)
    return good and gone, f"{len(setups)} launches, {started} had started; {len(left)} processes stay {names or ''}; then {detail}"


class ResidentCycle(leaks.Cycle):
    """(b) the resident launcher: launches through its socket; beside each one that is killed one that is over at once."""

    name = "leak-resident"

    def one(self, number):
        self.short(number)
        super().one(number)

    def short(self, number):
        """Heard to its end, so that its supervisor serves again; its groups are the launcher's own to make and to remove."""
        state = os.path.join(self.lab.targets.dir, f"{self.name}-short-{number}")
        os.makedirs(os.path.join(state, "rootfs"))
        plan = self.base(state)
        directories = [text.split(" ")[3] for text in plan.lines if text.startswith("cgroup 1 ")]
        for directory in directories:
            self.removed(directory)
        joins = [text for text in plan.lines if text.startswith("cgroup ")]
        plan.replace("cgroup ", *(launch_plan.line("cgroup-make", "1", path) for path in directories), *joins,
                     *(launch_plan.line("cgroup-remove", path) for path in directories))
        plan.arguments = ["/bin/true"]
        with connect(self.server.path) as end:
            answer = request(end, plan.text().encode(), state)
            while "ended" not in answer:
                more = end.recv(1024).decode(errors="replace")
                if not more:
                    raise RuntimeError(f"short task {number}: the resident launcher hung up behind {answer!r}, expected an end")
                answer += more
        gone = wait_for(lambda: not any(os.path.exists(directory) for directory in directories), 5)
        shutil.rmtree(state)
        if not gone or "ended 0 0" not in answer:
            raise RuntimeError(f"short task {number}: {answer!r}, groups gone: {bool(gone)}; expected 'ended 0 0' and True")

    def begin(self):
        self.server = Resident(self.lab)

    def launch(self, path, state):
        with connect(self.server.path) as end, open(path, "rb") as file:
            answer = request(end, file.read(), state)
        if not answer.startswith("started"):
            raise RuntimeError(f"the resident launcher answers {answer!r}")

    def resident(self):
        pid = self.server.process.pid
        rss = next((int(row.split()[1]) for row in machine.read(f"/proc/{pid}/status").decode().splitlines() if row.startswith("VmRSS")), 0)
        return {"descriptors": len(os.listdir(f"/proc/{pid}/fd")), "memory (KiB)": rss, "children": len(self.server.children())}

    def finish(self):
        self.server.close()
