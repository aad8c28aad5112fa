"""Mount sources and destinations that another process swaps between directory and link while the launcher works."""
import itertools
import os
import shutil
import subprocess
import sys
import time

import plan as plans
from setup_attacks import attack
from setup_lab import Setup, judge

SWAPPER = """
import ctypes, os, sys
libc = ctypes.CDLL(None)
a, b = os.fsencode(sys.argv[1]), os.fsencode(sys.argv[2])
parent = os.getppid()
while os.getppid() == parent:
    for _ in range(500): libc.renameat2(-100, a, -100, b, 2)
"""


class Swapper:
    """Exchanges two names as fast as the kernel does it, in a process of its own."""

    def __init__(self, first, second):
        self.process = subprocess.Popen([sys.executable, "-c", SWAPPER, first, second])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def race(lab, rounds, prepare, change, words=("host-file", "proc-root-walk")):
    """Launches again and again under the swap; every launch is refused or stands."""
    setup = Setup(lab, "race").with_image()
    first, second = prepare(setup.image)
    ran, refused, reason = 0, 0, ""
    deadline = time.monotonic() + (40 if rounds > 100 else 6)
    with Swapper(first, second):
        for _ in range(rounds):
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
            if time.monotonic() > deadline:
                break
    left = set(os.listdir(lab.targets.secret)) - {"file", "socket"}
    return not left, f"{ran} ran, {refused} {reason or 'refused'}" + (f", made on the host: {left}" if left else "")


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
