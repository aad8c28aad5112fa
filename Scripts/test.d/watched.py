#!/usr/bin/env python3
"""Runs a command whose output is passed on as it comes, and ends it when it has said nothing for too long: a run that hangs tells what
hung, and the next one begins.

    watched.py --silence SECONDS --began EPOCH COMMAND [ARGUMENT...]

Once a minute a line tells how long ago EPOCH was, so that the end of any log that was cut tells when. The exit status is the command's,
128 + N for signal N, 124 when it was ended. Told then: the tests that were begun and have not ended, and of every process of the command
what it waits for, with the stacks of the one that has most threads where gdb or lldb is there.
"""
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time

BEGUN = re.compile(r"^\S+ Test (?:case passing .* to )?(\"?.*?\"?) started\.$")
ENDED = re.compile(r"^\S+ Test (\"?.*?\"?) (?:with \d+ test cases? )?(?:passed|failed|skipped)")
COLOUR = re.compile(rb"\x1b\[[0-9;]*m")
STACK_SECONDS = 120


def main():
    if len(sys.argv) < 6 or sys.argv[1] != "--silence" or sys.argv[3] != "--began":
        sys.exit(__doc__)
    silence, began, command = float(sys.argv[2]), float(sys.argv[4]), sys.argv[5:]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: leave(child, number))
    tests = Tests()
    try:
        hung = not pass_on(child, silence, began, tests)
    except BrokenPipeError:
        leave(child, signal.SIGPIPE)
    if hung:
        try:
            report(child.pid, f"no word for {silence:.0f} s from `{' '.join(command)}`", tests)
        finally:
            end(child)
        return 124
    status = child.wait()
    return status if status >= 0 else 128 - status


class Tests:
    """Which tests have begun and not ended, from the runner's lines."""

    def __init__(self):
        self.running = {}
        self.rest = b""

    def read(self, piece):
        *lines, self.rest = (self.rest + piece).split(b"\n")
        for line in lines:
            text = line.decode(errors="replace")
            if match := BEGUN.match(text):
                self.running[match.group(1)] = text
            elif match := ENDED.match(text):
                self.running.pop(match.group(1), None)


def pass_on(child, silence, began, tests):
    """Until the command and its output have ended; False when it says nothing."""
    out = child.stdout.fileno()
    last = told = time.monotonic()
    rest = b""
    while True:
        if select.select([out], [], [], 1)[0]:
            piece = os.read(out, 1 << 16)
            if not piece:
                sys.stdout.buffer.write(rest)
                return True
            # The runner of the tests colours what it writes into a pipe, too. Half of a colour waits for the other.
            piece = COLOUR.sub(b"", rest + piece)
            half = piece.rfind(b"\x1b[", max(0, len(piece) - 12))
            piece, rest = (piece, b"") if half < 0 else (piece[:half], piece[half:])
            sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()
            tests.read(piece)
            last = time.monotonic()
            if last - told > 60 and not tests.rest:
                told = last
                say(f"{time.time() - began:.0f} s since the start")
        elif time.monotonic() - last > silence:
            return False


def report(root, why, tests):
    say(f"hung: {why}")
    for line in tests.running.values():
        say(f"  not ended: {line}")
    for pid in tree(root):
        say(f"process {pid}: {read(f'/proc/{pid}/cmdline').replace(chr(0), ' ').strip()[:300]}")
        for task in sorted(names(f"/proc/{pid}/task"), key=int):
            place = f"/proc/{pid}/task/{task}"
            state = read(f"{place}/stat").rpartition(")")[2].split()[:1]
            kernel = " < ".join(line.split()[-1] for line in read(f"{place}/stack").splitlines()[:6])
            say(f"  {task} {read(f'{place}/comm').strip()} {''.join(state)} {read(f'{place}/wchan')} {kernel}")
    stacks(runner(root))


def runner(root):
    """The process with the most threads: the one that runs the tests."""
    return max(tree(root), key=lambda pid: len(names(f"/proc/{pid}/task")), default=root)


def stacks(pid):
    commands = [["gdb", "--batch", "-p", str(pid), "-ex", "thread apply all bt 40"],
                ["lldb", "--batch", "-p", str(pid), "-o", "thread backtrace all -c 40"]]
    for command in commands:
        if not shutil.which(command[0]):
            continue
        try:
            found = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=STACK_SECONDS)
        except subprocess.TimeoutExpired:
            say(f"{command[0]} did not end within {STACK_SECONDS} s")
            continue
        for line in found.stdout.decode(errors="replace").splitlines()[-800:]:
            say("  " + line[:300])
        return


def tree(root):
    """`root` and its descendants, as far as they live; parents first."""
    children = {}
    for name in names("/proc"):
        if name.isdigit():
            parent = read(f"/proc/{name}/stat").rpartition(")")[2].split()[1:2]
            if parent:
                children.setdefault(int(parent[0]), []).append(int(name))
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return [pid for pid in found if os.path.exists(f"/proc/{pid}")]


def end(child):
    for pid in tree(child.pid):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    child.wait()


def leave(child, number):
    """This run is to end: the command is told the same, and has a moment for it."""
    try:
        child.send_signal(number)
        child.wait(timeout=10)
    except subprocess.TimeoutExpired:
        end(child)
    os._exit(128 + number)


def read(path):
    try:
        with open(path, errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def names(path):
    try:
        return os.listdir(path)
    except OSError:
        return []


def say(text):
    print(f"test: {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
