"""The resource attacks, one per sandbox: judged by what the program says and by what is seen from outside."""
import os
import signal
import subprocess
import threading
import time

import machine
import sandboxes

HELD = ("inotify", "pending-signals")  # the program keeps what it took until somebody has looked from outside
LONE = ("cpu", "negative-dentries", *HELD)  # these measure the machine, so that nothing else of this run may be at it
PLENTY_NAMES = 600_000  # exhaust.c knows it too
SECONDS = 25  # more than any program takes that something stops
LONG = 150  # for those that do a fixed amount of work, or wait for the look from outside


def room(lab, sandbox, name):
    """Whether the user who started the sandbox gets one more of it, outside: "room", or the error's text."""
    user = sandboxes.ORDINARY if sandbox.rootless else []
    done = subprocess.run([*user, lab.targets.probe, "--room", name], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=60)
    return done.stdout.strip() or f"status {done.returncode}: {done.stderr.strip()[-80:]}"


class Look(threading.Thread):
    """Waits until the program holds what it took, looks from outside, and lets it end."""

    def __init__(self, lab, sandbox, name):
        super().__init__(daemon=True)
        self.lab, self.sandbox, self.name_of_attack, self.over, self.answer = lab, sandbox, name, threading.Event(), None

    def run(self):
        while not self.over.wait(0.1):  # a poll of /proc: nothing tells when the name of a process changes
            for pid in tagged(self.lab, self.name_of_attack, self.sandbox.name):
                if machine.read(f"/proc/{pid}/comm").strip() == b"holding":
                    self.answer = room(self.lab, self.sandbox, self.name_of_attack)
                    os.kill(pid, signal.SIGUSR1)
                    return

    def end(self):
        self.over.set()
        self.join()
        return self.answer


def negative_entries():
    """Names that the node remembers as missing (proc_sys_fs(5), dentry-state)."""
    return int(machine.read("/proc/sys/fs/dentry-state").split()[4])


def attack(lab, sandbox, name):
    """One resource attack in a sandbox of its own: (verdict, detail)."""
    limit = 2 if name == "hang-term" else None
    look = None
    if name in HELD:
        free = room(lab, sandbox, name)
        if free != "room":
            return "error", f"before the attack its user gets none outside: {free}, expected room"
        look = Look(lab, sandbox, name)
        look.start()
    before = negative_entries()
    # The program knows no such name as the second: it is only to be recognised by.
    done = sandbox.run([name, "tag-" + sandbox.name], LONG if name in LONE else SECONDS, limit)
    sandbox.lab.progress(done.seconds, sandbox.name, name)
    said = done.lines.get(name)
    verdict, detail = said or ("error", done.text.strip()[-200:])
    if verdict == "started" and done.code in (137, -9, 265):
        verdict, detail = "contained", f"ended by SIGKILL after {done.seconds:.1f} s"
    elif verdict == "started":
        still = done.late and not limit
        verdict, detail = ("open", "still there") if still else ("error", f"status {done.code}: {done.text[-100:]}")
    judge = {"hang-term": hang, "output": output, "daemonize": daemon, "deep-directories": deep}.get(name)
    if judge:
        return judge(lab, sandbox, done, said, detail)
    if look:
        answer, user = look.end(), "the ordinary user" if sandbox.rootless else "root"
        if answer is None and verdict in ("contained", "open"):
            return "error", f"{detail}; it was not seen holding them, expected a process named holding"
        if answer not in (None, "room"):
            return "open", f"{detail}; meanwhile {user} outside gets none: {answer}, expected room"
        return verdict, f"{detail}; meanwhile {user} outside gets one"
    if name == "negative-dentries" and verdict == "contained":
        more = negative_entries() - before
        kept = f"{detail}; the node remembers {more} names more, expected less than two thirds of {PLENTY_NAMES}"
        return ("open" if more > PLENTY_NAMES * 2 // 3 else "contained"), kept
    return verdict, detail


def hang(lab, sandbox, done, said, detail):
    if not said:
        return "error", f"it never said that it started, expected `started`: status {done.code}: {detail[-100:]}"
    stopped = done.seconds < 16 and said[0] == "started" and not survivors(lab, "hang-term", sandbox.name)
    took = f"ended after {done.seconds:.1f} s, status {done.code}, expected less than 16 s and no process left"
    return "contained" if stopped else "open", took


def output(lab, sandbox, done, said, detail):
    kept = f"{done.kept >> 10} KiB kept of 64 MiB, expected {sandboxes.LOG >> 11} to {4 * sandboxes.LOG >> 10}"
    if done.kept < sandboxes.LOG // 2:  # more was written than a log takes, so that one is full
        return "error", f"{kept}: status {done.code}: {done.text.strip()[-80:]}"
    return "contained" if done.kept <= 4 * sandboxes.LOG else "open", kept


def daemon(lab, sandbox, done, said, detail):
    stays = survivors(lab, "daemonize", sandbox.name)
    if stays:
        return "open", f"{len(stays)} processes stay, expected none"
    if not said or said[0] != "open":
        return "error", f"{said[1] if said else detail}: expected that it said it had left a daemon behind; status {done.code}"
    return "contained", "no descendant survives"


def deep(lab, sandbox, done, said, detail):
    """Whoever removes the tree must come to its end: with a run's temporary file system, or by walking."""
    if not said or said[0] != "contained":
        return "error", f"{detail}; status {done.code}, expected nested directories"
    if done.late or done.code != 0:
        return "open", f"{detail}; status {done.code}{', late' if done.late else ''}, expected 0 in time"
    left = [path for top in sandbox.places() for path in find(top, ".deep")] + survivors(lab, "deep-directories", sandbox.name)
    return ("open", f"{detail}; {left[0]} stays, expected nothing") if left else ("contained", f"{detail}; removed")


def find(top, name):
    """Directories of this name, not far below `top`: a tree deeper than a path may be long is not walked to its end."""
    words = ["find", top, "-maxdepth", "12", "-name", name, "-prune", "-print"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    return done.stdout.split()


def tagged(lab, name, tag):
    """Processes of this attack inside its sandbox, by command line and mounts."""
    words = f"/attack/context\0sandbox\0{name}\0tag-{tag}\0".encode()
    return [p for p in machine.processes() if words in machine.read(f"/proc/{p}/cmdline")
            and lab.targets.magic.encode() in machine.read(f"/proc/{p}/mountinfo")]


def survivors(lab, name, tag):
    """Processes that this attack left; given a moment, as death is not instant. Ends them."""
    found = []
    for _ in range(10):
        found = tagged(lab, name, tag)
        if not found:
            break
        time.sleep(0.05)  # death is not instant
    for pid in found:
        os.kill(pid, signal.SIGKILL)
    return found
