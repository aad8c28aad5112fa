"""Hostile arguments of `swiftlet run`, as root and as an ordinary user."""
import itertools
import os
import subprocess

import machine
import resources
import sandboxes
from setup_attacks import attack
from setup_lab import judge

COUNTER = itertools.count()
SENTINELS = ["host-file", "proc-root-walk", "mount-tmpfs", "capabilities", "core_pattern", "setuid-binary"]


def launch(lab, options, command=None, rootless=False, **spawn):
    kind = sandboxes.Rootless if rootless else sandboxes.Command
    sandbox = kind(lab)
    if sandbox.available():
        return None
    # The name stands in its cgroups, by which what it leaves is found.
    name = [] if "--name" in options else ["--name", f"{lab.targets.magic}-hostile-{next(COUNTER)}"]
    argv = [*sandbox.prefix(), lab.swiftlet, "run", *name, "--bind", lab.targets.programs + ":/attack", "--allow-unenforced",
            *options, "--", *(command or ["/attack/probe", "/attack/context", "sandbox", *SENTINELS])]
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
    # What is seen inside: how the program is scheduled and spared, who it is, what is in the file. Nothing may be as asked for.
    report = ("read c < /proc/self/stat; set -- $c; echo nice=${19}; read s < /proc/self/oom_score_adj; echo score=$s; "
              "echo uid=$(id -u); head -c 60 /data; echo END")
    tries = {
        "another's file": (["--bind", "/etc/shadow:/data"], "root:", "shadow"),
        "another's ids": (["--uid-map", "0:1:1", "--gid-map", "0:1:1"], "END", "map"),
        "root's ids": (["--uid-map", "0:0:1", "--gid-map", "0:0:1"], "END", "map"),
        "another's groups": (["--uid-map", f"0:{sandboxes.ROOTLESS_ID}:1", "--gid-map", "0:42:1"], "END", "map"),
        "a higher place": (["--nice", "-10"], "nice=-10", "nice"),
        "to be spared": (["--oom-score-adj", "-900"], "score=-900", "oom-score-adj")}
    plain = launch(lab, [], ["/bin/sh", "-c", report], rootless=True)
    if plain.code != 0 or not all(word in plain.text for word in ("nice=", "score=", "uid=0", "END")):
        raise RuntimeError(f"without options: status {plain.code}, {plain.text.strip()[-100:]}, expected 0 and nice, score, uid")
    seen = []
    for label, (words, effect, named) in tries.items():
        done = launch(lab, words, ["/bin/sh", "-c", report], rootless=True)
        if done.late or effect in done.text:
            return False, f"{label}: {' '.join(words)}: {done.text.strip()[-90:]}, expected no {effect}"
        # A refusal must be of what was asked for; who does not refuse must have run to the end without the effect.
        if "END" not in done.text and not (done.code != 0 and named in done.text):
            said = f"status {done.code}, {done.text.strip()[-90:]}"
            return False, f"{label}: {' '.join(words)}: {said}, expected a refusal that names {named}"
        seen.append(f"{label}: {'without effect' if 'END' in done.text else 'refused'}")
    # Inside it may be called what it likes: what it makes is the caller's.
    out = os.path.join(lab.targets.dir, "run-out")
    os.mkdir(out)
    os.chmod(out, 0o777)
    script = "echo x > /out/made; echo uid=$(id -u)"
    done = launch(lab, ["--user", "4242", "--bind", out + ":/out:rw"], ["/bin/sh", "-c", script], rootless=True)
    owners = {os.stat(os.path.join(out, name)).st_uid for name in os.listdir(out)}
    if owners != {sandboxes.ROOTLESS_ID}:
        said = done.text.strip()[-60:]
        return False, f"--user 4242: {said}; files of the host ids {owners}, expected one of {sandboxes.ROOTLESS_ID}"
    return True, "; ".join(seen) + "; an id inside: the caller's outside"


@attack("run: ended with its caller", "M")
def orphan(lab, rounds):
    if sandboxes.Command(lab).available():
        return None
    argv = [lab.swiftlet, "run", "--name", lab.targets.magic + "-orphan", "--bind", lab.targets.programs + ":/attack",
            "--allow-unenforced", "--", "/attack/probe", "/attack/context", "sandbox", "hang-term", "tag-orphan"]
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    said = process.stdout.readline()
    runs = resources.tagged(lab, "hang-term", "orphan")
    process.kill()
    process.wait()
    process.stdout.close()
    if b"started" not in said or not runs:
        raise RuntimeError(f"the task said {said!r} and {len(runs)} of its processes were seen, expected `started` and one")
    stays = resources.survivors(lab, "hang-term", "orphan")
    # Who is killed outright removes nothing: its groups stay, empty. Whoever is stopped by any other signal takes them along.
    for group in sorted((g for g in machine.cgroups() if lab.targets.magic + "-orphan" in g), reverse=True):
        if not machine.read(group + "/cgroup.procs").split():
            os.rmdir(group)
    return not stays, f"{len(stays)} processes outlive a killed `swiftlet run`" if stays else "the task dies with it"
