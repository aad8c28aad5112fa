"""Area `runc`: a container's start under RunC's supervisor against the same runtime's plain `run` of the same bundle. Parts: start."""
import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time

STAGE = "/run/swiftlet/stage"
IDS = 0x6000_0000
HIDES = ("crun",)  # serve one version of cgroups, and refuse machines that show both


class Bundle:
    """One runtime's containers: a plain bundle, and what RunC makes of the same configuration (Runtimes/RunC/OCIBundle.swift)."""

    def __init__(self, name, program, launcher, directory):
        self.name, self.launcher, self.directory = name, launcher, os.path.join(directory, name)
        self.container = f"bench-{name}-{os.getpid()}"
        hidden = name in HIDES and os.path.isdir("/sys/fs/cgroup/unified")
        self.command = ([launcher, "hide", "/sys/fs/cgroup/unified"] if hidden else []) + [program, "--root", self.directory + "/root"]
        for place in ("plain/rootfs", "ours/bundle", "source", "root"):
            os.makedirs(os.path.join(self.directory, place))
        os.makedirs(STAGE, exist_ok=True)
        for place in ("plain/rootfs", "source"):
            shutil.copy(shutil.which("busybox"), os.path.join(self.directory, place, "busybox"))
            for name in ("proc", "dev"):
                os.makedirs(os.path.join(self.directory, place, name))
        for path, _, files in os.walk(os.path.join(self.directory, "plain/rootfs")):
            for entry in [path] + [os.path.join(path, name) for name in files]:
                os.chown(entry, IDS, IDS)
        for path in (directory, self.directory, self.directory + "/plain"):
            os.chmod(path, 0o711)
        self.write()

    def write(self):
        with tempfile.TemporaryDirectory() as where:
            subprocess.run(["runc", "spec"], cwd=where, check=True)
            with open(os.path.join(where, "config.json")) as file:
                config = json.load(file)
        config.pop("hostname", None)
        config["mounts"] = [m for m in config["mounts"] if m["destination"] in ("/proc", "/dev", "/dev/pts", "/dev/shm")]
        for mount in config["mounts"]:
            mount["options"] = [option for option in mount.get("options", []) if not option.startswith("gid=")]
        ids = [{"containerID": 0, "hostID": IDS, "size": 65536}]
        config["linux"].update(
            namespaces=[{"type": kind} for kind in ("pid", "mount", "ipc", "uts", "network", "cgroup", "user")], uidMappings=ids, gidMappings=ids,
            cgroupsPath="/" + self.container)
        config["linux"].setdefault("resources", {}).update(memory={"limit": 64 << 20}, pids={"limit": 64})
        self.save("plain", config, ["/busybox", "true"], self.directory + "/plain/rootfs")
        config["mounts"].append({"destination": "/dev/.init", "type": "bind", "source": STAGE + "/0", "options": ["rbind", "rprivate"]})
        self.save("ours/bundle", config, ["/dev/.init", "oci-init", "/busybox", "true"], STAGE + "/root")
        ours = self.directory + "/ours"
        groups = [f"cgroup 1 {c} /sys/fs/cgroup/{c}/{self.container}" for c in ("memory", "cpuacct", "pids") if os.path.isdir("/sys/fs/cgroup/" + c)]
        words = self.command + ["--log", ours + "/bundle/runtime.log", "--log-format", "json"]
        lines = ["swiftlet-plan 1", "id " + self.container, f"log {ours}/log 1000000", "grace 1000",
                 f"oci-runtime {self.name} {ours}/bundle 30000 10000 /busybox init", "oci-stage " + STAGE,
                 f"oci-bind {self.directory}/source {STAGE}/root nosuid,nodev,idmap", f"oci-bind {self.launcher} {STAGE}/0 ro,nosuid,nodev", *groups,
                 "namespace user", f"uid-map 0 {IDS} 65536", f"gid-map 0 {IDS} 65536", "enter-user-namespace", "user 0 0",
                 "env PATH=/usr/sbin:/usr/bin:/sbin:/bin", *(f"arg {word}" for word in words), "end"]
        with open(ours + "/plan", "w") as file:
            file.write("\n".join(lines) + "\n")

    def save(self, place, config, words, root):
        sets = ("bounding", "effective", "permitted")
        config["process"].update(terminal=False, args=words, capabilities={name: config["process"]["capabilities"]["bounding"] for name in sets})
        config["root"] = {"path": root, "readonly": False}
        with open(os.path.join(self.directory, place, "config.json"), "w") as file:
            json.dump(config, file)

    def plain(self):
        """Milliseconds of `run`, to its exit."""
        begun = time.monotonic()
        subprocess.run(self.command + ["run", "--bundle", self.directory + "/plain", self.container], check=True, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL)
        return (time.monotonic() - begun) * 1e3

    def ours(self):
        """Milliseconds until the program was begun, until its end is on record, and until the runtime has forgotten it."""
        directory = self.directory + "/ours"
        for name in ("state.json", "supervisor.lock", "log"):
            if os.path.exists(f"{directory}/{name}"):
                os.unlink(f"{directory}/{name}")
        marks, begun = [], time.monotonic()
        subprocess.run([self.launcher, "supervise", "--plan", directory + "/plan", "--state-dir", directory], check=True)
        marks.append(time.monotonic())
        for over in (lambda: '"exited"' in open(directory + "/state.json").read(), lambda: not os.path.exists(f"{self.directory}/root/{self.container}")):
            while not over():
                if time.monotonic() > begun + 30:
                    raise RuntimeError(f"{self.name}: the container does not end: " + open(directory + "/state.json").read()[-300:])
                time.sleep(0.0003)
            marks.append(time.monotonic())
        return [(mark - begun) * 1e3 for mark in marks]

    def works(self):
        try:
            self.plain()
            self.ours()
            return None
        except (RuntimeError, OSError, subprocess.CalledProcessError) as failure:
            return str(failure)


def run(options, report):
    directory = options.bin or os.path.join(options.source, ".build", "release")
    # Into plans go whole paths.
    launcher, own = (os.path.abspath(os.path.join(directory, name)) for name in ("swiftlet-sandbox", "swiftlet-oci"))
    if not os.path.exists(launcher) or not shutil.which("busybox"):
        raise RuntimeError(f"needs {launcher} and busybox (static)")
    found = {name: shutil.which(name) for name in ("runc", "crun")}
    found["swiftlet-oci"] = own if os.path.exists(own) else None
    with tempfile.TemporaryDirectory(prefix="swiftlet-bench.", dir="/var/tmp") as place:
        bundles = []
        for name, program in found.items():
            bundle = program and Bundle(name, program, launcher, place)
            obstacle = bundle.works() if bundle else "not installed"
            if obstacle:
                report.notes.append(f"{name}: {obstacle}")
            else:
                bundles.append(bundle)
        figures = {bundle.name: ([], []) for bundle in bundles}
        for _ in range(options.rounds):
            for bundle in bundles:
                figures[bundle.name][0].append(bundle.plain())
                figures[bundle.name][1].append(bundle.ours())
    rows = []
    for name, (plain, ours) in figures.items():
        median = [statistics.median(values) for values in zip(*ours)]
        rows.append([name, f"{statistics.median(plain):.1f}", f"{min(plain):.1f}", *(f"{value:.1f}" for value in median), f"{min(o[1] for o in ours):.1f}"])
        if name == "runc":
            report.ratio("RunC: start to known end of a no-op", median[1], statistics.median(plain), "runc run", at_most=1.15)
    report.table(f"A container of a no-op, {options.rounds} interleaved rounds, ms",
                 ["runtime", "plain run", "min", "begun", "end on record", "forgotten", "min end"], rows)
