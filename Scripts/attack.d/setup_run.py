"""Hostile arguments of `swiftlet run`, as root and as an ordinary user."""
import os
import subprocess

import sandboxes
from setup_attacks import attack
from setup_lab import judge

SENTINELS = ["host-file", "proc-root-walk", "mount-tmpfs", "capabilities", "core_pattern", "setuid-binary"]


def launch(lab, options, command=None, rootless=False, **spawn):
    kind = sandboxes.Rootless if rootless else sandboxes.Command
    sandbox = kind(lab)
    if sandbox.available():
        return None
    argv = [*sandbox.prefix(), lab.swiftlet, "run", "--bind", lab.targets.programs + ":/attack", "--allow-unenforced", *options, "--",
            *(command or ["/attack/probe", "/attack/context", "sandbox", *SENTINELS])]
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=15, cwd=lab.targets.dir, **spawn)
    except subprocess.TimeoutExpired:
        return sandboxes.Run("hangs", -1, 15, 0, True)
    return sandboxes.Run(done.stdout.decode(errors="replace"), done.returncode, 0, 0, False)


def verdict(done):
    if done is None:
        return None
    if done.code in (-4, -5, -6, -11, 132, 133, 134, 139) and not done.lines:
        return False, f"crashed: {done.code} {done.text[-100:]}"
    if not done.lines and not done.late:
        return done.code != 0, f"refused ({done.code}): {done.text.strip()[-110:]}"
    return judge(done)


OPTIONS = {
    "bind over the root": ["--bind", "/var/tmp:/"], "bind with dots": ["--bind", "/var/tmp:/data/../../x"], "bind over /proc": ["--bind", "/var/tmp:/proc"],
    "bind of /proc": ["--bind", "/proc:/data"], "bind of a missing path": ["--bind", "/no/such:/data"], "tmpfs without end": ["--tmpfs", "/x:99999999999999999999"],
    "working directory is a descriptor": ["--workdir", "/proc/self/fd/7"], "working directory /proc/1/root": ["--workdir", "/proc/1/root"],
    "sysctl of the host": ["--sysctl", "kernel.core_pattern=|/tmp/x"], "sysctl with dots": ["--sysctl", "net/../kernel/core_pattern=x"],
    "map of the host's root": ["--uid-map", "0:0:65536", "--gid-map", "0:0:65536"], "map past the end": ["--uid-map", "0:4294967290:65536"], "name with a path": ["--name", "../../x"],
    "host name with a line end": ["--hostname", "a\nb"], "environment without a name": ["--env", "=x"], "host port 0": ["--network", "host", "--port", "0"],
    "profile that is a device": ["--seccomp", "/dev/zero"], "profile that is no JSON": ["--seccomp", "/etc/passwd"], "root is a file": ["--rootfs", "/etc/passwd"],
    "root is the host's": ["--rootfs", "/proc/self/root/proc"], "negative time": ["--time-limit", "-5s"], "NaN CPUs": ["--cpus", "nan"], "no memory": ["--memory", "0"],
    "network with a path": ["--network", "cni:../../etc"], "shared memory without end": ["--shm-size", "18446744073709551616"],
}
for label, words in OPTIONS.items():
    for rootless in (False, True):
        attack(f"run{' (rootless)' if rootless else ''}: {label}", "M")(
            lambda lab, rounds, words=words, rootless=rootless: verdict(launch(lab, words, rootless=rootless)))


@attack("run: report and log are links to a host file", "C")
def links(lab, rounds):
    if sandboxes.Command(lab).available():
        return None
    where = os.path.join(lab.targets.dir, "run-links")
    os.makedirs(where)
    for name in ("log", "report"):
        os.symlink(lab.targets.canary, os.path.join(where, name))
    done = launch(lab, ["--log", os.path.join(where, "log")])
    # The report goes where its caller says, links included, like any program's output: that is not attacked here.
    return not lab.targets.harmed(), f"log: {verdict(done)[1]}"


@attack("run (rootless): the user cannot name another's files or ids", "C")
def others(lab, rounds):
    if sandboxes.Rootless(lab).available():
        return None
    bad = []
    for words, command in ((["--bind", "/etc/shadow:/data"], ["/bin/cat", "/data"]), (["--uid-map", "0:1:1"], ["/bin/id"]), (["--user", "4242"], ["/bin/id"]),
                           (["--gid-map", "0:42:1"], ["/bin/id"]), (["--nice", "-10"], ["/bin/id"]), (["--oom-score-adj", "-900"], ["/bin/id"])):
        done = launch(lab, words, command, rootless=True)
        if "root:" in done.text or (done.code == 0 and words[0] in ("--uid-map", "--gid-map")):
            bad.append(f"{words}: {done.text.strip()[-60:]}")
    return not bad, bad[0] if bad else "six refused, or without effect"


@attack("run: ended with its caller", "M")
def orphan(lab, rounds):
    if sandboxes.Command(lab).available():
        return None
    process = subprocess.Popen([lab.swiftlet, "run", "--bind", lab.targets.programs + ":/attack", "--allow-unenforced", "--", "/attack/probe", "/attack/context", "sandbox",
                                "hang-term", "tag-orphan"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    process.stdout.readline()
    process.kill()
    process.wait()
    import driver
    stays = driver.survivors(lab, "hang-term", "orphan")
    return not stays, f"{len(stays)} processes outlive a killed `swiftlet run`" if stays else "the task dies with it"
