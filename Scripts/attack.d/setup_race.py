"""Mount sources and destinations that another process swaps between directory and link while the launcher works."""
import contextlib
import itertools
import os
import shutil
import subprocess
import sys
import time

import plan as plans
from setup_attacks import attack
from setup_lab import Setup, judge, wait_for

SWAPPER = """
import ctypes, os, sys
libc = ctypes.CDLL(None)
a, b = os.fsencode(sys.argv[1]), os.fsencode(sys.argv[2])
parent = os.getppid()
swaps = 0
while os.getppid() == parent:
    for _ in range(500): swaps += libc.renameat2(-100, a, -100, b, 2) == 0
    if swaps: os.write(1, b"+")
    swaps = 0
"""


LEAST = 3  # launches of a race, however slow the machine


class Swapper:
    """Exchanges two names as fast as the kernel does it, in a process of its own."""

    def __init__(self, first, second):
        self.process = subprocess.Popen([sys.executable, "-c", SWAPPER, first, second], stdout=subprocess.PIPE)
        os.set_blocking(self.process.stdout.fileno(), False)
        self.swapped = 0

    def rounds(self):
        """How many times five hundred swaps were tried and one at least succeeded; also keeps the pipe from filling."""
        with contextlib.suppress(BlockingIOError):
            while got := os.read(self.process.stdout.fileno(), 65536):
                self.swapped += len(got)
        return self.swapped

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def race(lab, rounds, prepare, change, words=("host-file", "proc-root-walk"), must_run=True):
    """Launches again and again under the swap; every launch is refused or stands."""
    setup = Setup(lab, "race").with_image()
    first, second = prepare(setup.image)
    ran, refused, reason = 0, 0, ""
    deadline = time.monotonic() + (40 if rounds > 100 else 6)
    with Swapper(first, second) as swapper:
        if not wait_for(lambda: swapper.rounds() > 0, 10):
            raise RuntimeError(f"nothing was swapped: {first}, {second}; expected the names to be exchanged")
        swaps = 0
        for _ in range(rounds):
            seen = swapper.rounds()
            again = Setup(lab, "race-run").with_image()
            shutil.rmtree(again.image)
            again.image = setup.image
            done = again.write(words=list(words), change=change).go(10)
            good, detail = judge(done)
            again.clean()
            shutil.rmtree(again.state, ignore_errors=True)
            if not good:
                return False, detail
            ran, refused = ran + bool(done.lines), refused + (not done.lines)
            reason = detail if not done.lines else reason
            swaps += swapper.rounds() > seen
            if time.monotonic() > deadline and ran + refused >= LEAST:
                break
    if not swaps:
        raise RuntimeError(f"no swap during {ran + refused} launches, expected at least one")
    if not ran and must_run:
        raise RuntimeError(f"none of {refused} launches ran: {reason}; expected at least one, or the race was never on")
    left = set(os.listdir(lab.targets.secret)) - {"file", "socket"}
    made = f", made on the host: {left}" if left else ""
    return not left, f"{ran} ran, {refused} {reason or 'refused'}, swapped during {swaps}{made}"


@attack("race:destination directory <-> link to the host", "C")
def destination(lab, rounds):
    def prepare(image):
        os.symlink(lab.targets.secret, os.path.join(image, "data2"))
        return os.path.join(image, "data"), os.path.join(image, "data2")
    return race(lab, rounds, prepare, lambda plan: plan.before("proc ", plans.line("bind", lab.targets.readonly, "/data/a/b", "ro,nosuid,nodev")))


@attack("race:destination's parent moved out of the root", "C")
def moved_out(lab, rounds):
    def prepare(image):
        outside = os.path.join(os.path.dirname(image), "outside")
        os.makedirs(os.path.join(outside, "deep"))
        os.makedirs(os.path.join(image, "data/deep"))
        return os.path.join(image, "data"), outside
    return race(lab, rounds, prepare, lambda plan: plan.before(
        "proc ", plans.line("bind", lab.targets.readonly, "/data/deep/x/y/z", "ro,nosuid,nodev")))


@attack("race:/proc directory <-> link", "C")
def proc(lab, rounds):
    def prepare(image):
        os.symlink("/etc", os.path.join(image, "proc2"))
        return os.path.join(image, "proc"), os.path.join(image, "proc2")
    return race(lab, rounds, prepare, None)


@attack("race:directory of a file to write <-> link to the host", "C")
def file(lab, rounds):
    numbers = itertools.count()

    def prepare(image):
        os.symlink(lab.targets.secret, os.path.join(image, "etc2"))
        return os.path.join(image, "etc"), os.path.join(image, "etc2")
    return race(lab, rounds, prepare, lambda plan: plan.before("proc ", plans.line("file", f"/etc/made-{next(numbers)}", "644", "overwritten"),
                                                               plans.line("symlink", "/x", f"/etc/link-{next(numbers)}"),
                                                               plans.line("mkdir", f"/etc/directory-{next(numbers)}", "755")))


@attack("race:masked path in a mounted tree", "M")
def mask(lab, rounds):
    def prepare(image):
        os.makedirs(os.path.join(image, "data/keys"))
        os.symlink("/proc/self", os.path.join(image, "keys2"))
        return os.path.join(image, "data/keys"), os.path.join(image, "keys2")
    return race(lab, rounds, prepare, lambda plan: plan.before("mask ", plans.line("mask", "/data/keys")))
