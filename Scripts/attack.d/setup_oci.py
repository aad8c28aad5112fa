"""Hostile OCI bundles: what a config.json, a root file system or a state directory can do to the runtime that reads it."""
import contextlib
import copy
import glob
import hashlib
import itertools
import json
import os
import random
import shutil
import stat
import subprocess
import tempfile
import time

import machine
import sandboxes
from setup_attacks import attack
from setup_lab import judge, outside, wait_for

COUNTER = itertools.count()
SENTINELS = ["host-file", "proc-root-walk", "mount-tmpfs", "core_pattern", "dev-nodes", "proc-1-exe-write"]
HUNT = 8  # s: some hundred execs, each with a moment in which the joiner may be caught
CRASHES = {-4, -5, -6, -7, -8, -11, 132, 133, 134, 135, 136, 139}  # ILL, TRAP, ABRT, BUS, FPE, SEGV, plain or by a shell's count


class Bundle:
    """A bundle as `runc spec` makes it, with this run's programs, and the state directory of the runtime."""

    def __init__(self, lab, words=SENTINELS):
        self.lab, number = lab, next(COUNTER)
        base = sandboxes.OCI(lab)
        base.name, base.count = "hostile", number
        self.dir = os.path.join(lab.targets.dir, f"bundle-{number}")
        self.rootfs = os.path.join(self.dir, "rootfs")
        for name in ("proc", "sys", "dev", "tmp", "etc", "usr", "bin", "data", "attack", "readonly"):
            os.makedirs(os.path.join(self.rootfs, name))
        self.id = f"{lab.targets.magic}-hostile-{number}"
        self.root = os.path.join(lab.targets.dir, f"oci-root-{number}")
        self.config = base.config(list(words))

    def verb(self, *words, seconds=15, **options):
        """(status, text); status None when it hangs."""
        with tempfile.TemporaryFile() as output:  # not a pipe: after `create` the container holds it
            process = subprocess.Popen([self.lab.oci, "--root", self.root, *words], stdin=subprocess.DEVNULL, stdout=output,
                                       stderr=subprocess.STDOUT, cwd=self.dir, start_new_session=True, **options)
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                return None, "hangs"
            output.seek(0)
            return process.returncode, output.read(1 << 20).decode(errors="replace")

    def write(self, text=None):
        with open(os.path.join(self.dir, "config.json"), "wb") as file:
            file.write(text if text is not None else json.dumps(self.config).encode())
        return self

    def run_raw(self, text=None, words=()):
        self.write(text)
        started = time.monotonic()
        status, output = self.verb(*words, "run", "--bundle", self.dir, self.id)
        self.verb("delete", "--force", self.id)
        return sandboxes.Run(output, status, time.monotonic() - started, 0, status is None)

    def run(self, text=None, words=()):
        done = self.run_raw(text, words)
        if done.code in CRASHES:
            return False, f"crashed with status {done.code}: {done.text[-120:]}"
        if done.late:
            return False, "hangs"
        if not done.lines:
            return done.code != 0 or not done.text.strip(), f"refused ({done.code}): {done.text.strip()[-110:]}"
        return judge(done)


def ran(done, names):
    """Whether this run came to the end of all of `names`, and each held."""
    if done.late or done.code != 0:
        return False, f"{'hangs' if done.late else f'status {done.code}'}, expected 0: {done.text.strip()[-110:]}"
    missing = [name for name in names if name not in done.lines]
    if missing:
        return False, f"no answer of {missing[0]}, expected one of each of {len(names)}: {done.text.strip()[-90:]}"
    return judge(done)


def digests(lab):
    return {path: hashlib.sha256(open(path, "rb").read()).hexdigest() for path in (lab.oci, lab.launcher)}


def bundle_attack(name, severity):
    """An attack that changes a bundle (its config and its files) and runs it; may return its own verdict."""
    def register(change):
        def function(lab, rounds):
            if sandboxes.OCI(lab).available():
                return None
            bundle, before = Bundle(lab), digests(lab)
            answer = change(bundle)
            if answer is None:
                answer = bundle.run()
            if digests(lab) != before:
                return False, "a program of the runtime was overwritten; " + answer[1]
            shutil.rmtree(bundle.dir, ignore_errors=True)
            return answer
        attack("bundle:" + name, severity)(function)
        return change
    return register


@bundle_attack("unchanged: it runs", "C")
def unchanged(bundle):
    """The other side of all these: where no bundle runs, every refusal below would be a pass."""
    return ran(bundle.run_raw(), SENTINELS)


@bundle_attack("working directory is a descriptor (CVE-2024-21626)", "C")
def descriptor_cwd(bundle):
    details = []
    for number in range(3, 14):
        bundle.config["process"]["cwd"] = f"/proc/self/fd/{number}"
        good, detail = bundle.run()
        if not good:
            return False, f"descriptor {number}: {detail}"
        details.append(detail)
    return True, f"11 descriptors, last: {details[-1]}"


@bundle_attack("program is /proc/self/exe (CVE-2019-5736)", "C")
def self_exe(bundle):
    os.symlink("/proc/self/exe", os.path.join(bundle.rootfs, "bin/x"))
    with open(os.path.join(bundle.rootfs, "bin/y"), "w") as file:
        file.write("#!/proc/self/exe\n")
    os.chmod(os.path.join(bundle.rootfs, "bin/y"), 0o755)
    for program in ("/proc/self/exe", "/bin/x", "/bin/y"):
        bundle.config["process"]["args"] = [program, "--help"]
        bundle.write()
        status, text = bundle.verb("run", "--bundle", bundle.dir, bundle.id)
        bundle.verb("delete", "--force", bundle.id)
        if status is None or status in CRASHES:
            return False, f"{program}: {status} {text[-80:]}"
    return True, f"three ways; last answers {status}"


@bundle_attack("/proc is a link (CVE-2019-19921)", "C")
def proc_link(bundle):
    os.rmdir(os.path.join(bundle.rootfs, "proc"))
    os.symlink("/data", os.path.join(bundle.rootfs, "proc"))


@bundle_attack("mount over /proc", "C")
def proc_mount(bundle):
    bundle.config["mounts"].append({"destination": "/proc/self/attr", "type": "bind", "source": bundle.lab.targets.readonly, "options": ["bind"]})


@bundle_attack("masked and read-only paths are links out of the root", "C")
def masked_links(bundle):
    for number, target in enumerate((bundle.lab.targets.secret, "/../../../../etc", "/proc/1/root", "loop")):
        os.symlink(target, os.path.join(bundle.rootfs, f"l{number}"))
    bundle.config["linux"]["maskedPaths"] += ["/l0", "/l1/passwd", "/l2", "/../../../var/tmp", "/proc/self/fd"]
    bundle.config["linux"]["readonlyPaths"] += ["/l0", "/l1", "/l3", "/../.."]


for label, field in {"dots": "/data/../../../../var/tmp/x", "relative": "../../x", "link to the host": "/l", "magic link": "/proc/self/root/x", "root itself": "/",
                     "empty": "", "NUL": "/data\0/x", "long": "/" + "d" * 5000}.items():
    @bundle_attack(f"mount destination: {label}", "C")
    def destination(bundle, field=field):
        os.symlink(bundle.lab.targets.secret, os.path.join(bundle.rootfs, "l"))
        before = outside()
        bundle.config["mounts"].append({"destination": field, "type": "bind", "source": bundle.lab.targets.readonly, "options": ["bind", "ro"]})
        good, detail = bundle.run()
        made = outside() - before
        return good and not made, f"{sorted(made)} appeared on the host, expected nothing: {detail}" if made else detail


def remove_chain(top, name):
    """Removes top/name/name/... of any depth, without naming the whole path."""
    at, opened = os.open(top, os.O_RDONLY | os.O_DIRECTORY), []
    while True:
        try:
            below = os.open(name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=at)
        except OSError:
            break
        opened.append(at)
        at = below
    os.close(at)
    for parent in reversed(opened):
        os.rmdir(name, dir_fd=parent)
        os.close(parent)


for label, path in {"dots": "../../../../../../tmp/evil", "absolute dots": "/../../../evil", "root": "/", "link name": "/x\n/y", "long": "/" + "g/" * 3000}.items():
    @bundle_attack(f"cgroupsPath: {label}", "C")
    def cgroups(bundle, path=path):
        before = os.listdir("/tmp")
        bundle.config["linux"]["cgroupsPath"] = path
        answer = bundle.run()
        first = path.strip("/").split("/")[0]
        stays = [t for t in os.listdir("/sys/fs/cgroup") if first.strip(".") and len(path) > 1000 and os.path.isdir(f"/sys/fs/cgroup/{t}/{first}")]
        if stays:
            for top in stays:
                remove_chain(f"/sys/fs/cgroup/{top}", first)
            return False, f"thousands of nested groups stay in {stays}"
        made = [p for p in ("/tmp/evil", "/evil", "/sys/fs/evil", "/sys/evil") if os.path.exists(p)]
        return (False, f"made {made}") if made else answer


for label, path in {"the host's root": "/", "dots": "../../../../../..", "a link": "l", "missing": "none", "a file": "config.json", "proc": "/proc/self/root"}.items():
    @bundle_attack(f"root path: {label}", "M")
    def root(bundle, path=path, label=label):
        os.symlink("/", os.path.join(bundle.dir, "l"))
        bundle.config["root"]["path"] = path
        bundle.config["process"]["args"] = ["/no-such-program"]  # the host's root as root is the caller's own choice: it must only not fall over
        bundle.write()
        status, text = bundle.verb("run", "--bundle", bundle.dir, bundle.id)
        bundle.verb("delete", "--force", bundle.id)
        return status not in (0, None) and status not in CRASHES, f"status {status}: {text.strip()[-90:]}"


@bundle_attack("container ids that are paths or options", "C")
def ids(bundle):
    bundle.write()
    for wrong in ("../../../tmp/evil", "a/b", "", ".", "..", "x" * 2000, "a b", "a\nb", "\u00e4", "$(id)"):
        status, text = bundle.verb("create", "--bundle", bundle.dir, "--", wrong)
        if status in (None, 0) or status in CRASHES:
            bundle.verb("delete", "--force", "--", wrong)
            return False, f"{wrong[:30]!r}: status {status} {text[-60:]}"
    return True, "10 ids refused"


BROKEN = {
    "empty": b"", "not JSON": b"hello", "array": b"[]", "null": b"null", "nested 100,000 deep": b"[" * 100000, "object nested": b'{"a":' * 50000,
    "invalid UTF-8": b'{"ociVersion":"\xff\xfe"}', "16 MiB": b'{"ociVersion":"1.0.2","annotations":{"a":"' + b"x" * (16 << 20) + b'"}}',
    "numbers": b'{"ociVersion":1e999999,"process":{"user":{"uid":-1}}}', "surrogates": b'{"ociVersion":"\\ud800"}', "cut": b'{"ociVersion":"1.0.2","process":{',
    "NUL bytes": b'{"ociVersion":"1.0.2"\0}'}


@bundle_attack("config.json that is no config", "M")
def broken(bundle):
    for label, text in BROKEN.items():
        good, detail = bundle.run(text)
        if not good or "sentinels" in detail:
            return False, f"{label}: {detail}"
    os.unlink(os.path.join(bundle.dir, "config.json"))
    os.mkfifo(os.path.join(bundle.dir, "config.json"))
    status, text = bundle.verb("run", "--bundle", bundle.dir, bundle.id, seconds=4)
    return status not in (None, 0), f"{len(BROKEN)} texts and a fifo refused" if status is not None else "a fifo as config.json: hangs"


def put(config, path, value):
    at = config
    for key in path[:-1]:
        at = at.setdefault(key, {}) if isinstance(at, dict) else at[key]
    at[path[-1]] = value


PANIC = "/proc/sys/vm/panic_on_oom"
GREEDY = {
    "sysctl core_pattern": (("linux", "sysctl"), {"kernel.core_pattern": "|/tmp/x"}), "sysctl with dots": (("linux", "sysctl"), {"net/../kernel/core_pattern": "|/tmp/x"}),
    "sysctl of the host": (("linux", "sysctl"), {"vm.panic_on_oom": "1"}),
    "sysctl net without netns": (("linux", "sysctl"), {"net...kernel.hostname": "x"}),
    "no arguments": (("process", "args"), []), "empty argument": (("process", "args"), [""]), "NUL in an argument": (("process", "args"), ["/attack/probe\0x"]),
    "environment without =": (("process", "env"), ["PATH", "=x", "A\0B=c"]), "unknown capability": (("process", "capabilities"), {"bounding": ["CAP_EVERYTHING"]}),
    "uid out of range": (("process", "user"), {"uid": 4294967296, "gid": -5}), "unknown limit": (("process", "rlimits"), [{"type": "RLIMIT_X", "soft": 1, "hard": 1}]),
    "limit soft above hard": (("process", "rlimits"), [{"type": "RLIMIT_NOFILE", "soft": 9, "hard": 1}]), "unknown namespace": (("linux", "namespaces"), [{"type": "galaxy"}]),
    "namespace twice": (("linux", "namespaces"), [{"type": "mount"}, {"type": "mount"}, {"type": "pid"}]),
    "namespace of a file": (("linux", "namespaces"), [{"type": "mount"}, {"type": "pid"}, {"type": "network", "path": "/etc/passwd"}]),
    "namespace of another kind": (("linux", "namespaces"), [{"type": "mount"}, {"type": "pid"}, {"type": "network", "path": "/proc/self/ns/uts"}]),
    "map of the host's root": (("linux", "uidMappings"), [{"containerID": 0, "hostID": 0, "size": 4294967295}]),
    "device outside /dev": (("linux", "devices"), [{"path": "/../../../tmp/evil-device", "type": "c", "major": 1, "minor": 3}]),
    "device over a link": (("linux", "devices"), [{"path": "/l/evil-device", "type": "c", "major": 1, "minor": 3}]),
    "unknown action": (("linux", "seccomp"), {"defaultAction": "SCMP_ACT_PLEASE"}), "hook that is relative": (("hooks",), {"prestart": [{"path": "bin/sh"}]}),
    "hook that is missing": (("hooks",), {"createRuntime": [{"path": "/no/such/hook"}]}),
    "hook that hangs": (("hooks",), {"createRuntime": [{"path": "/bin/sleep", "args": ["sleep", "600"], "timeout": 1}]}),
    "terminal without socket": (("process", "terminal"), True), "no root": (("root",), None), "relative working directory": (("process", "cwd"), "x"),
    "working directory is a file": (("process", "cwd"), "/attack/probe"), "host name too long": (("hostname",), "h" * 300),
    "propagation unknown": (("linux", "rootfsPropagation"), "sideways"), "oom score": (("process", "oomScoreAdj"), -5000),
}
for label, (path, value) in GREEDY.items():
    @bundle_attack(f"config: {label}", "C" if "sysctl" in label or "device" in label else "M")
    def greedy(bundle, path=path, value=value, label=label):
        os.symlink("/var/tmp", os.path.join(bundle.rootfs, "l"))
        if value is None:
            bundle.config.pop(path[0])
        else:
            put(bundle.config, path, copy.deepcopy(value))
        if path == ("linux", "namespaces"):
            bundle.config.pop("hostname")  # needs a uts namespace: refused before what is meant here
        if path == ("linux", "uidMappings"):
            bundle.config["linux"]["gidMappings"] = copy.deepcopy(value)
            bundle.config["linux"]["namespaces"].append({"type": "user"})
        with open("/proc/sys/kernel/core_pattern") as file:
            pattern = file.read()
        panic = machine.read(PANIC)
        if label == "sysctl of the host":
            done = bundle.run_raw()
            answer = bool(done.code) and not done.lines, f"status {done.code}, expected a refusal: {done.text.strip()[-110:]}"
        else:
            answer = bundle.run()
        with open("/proc/sys/kernel/core_pattern") as file:
            if file.read() != pattern:
                return False, "core_pattern of the host was changed"
        if machine.read(PANIC) != panic:
            with open(PANIC, "wb") as file:
                file.write(panic)
            return False, f"{PANIC} of the host was changed, expected {panic.decode().strip()}"
        for evil in ("/tmp/evil-device", "/var/tmp/evil-device"):
            if os.path.lexists(evil):
                os.unlink(evil)
                return False, f"{evil} was made"
        return answer


@bundle_attack("state and pid files are links to a host file", "C")
def state_links(bundle):
    bundle.config["process"]["args"] = ["/attack/probe", "/attack/context", "sandbox", "host-file"]
    link = os.path.join(bundle.dir, "pid")
    os.symlink(bundle.lab.targets.canary, link)
    os.makedirs(os.path.join(bundle.root, bundle.id + "-2"))
    os.symlink(bundle.lab.targets.canary, os.path.join(bundle.root, bundle.id + "-2", "state.json"))
    bundle.write()
    first = bundle.verb("run", "--pid-file", link, "--bundle", bundle.dir, bundle.id)
    second = bundle.verb("run", "--bundle", bundle.dir, bundle.id + "-2")
    for name in (bundle.id, bundle.id + "-2"):
        bundle.verb("delete", "--force", name)
    return not bundle.lab.targets.harmed() and None not in (first[0], second[0]), f"status {first[0]} and {second[0]}, the file is as it was"


@bundle_attack("exec into a container that replaced its programs", "C")
def hostile_exec(bundle):
    os.symlink("/proc/self/exe", os.path.join(bundle.rootfs, "bin/sh"))
    bundle.config["process"]["args"] = ["/attack/probe", "/attack/context", "sandbox", "hang-term"]
    bundle.write()
    made = bundle.verb("create", "--bundle", bundle.dir, bundle.id)
    if made[0] != 0:
        return False, f"create: {made[1][-100:]}"
    try:
        if bundle.verb("start", bundle.id)[0] != 0:
            return False, "start is refused"
        answers = []
        for words in (["--cwd", "/proc/self/fd/7", bundle.id, "/attack/probe", "/attack/context", "sandbox", *SENTINELS],
                      [bundle.id, "/bin/sh", "-c", "x"], [bundle.id, "/proc/self/exe", "init"], [bundle.id, "/attack/probe", "/attack/context", "sandbox", *SENTINELS]):
            status, text = bundle.verb("exec", *words)
            done = sandboxes.Run(text, status or 0, 0, 0, status is None)
            if status is None or status in CRASHES:
                return False, f"exec {words[1]}: status {status} {text[-80:]}"
            bad = [n for n, v in done.lines.items() if v[0] in ("open", "error")]
            if bad:
                return False, f"exec: {bad[0]} is {done.lines[bad[0]][0]}: {done.lines[bad[0]][1]}"
            answers.append(status)
        good, detail = ran(done, SENTINELS)  # the last one is as it should be: it must have run
        return good, f"four execs, status {answers}; the last: {detail}"
    finally:
        bundle.verb("kill", bundle.id, "KILL")
        wait_for(lambda: bundle.verb("delete", "--force", bundle.id)[0] == 0, 5)


def hunted(bundle, join, files, seconds):
    """(joins, processes that the hunter in the container saw, rows of `files` that it opened or of a root that is not its own), until one is or
    time ends."""
    output = os.path.join(bundle.dir, f"hunt-{len(os.listdir(bundle.dir))}")
    with open(output, "wb") as file:
        container = subprocess.Popen([bundle.lab.oci, "--root", bundle.root, "run", "--bundle", bundle.dir, bundle.id],
                                     stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, cwd=bundle.dir,
                                     start_new_session=True)
    rows = lambda: [row.split("\t") for row in machine.read(output).decode(errors="replace").splitlines()]
    count = lambda: sum(row[0] == "process" for row in rows())
    caught = lambda: [row for row in rows() if row[0] == "outside" or (row[0] in ("opened", "written") and tuple(map(int, row[1:3])) in files)]
    try:
        if not wait_for(lambda: ["hunting"] in rows() or container.poll() is not None, 10) or container.poll() is not None:
            raise RuntimeError(f"the hunter does not run: status {container.poll()}: {rows()[-1:]}, expected it to say `hunting`")
        deadline, joins = time.monotonic() + seconds, 0
        while time.monotonic() < deadline and not caught():
            join()
            joins += 1
        return joins, count(), caught()
    finally:
        bundle.verb("kill", bundle.id, "KILL")
        container.wait()
        wait_for(lambda: bundle.verb("delete", "--force", bundle.id)[0] == 0, 5)


def identities(*paths):
    return {(os.stat(path).st_dev, os.stat(path).st_ino): path for path in paths}


@bundle_attack("the runtime's own file, by /proc/PID/exe of whoever joins (CVE-2019-5736)", "C")
def hunt(bundle):
    lab = bundle.lab
    bundle.config["process"]["args"] = ["/attack/probe", "--hunt"]
    bundle.write()
    # First the proof that the hunter catches: a program of the host that comes into the pid namespace with no more power than is
    # in there, as the runtime did that this was found in, and protects itself by nothing.
    plain = os.path.join(bundle.dir, "joiner")
    shutil.copy(shutil.which("sleep"), plain)

    def state():
        try:
            return json.loads(bundle.verb("state", bundle.id)[1])["pid"]
        except (ValueError, KeyError):
            return 0

    def careless():
        # It stays for a moment, to be held, and ends, so that its file may be written again.
        subprocess.run(["nsenter", "--target", str(state()), "--pid", "--",
                        "setpriv", "--inh-caps=-all", "--bounding-set=-all", "--", plain, "0.2"],
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", timeout=60)

    joins, seen, caught = hunted(bundle, careless, identities(plain), 20)
    if not caught:
        raise RuntimeError(f"the hunter saw {seen} of {joins} careless joiners and caught none, expected one")

    def through():
        bundle.verb("exec", bundle.id, "/attack/probe", "--reborn")
        bundle.verb("exec", bundle.id, "/proc/self/exe", "--reborn")

    told = []
    for powers in ((), ("CAP_SYS_PTRACE",)):  # the second looks into every process that comes in, whatever that one holds
        for kind in ("bounding", "effective", "permitted") if powers else ():
            bundle.config["process"]["capabilities"][kind] += powers
        bundle.write()
        joins, seen, caught = hunted(bundle, through, identities(lab.oci, lab.launcher), HUNT)
        if seen < 2:
            return False, f"the hunter saw {seen} processes in {joins} rounds of exec, expected at least two"
        if caught:
            return False, (f"{caught[0][0]} for writing, with {powers or 'no more powers than usual'}: "
                           f"{identities(lab.oci, lab.launcher)[tuple(map(int, caught[0][1:3]))]}, expected no such file")
        told.append(f"{joins} rounds of exec, {seen} processes seen")
    return True, f"a careless joiner's file is caught, none of the runtime's in {'; with CAP_SYS_PTRACE '.join(told)}"


@bundle_attack("the host through whoever enters the pid and user namespace of a running container (a pod's second one)", "C")
def second_container(bundle):
    lab, ids = bundle.lab, [{"containerID": 0, "hostID": 600000, "size": 65536}]
    outside_name = os.path.join(lab.targets.dir, f"outside-{os.path.basename(bundle.dir)}")
    with open(outside_name, "w"):
        pass
    second = Bundle(lab)
    second.config["process"]["args"] = ["/attack/probe", "--reborn"]
    for part in (bundle, second):
        part.config["linux"].update(uidMappings=ids, gidMappings=ids)
        part.config["linux"]["namespaces"].append({"type": "user"})
    for kind in ("bounding", "effective", "permitted"):
        bundle.config["process"]["capabilities"][kind] += ["CAP_SYS_PTRACE"]
    bundle.config["process"]["args"] = ["/attack/probe", "--hunt", outside_name]
    bundle.write()

    def pid():
        try:
            return json.loads(bundle.verb("state", bundle.id)[1])["pid"]
        except (ValueError, KeyError):
            return 0

    def careless():
        subprocess.run(["nsenter", "--target", str(pid()), "--user", "--pid", "--", "sleep", "0.2"],
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", timeout=60)

    joins, seen, caught = hunted(bundle, careless, {}, 20)
    if not caught:
        raise RuntimeError(f"the hunter saw {seen} of {joins} careless joiners and looked through none of them, expected one")
    failed = []

    def through():
        joined = {"pid", "ipc", "uts", "network", "user"}
        kinds = {"network": "net"}
        second.config["linux"]["namespaces"] = [{"type": "mount"}, {"type": "cgroup"}] + [
            {"type": kind, "path": f"/proc/{number}/ns/{kinds.get(kind, kind)}"} for number in [pid()] for kind in sorted(joined)]
        for member in ("uidMappings", "gidMappings"):
            second.config["linux"].pop(member, None)
        done = second.run_raw()
        if done.code != 0:
            failed.append(f"status {done.code}: {done.text.strip()[-120:]}")

    joins, seen, caught = hunted(bundle, through, {}, HUNT)
    if len(failed) == joins:
        return False, f"no second container ran: {failed[:1]}, expected status 0"
    if caught:
        return False, f"{len(caught)} processes showed {outside_name}, a file of the host, in {joins} rounds, expected none"
    return True, f"a careless joiner shows the host, none of {joins} second containers does ({seen} processes seen)"


@bundle_attack("verbs on containers that are not there, twice, or half made", "M")
def verbs(bundle):
    bundle.config["process"]["args"] = ["/attack/probe", "/attack/context", "sandbox", "hang-term"]
    bundle.write()
    for words in (["start", "nobody"], ["kill", "nobody", "KILL"], ["state", "nobody"], ["delete", "nobody"], ["exec", "nobody", "x"]):
        status, text = bundle.verb(*words)
        if status in (None, 0) or status in CRASHES:
            return False, f"{words}: {status} {text[-60:]}"
    bundle.verb("create", "--bundle", bundle.dir, bundle.id)
    again = bundle.verb("create", "--bundle", bundle.dir, bundle.id)
    wrong = bundle.verb("kill", bundle.id, "NOSUCHSIGNAL")
    bundle.verb("delete", "--force", bundle.id)
    gone = bundle.verb("state", bundle.id)
    good = again[0] not in (0, None) and wrong[0] not in (0, None) and gone[0] not in (0, None)
    return good, f"second create {again[0]}, unknown signal {wrong[0]}, after delete {gone[0]}"


@bundle_attack("create killed at random moments, then delete --force", "C")
def killed_create(bundle):
    bundle.config["process"]["args"] = ["/attack/probe", "/attack/context", "sandbox", "hang-term"]
    source, before, names = random.Random(17), machine.processes(), []
    for number in range(24):
        name = f"{bundle.id}-{number}"
        bundle.config["linux"]["cgroupsPath"] = "/" + name
        bundle.write()
        process = subprocess.Popen([bundle.lab.oci, "--root", bundle.root, "create", "--bundle", bundle.dir, name], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=bundle.dir)
        time.sleep(source.random() * 0.12)
        process.kill()
        process.wait()
        bundle.verb("delete", "--force", name)
        names.append(name)
    def stays():
        groups = [path for name in names for path in glob.glob("/sys/fs/cgroup/*/" + name)]
        return groups + [pid for pid in machine.processes() - before if bundle.dir in machine.command(pid)]
    gone = wait_for(lambda: not stays(), 2)
    left = stays()
    for pid in [p for p in left if isinstance(p, int)]:
        os.kill(pid, 9)
    for path in [p for p in left if isinstance(p, str)]:
        for pid in machine.read(path + "/cgroup.procs").decode().split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), 9)
        wait_for(lambda: not machine.read(path + "/cgroup.procs"), 1)
        with contextlib.suppress(OSError):
            os.rmdir(path)
    return gone, f"24 creates killed; {len(left)} things stay" + (f": {left[0]}" if left else "")
