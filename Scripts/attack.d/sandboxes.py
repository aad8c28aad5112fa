"""The sandboxes under attack. Each runs the attack program with a terminal, leaked descriptors and a secret in its environment."""
import glob
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import threading
import time

import plan as plans

MIB = 1 << 20
MEMORY, TASKS, CPU_MILLIS, TMP, LOG = 96 * MIB, 64, 500, 32 * MIB, MIB
ROOTLESS_ID = 1500
ORDINARY = ["setpriv", f"--reuid={ROOTLESS_ID}", f"--regid={ROOTLESS_ID}", "--clear-groups"]


class Run:
    """What one run gave: `lines` name -> (verdict, detail), exit code, seconds, bytes of output kept."""

    def __init__(self, text, code, seconds, kept, late):
        self.lines, self.code, self.seconds, self.kept, self.late, self.text = {}, code, seconds, kept, late, text
        for row in text.splitlines():
            cells = row.rstrip("\r").split("\t")
            if len(cells) >= 3:
                self.lines[cells[0]] = (cells[1], "\t".join(cells[2:]))


class Sandbox:
    name, ours, limited, exempt, rootless = "?", False, False, frozenset(), False

    @property
    def required(self):
        """Whether it is part of this project: a run without it has not tried what it is for."""
        return self.ours

    def __init__(self, lab):
        self.lab, self.count, self.guard = lab, 0, threading.Lock()

    def available(self):
        """None, or why this sandbox cannot run here."""
        return None

    def prefix(self):
        return ORDINARY if self.rootless else []

    def run(self, words, seconds=90, limit=None):
        raise NotImplementedError

    def scratch(self):
        with self.guard:  # three attacks at a time are in one sandbox's column
            self.count += 1
            path = os.path.join(self.lab.targets.dir, f"{self.name}-{self.count}")
        os.makedirs(path, exist_ok=True)
        if self.rootless:
            os.chown(path, ROOTLESS_ID, ROOTLESS_ID)
        return path

    def spawn(self, argv, seconds, stop=None):
        """Starts a command on a terminal of its own with what a careless caller leaks; ends it after `seconds`."""
        started = time.monotonic()
        keep, terminal = pty.openpty()
        leaked = self.lab.targets.leaks()
        environment = {"PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), "HOME": "/", "TERM": "dumb",
                       "SWIFTLET_ATTACK_SECRET": self.lab.targets.magic}
        process = subprocess.Popen(["setsid", "-c", *self.prefix(), *argv], stdin=terminal, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, env=environment, pass_fds=leaked, cwd=self.lab.targets.dir)
        os.close(terminal)
        text, size, late = bytearray(), 0, False
        os.set_blocking(process.stdout.fileno(), False)
        deadline = started + seconds
        while True:
            try:
                chunk = os.read(process.stdout.fileno(), 65536)
                if not chunk:
                    break
                size += len(chunk)
                if len(text) < MIB:
                    text += chunk
                continue
            except BlockingIOError:
                pass
            if time.monotonic() > deadline:
                late = True
                (stop or (lambda: process.send_signal(signal.SIGTERM)))()
                try:
                    process.wait(3)
                except subprocess.TimeoutExpired:
                    process.kill()
                break
            if process.poll() is not None and time.monotonic() > deadline - seconds + 0.5:
                # The command is gone but somebody holds its pipe.
                late = late or self._drained(process)
                break
            time.sleep(0.004)
        code = process.wait()
        process.stdout.close()
        os.close(keep)
        for descriptor in leaked:
            os.close(descriptor)
        return Run(text.decode(errors="replace"), code, time.monotonic() - started, size, late)

    @staticmethod
    def _drained(process):
        time.sleep(0.05)
        try:
            return os.read(process.stdout.fileno(), 65536) != b"" and False
        except BlockingIOError:
            return True

    def places(self):
        """Where this sandbox keeps files on the host."""
        return [self.lab.targets.dir]

    def clean(self):
        pass


class Unconfined(Sandbox):
    name = "none"

    def run(self, words, seconds=90, limit=None):
        return self.spawn([self.lab.targets.probe, os.path.join(self.lab.targets.programs, "control"), "control", *words], seconds)


class Launcher(Sandbox):
    """The command launcher with the plan of RunP's default pod, without network."""

    name, ours, limited = "launcher", True, True
    golden, tag = "network-none.plan", "*"

    def available(self):
        return None if self.lab.launcher else "no swiftlet-sandbox"

    def groups(self, tag):
        """Makes this run's cgroups; returns the plan's lines. Limits of the resource attacks."""
        values = {"memory": [("memory.limit_in_bytes", MEMORY)], "pids": [("pids.max", TASKS)], "cpu": [("cpu.cfs_quota_us", CPU_MILLIS * 100)]}
        lines = []
        for controller, settings in values.items():
            if not os.path.isdir("/sys/fs/cgroup/" + controller):
                continue
            directory = f"/sys/fs/cgroup/{controller}/{self.lab.targets.magic}-{tag}"
            os.makedirs(directory, exist_ok=True)
            for name, value in settings:
                with open(os.path.join(directory, name), "w") as file:
                    file.write(str(value))
            lines.append(plans.line("cgroup", "1", controller, directory))
        return lines

    def plan(self, state, words):
        plan = self.base(state)
        plan.arguments = ["/attack/probe", "/attack/context", "sandbox", *words]
        return plan

    def base(self, state):
        golden = os.path.join(self.lab.root, "Tests/Golden/SandboxPolicy", self.golden)
        plan = plans.Plan(golden, self.lab.filter).place(state, os.path.join(state, "main.log"), os.path.basename(state))
        plan.replace("log ", plans.line("log", os.path.join(state, "main.log"), str(LOG)))
        plan.replace("grace ", "grace 300")
        plan.replace("cgroup ", *self.groups(os.path.basename(state)))
        plan.replace("bind /s/tmp", f"tmpfs /tmp size={TMP},nr_inodes=4096,mode=1777,uid=1073741824,gid=1073741824 rw,nosuid,nodev",
                     plans.line("bind", self.lab.targets.programs, "/attack", "ro,nosuid,nodev"),
                     plans.line("bind", self.lab.targets.readonly, "/readonly", "ro,nosuid,nodev,noexec,rec"))
        return plan.ids(self.lab.id_start)

    def prepare(self, words):
        state = self.scratch()
        os.makedirs(os.path.join(state, "rootfs"), exist_ok=True)
        with open(os.path.join(state, "plan"), "w") as file:
            file.write(self.plan(state, words).text())
        return state

    def run(self, words, seconds=90, limit=None):
        state = self.prepare(words)
        stop = lambda: subprocess.run([self.lab.launcher, "kill", "--state-dir", state, "--grace", "300"], check=False)
        done = self.spawn([self.lab.launcher, "supervise", "--plan", os.path.join(state, "plan"), "--state-dir", state, "--foreground"],
                          limit or seconds, stop)
        return self.collect(state, done)

    def collect(self, state, done):
        text, kept = "", 0
        for path in sorted(glob.glob(os.path.join(state, "main.log*")), reverse=True):
            kept += os.path.getsize(path)
            if not os.path.isfile(path):
                continue
            with open(path, errors="replace") as file:
                text += "".join(re.sub(r"^\S+ stdout [FP] ", "", row) for row in file if " stdout " in row[:60])
        record = {}
        if os.path.exists(os.path.join(state, "state.json")):
            with open(os.path.join(state, "state.json")) as file:
                record = json.load(file)
        result = Run(text, done.code, done.seconds, kept, done.late)
        result.text = done.text + json.dumps(record.get("error", "")) + text
        result.record = record
        return result

    def clean(self):
        """Removes this sandbox's cgroups, or with the tag `*` those of every launch of the run."""
        tops = glob.glob(f"/sys/fs/cgroup/*/{self.lab.targets.magic}-{self.tag}") + glob.glob(f"/sys/fs/cgroup/{self.lab.targets.magic}-{self.tag}")
        for directory in [path for top in tops for path, _, _ in os.walk(top, topdown=False)]:
            for _ in range(20):
                try:
                    os.rmdir(directory)
                    break
                except OSError:
                    time.sleep(0.05)


class Command(Sandbox):
    """`swiftlet run`, with its defaults and the limits of the resource attacks."""

    name, ours, limited = "run", True, True
    options = ()

    def available(self):
        if not self.lab.swiftlet:
            return "no swiftlet with the verb run"
        return self.lab.run_refusal[self.rootless]

    def run(self, words, seconds=90, limit=None):
        state = self.scratch()
        log = os.path.join(state, "log")
        flood = words[0] == "output"
        # The name stands in its cgroups, by which what it leaves is found.
        argv = [self.lab.swiftlet, "run", "--name", f"{self.lab.targets.magic}-{os.path.basename(state)}",
                "--bind", self.lab.targets.programs + ":/attack", "--bind", self.lab.targets.readonly + ":/readonly",
                "--tmp-size", "32Mi", "--grace", "300ms", *self.options, *self.limits()]
        if flood:
            argv += ["--log", log, "--log-limit", "1Mi"]
        if limit:
            argv += ["--time-limit", f"{limit}s"]
        done = self.spawn([*argv, "--", "/attack/probe", "/attack/context", "sandbox", *words], seconds)
        if flood:
            done.kept = sum(os.path.getsize(path) for path in glob.glob(log + "*"))
        return done

    def limits(self):
        return ["--memory", "96Mi", "--pids", str(TASKS), "--cpus", "500m"]


class HostNetwork(Command):
    """The same on the host's network, where Landlock is the wall. Interfaces and listings are shared on request."""

    name, options = "run-hostnet", ("--network", "host", "--port", "48123")
    exempt = frozenset({"host-interfaces", "net-listing"})


class Rootless(Command):
    """The same as an ordinary user with a delegated cgroup."""

    name, rootless = "rootless", True

    def limits(self):
        return ["--memory", "96Mi", "--pids", str(TASKS), "--cpus", "500m"]

    def prefix(self):
        # Into the delegated groups first, then down to the ordinary user.
        join = "; ".join(f"echo 0 > {directory}/cgroup.procs" for directory in self.delegate())
        return ["sh", "-c", f'{join or ":"}; exec "$@"', "sh", *ORDINARY]

    def delegate(self):
        """Groups of the ordinary user's own, as `systemd-run --user -p Delegate=yes` gives them; made once."""
        hierarchies = [f"/sys/fs/cgroup/{c}" for c in ("memory", "pids", "cpu", "cpuacct") if os.path.isdir("/sys/fs/cgroup/" + c)]
        made = [os.path.join(top, self.lab.targets.magic + "-user") for top in hierarchies or ["/sys/fs/cgroup"]]
        with self.lab.lock:
            for directory in made:
                if os.path.isdir(directory):
                    continue
                os.mkdir(directory)
                for name in ("", "tasks", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads"):
                    if os.path.exists(os.path.join(directory, name)):
                        os.chown(os.path.join(directory, name), ROOTLESS_ID, ROOTLESS_ID)
        return made


class Bubblewrap(Sandbox):
    name, extra = "bwrap", ()

    def available(self):
        return None if shutil.which("bwrap") else "bubblewrap is not installed"

    def run(self, words, seconds=90, limit=None):
        targets = self.lab.targets
        argv = ["bwrap", "--unshare-all", "--ro-bind", "/usr", "/usr", "--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64",
                "--symlink", "usr/bin", "/bin", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--ro-bind", targets.programs, "/attack",
                "--ro-bind", targets.readonly, "/readonly", *self.extra, "/attack/probe", "/attack/context", "sandbox", *words]
        return self.spawn(argv, limit or seconds)


class BubblewrapAll(Bubblewrap):
    name, extra = "bwrap+all", ("--unshare-user", "--disable-userns", "--new-session", "--clearenv", "--cap-drop", "ALL", "--die-with-parent")


class BubblewrapUser(Bubblewrap):
    name, rootless = "bwrap-user", True


DOCKER_CAPS = ["CAP_" + c for c in ("CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT "
                                    "KILL AUDIT_WRITE").split()]


class Runc(Sandbox):
    """runc with the config that `runc spec` writes."""

    name, program, limited = "runc-spec", "runc", True

    def available(self):
        return None if shutil.which(self.program) else self.program + " is not installed"

    def config(self, words, number=None):
        with self.lab.lock:
            if not self.lab.specification:
                where = os.path.join(self.lab.targets.dir, "specification")
                os.makedirs(where, exist_ok=True)
                subprocess.run(["runc", "spec"], cwd=where, check=True)
                with open(os.path.join(where, "config.json")) as file:
                    self.lab.specification = file.read()
        config = json.loads(self.lab.specification)
        config["process"].update(terminal=False, args=["/attack/probe", "/attack/context", "sandbox", *words])
        for source, path in ((self.lab.targets.programs, "/attack"), (self.lab.targets.readonly, "/readonly")):
            config["mounts"].append({"destination": path, "type": "bind", "source": source, "options": ["rbind", "ro"]})
        config["mounts"].append({"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "nodev", "size=32m"]})
        config["linux"]["cgroupsPath"] = f"/{self.lab.targets.magic}-{self.name}-{number or self.count}"
        config["linux"].setdefault("resources", {}).update(
            memory={"limit": MEMORY}, pids={"limit": TASKS}, cpu={"quota": CPU_MILLIS * 100, "period": 100000})
        return config

    def run(self, words, seconds=90, limit=None):
        bundle = self.scratch()
        number = bundle.rpartition("-")[2]  # of this run: another may have begun since
        for name in ("proc", "sys", "dev", "tmp", "etc", "usr", "bin", "attack", "readonly", "mnt"):
            os.makedirs(os.path.join(bundle, "rootfs", name), exist_ok=True)
        with open(os.path.join(bundle, "config.json"), "w") as file:
            json.dump(self.config(words, number), file)
        container = f"{self.lab.targets.magic}-{self.name}-{number}"
        root = os.path.join(self.lab.targets.dir, "runc-state")
        stop = lambda: subprocess.run([self.program, "--root", root, "kill", container, "KILL"], stderr=subprocess.DEVNULL, check=False)
        done = self.spawn([self.program, "--root", root, "run", "--bundle", bundle, container], limit or seconds, stop)
        subprocess.run([self.program, "--root", root, "delete", "--force", container], stderr=subprocess.DEVNULL, check=False)
        return done


class RuncDocker(Runc):
    """runc with Docker's 14 capabilities; its filter where a copy of it is on this machine, else ours."""

    name = "runc-docker"

    def config(self, words, number=None):
        config = super().config(words, number)
        config["process"]["capabilities"] = {kind: DOCKER_CAPS for kind in ("bounding", "effective", "permitted")}
        config["process"]["noNewPrivileges"] = False
        with open(self.lab.docker_profile) as file:
            profile = json.load(file)
        config["linux"]["seccomp"] = {key: profile[key] for key in ("defaultAction", "architectures", "syscalls") if key in profile}
        config["linux"]["seccomp"]["architectures"] = ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]
        for rule in config["linux"]["seccomp"]["syscalls"]:
            rule.pop("comment", None)
            if rule["action"] == "SCMP_ACT_ALLOW":
                rule.pop("errnoRet", None)
        return config


class OCI(Runc):
    """Our OCI runtime on the very bundle that `runc spec` describes: no weaker than runc may it be."""

    name, program, required = "oci-spec", "swiftlet-oci", True

    def available(self):
        if not shutil.which("runc"):
            return "runc is not installed (its `spec` makes the bundle)"
        return None if self.lab.oci else "no swiftlet-oci"

    def run(self, words, seconds=90, limit=None):
        self.program = self.lab.oci
        return super().run(words, seconds, limit)


ALL = [Unconfined, Command, HostNetwork, Rootless, Launcher, OCI, Bubblewrap, BubblewrapAll, BubblewrapUser, Runc, RuncDocker]
