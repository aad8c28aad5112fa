"""The laboratory: a private mount namespace, a rootfs with just the no-op, cgroups of its own, the C programs built. Gone afterwards."""
import ctypes
import json
import os
import shutil
import signal
import stat
import subprocess
import time

MS_PRIVATE, MS_REC, MS_BIND, CLONE_NEWNS, MNT_DETACH = 1 << 18, 1 << 14, 1 << 12, 0x00020000, 2
LIMITS = {  # the same for every candidate
    1: {"memory": {"memory.limit_in_bytes": "67108864"}, "pids": {"pids.max": "64"},
        "cpu": {"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "100000"}},
    2: {"unified": {"memory.max": "67108864", "pids.max": "64", "cpu.max": "100000 100000"}},
}
libc = ctypes.CDLL(None, use_errno=True)


def check(result, what):
    if result != 0:
        raise RuntimeError(f"{what}: {os.strerror(ctypes.get_errno())}")


def private_mounts():
    check(libc.unshare(CLONE_NEWNS), "unshare(CLONE_NEWNS)")
    check(libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None), "mount(private)")


def cgroup_mounts():
    """controller -> (version, directory), for memory, pids and cpu on v1, or unified on v2."""
    found = {}
    for line in open("/proc/self/mountinfo"):
        fields, (kind, _, options) = line.split(" - ")[0].split(), line.rstrip().split(" - ")[1].split(" ", 2)
        if kind == "cgroup":
            for controller in LIMITS[1]:
                if controller in options.split(","):
                    found[controller] = (1, fields[4])
        elif kind == "cgroup2":
            found["unified"] = (2, fields[4])
    if all(controller in found for controller in LIMITS[1]):
        return {controller: found[controller] for controller in LIMITS[1]}
    if "unified" in found:
        return {"unified": found["unified"]}
    raise RuntimeError("neither memory, pids and cpu of cgroup v1 nor cgroup v2 are mounted")


def controller_mount(controller):
    for line in open("/proc/self/mountinfo"):
        kind, _, options = line.rstrip().split(" - ")[1].split(" ", 2)
        if kind == "cgroup" and controller in options.split(","):
            return line.split()[4]
    return None


def hide_second_hierarchy():
    """In our namespace alone: crun refuses to run on v1 while a v2 hierarchy is mounted beside it."""
    found = cgroup_mounts()
    if "memory" in found:
        for line in open("/proc/self/mountinfo").readlines():
            if " - cgroup2 " in line:
                check(libc.umount2(line.split()[4].encode(), MNT_DETACH), "umount(cgroup2)")


class Lab:
    def __init__(self, source):
        self.source = source
        self.here = os.path.dirname(os.path.abspath(__file__))
        self.bin = os.path.join(source, ".build", "bench", "bin")
        self.directory = os.path.join(source, ".build", "bench", f"lab.{os.getpid()}")
        self.root = os.path.join(self.directory, "root")
        self.state = os.path.join(self.directory, "state")
        self.group = f"swiftlet-bench.{os.getpid()}"
        self.cgroups, self.servers, self.failures, self.accounts, self.own_null = {}, [], [], None, False

    def __enter__(self):
        private_mounts()
        hide_second_hierarchy()
        signal.signal(signal.SIGTERM, lambda *_: (_ for _ in ()).throw(SystemExit(143)))
        try:
            self._build()
            for directory in ("bin", "proc", "tmp", "dev"):
                os.makedirs(os.path.join(self.root, directory))
            open(os.path.join(self.root, "dev", "null"), "w").close()
            shutil.copy(os.path.join(self.bin, "noop"), os.path.join(self.root, "bin", "noop"))
            self._make_state()
            self._make_null()
            self._make_cgroups()
            self._make_filter()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *_):
        for server in self.servers:
            server.terminate()
        for server in self.servers:
            try:
                server.wait(timeout=10)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
        for _, directory in self.cgroups.values():
            remove_groups(directory)
        if self.accounts:
            remove_groups(self.accounts)
        if self.own_null:
            libc.umount2(b"/dev/null", MNT_DETACH)
        libc.umount2(self.state.encode(), MNT_DETACH)
        shutil.rmtree(self.directory, ignore_errors=True)

    def _build(self):
        """Builds the C programs: seconds, and never stale."""
        os.makedirs(self.bin, exist_ok=True)
        flags = ["-O2", "-Wall", "-Wextra", "-Werror"]
        at = lambda *names: [os.path.join(self.here, name) for name in names]
        self._compile("noop", ["-O2", "-static", "-nostdlib"] + at("noop.c"))
        self._compile("floor", flags + ["-static"] + at("floor.c", "floor_cgroup.c", "floor_child.c", "floor_pool.c", "floor_task.c"))
        self._compile("filter", flags + at("filter.c") + ["-lseccomp"])
        self._compile("measure", flags + at("measure.c", "worker.c") + ["-pthread"])

    def _compile(self, name, arguments):
        done = subprocess.run(["cc", "-o", os.path.join(self.bin, name)] + arguments, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"cc {name}: {done.stderr.strip()[:2000]} (Scripts/setup --peers installs what is missing)")

    def _make_state(self):
        """Records and logs of every candidate, in memory as /run is: making a file on a full disk takes longer than a whole launch."""
        os.makedirs(self.state)
        check(libc.mount(b"state", self.state.encode(), b"tmpfs", 0, b"size=256m"), "mount(tmpfs)")

    def _make_null(self):
        """crun gives its container's root whatever it has as standard streams: the machine's /dev/null keeps its owner."""
        node = os.path.join(self.state, "null")
        os.mknod(node, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        os.chmod(node, 0o666)
        check(libc.mount(node.encode(), b"/dev/null", None, MS_BIND, None), "mount(/dev/null)")
        self.own_null = True

    def _make_cgroups(self):
        for controller, (version, mount) in cgroup_mounts().items():
            directory = os.path.join(mount, self.group)
            os.mkdir(directory)
            self.cgroups[controller] = (version, directory)
            if version == 2:
                for file in (os.path.join(mount, "cgroup.subtree_control"), os.path.join(directory, "cgroup.subtree_control")):
                    open(file, "w").write("+memory +pids +cpu")

    def _make_filter(self):
        """One filter for all: the calls that our default profile permits without conditions."""
        profile = json.load(open(os.path.join(self.source, "Sandbox", "Profiles", "runtime-default.json")))
        self.calls = [name for group in profile["syscalls"] if group["action"] == "SCMP_ACT_ALLOW" and not group.get("args") for name in group["names"]]
        self.filter = os.path.join(self.directory, "filter.bpf")
        subprocess.run([os.path.join(self.bin, "filter"), self.filter] + self.calls, check=True)

    def compile_filter(self, swiftlet):
        """The same policy as our own compiler makes it: every candidate that takes a program gets this one."""
        profile = os.path.join(self.directory, "filter.json")
        with open(profile, "w") as file:
            json.dump({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": self.calls, "action": "SCMP_ACT_ALLOW"}]}, file)
        done = subprocess.run([swiftlet, "run", "--explain", "--json", "--allow-unenforced", "--rootfs", self.root, "--network", "none", "--seccomp", profile, "--", "/bin/noop"],
                              capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"swiftlet run --explain: {done.stderr.strip()[:500]}")
        programs = [step["arguments"][0] for step in json.loads(done.stdout)["operations"] if step["operation"] == "seccomp"]
        with open(self.filter, "wb") as file:
            file.write(bytes.fromhex(programs[0]))

    def limits(self):
        """(controller, version, parent directory, {file: value}) of each hierarchy."""
        return [(c, version, directory, LIMITS[version][c]) for c, (version, directory) in self.cgroups.items()]

    def serve(self, words, socket, log="server.log", preexec=None):
        """Starts a server and waits until its socket is there. It gets a group of its own that accounts its CPU time."""
        output = open(os.path.join(self.directory, log), "ab")
        account = self._account()

        def prepare():
            if account:
                with open(os.path.join(account, "cgroup.procs"), "w") as file:
                    file.write("0")
            if preexec:
                preexec()

        server = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=output, stderr=output, preexec_fn=prepare)
        server.account = account
        self.servers.append(server)
        deadline = time.monotonic() + 10
        while not os.path.exists(socket):
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{words[0]} did not serve {socket}: {open(output.name).read()[-500:]}")
            time.sleep(0.01)
        return server

    def _account(self):
        """A new group of cgroup v1's cpuacct hierarchy, which no candidate's tasks leave; None without it."""
        mount = controller_mount("cpuacct")
        if not mount:
            return None
        self.accounts = os.path.join(mount, self.group)
        path = os.path.join(self.accounts, f"server{len(self.servers)}")
        os.makedirs(path)
        return path

    def measure(self, mode, count, last, candidates, ballast_mb=0):
        """Runs `measure`; a list of (name, numbers)."""
        text = "".join("\t".join([c.name, c.kind] + c.words) + "\n" for c in candidates)
        environment = dict(os.environ, BALLAST_MB=str(ballast_mb))
        done = subprocess.run([os.path.join(self.bin, "measure"), mode, str(count), str(last)], input=text, capture_output=True, text=True,
                              env=environment)
        if done.returncode:
            raise RuntimeError(f"measure {mode}: {done.stderr.strip()[-1000:]}")
        self.failures += [line for line in done.stderr.splitlines() if line.endswith(" failed")]
        lines = (line.split("\t") for line in done.stdout.splitlines())
        return [(words[0], [int(word) for word in words[1:]]) for words in lines]


def remove_groups(directory):
    """Innermost first; a group is busy for a moment after its last process."""
    for path, _, _ in os.walk(directory, topdown=False):
        for _ in range(200):
            try:
                os.rmdir(path)
                break
            except OSError:
                time.sleep(0.01)
