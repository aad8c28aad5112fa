"""Area `images`: an image from a registry, from an archive, to a tree; and containers of one that is there. Parts: pull, load, start.

The image is made by buildah from this machine's own programs (three layers, gzip). The reference does the same work with two
programs: skopeo brings it into an OCI layout, umoci unpacks that. They leave what they wrote to the page cache, ours is on the disk
before the image has a name: a third candidate is theirs with a sync of the file system behind it.

Each measurement is told on standard error as it comes. The whole takes two to three minutes on two cores."""
import functools
import os
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "chaos.d"))

PARTS = ["pull", "load", "start"]
REGISTRY = "docker-registry"
CONFIG = """mode: lite
domainID: alice
logLevel: WARN
liteDeployToken: none
masterEndpoint: https://127.0.0.1:1
image:
  registries:
  - name: local
    endpoint: http://{registry}
swiftlet:
  stateDirectory: {directory}/state
"""


# One program of a measurement: whatever takes longer hangs.
LONGEST_SECONDS = 180
# Another round begins only when it should end within this, by those before it.
LONGEST_PART_SECONDS = 75


def tell(text):
    print(f"images: {text}", file=sys.stderr, flush=True)


@functools.cache
def kilobytes_per_line():
    """busybox' time takes the kernel's kilobytes for pages: what it says of a program against what the program says of itself."""
    with tempfile.NamedTemporaryFile("r") as facts:
        own = subprocess.run(["busybox", "time", "-v", "-o", facts.name, "cat", "/proc/self/status"], capture_output=True, text=True, check=True)
        told = next(int(line.rsplit(":", 1)[1]) for line in facts if "Maximum resident" in line)
    known = next(int(line.split()[1]) for line in own.stdout.splitlines() if line.startswith("VmHWM"))
    return max(1, round(told / known))


def spend(words):
    """Seconds, and MiB at the peak of the program. Through busybox: a process that this one starts has had this one's memory first."""
    with tempfile.NamedTemporaryFile("r") as facts:
        begun = time.perf_counter()
        try:
            done = subprocess.run(
                ["busybox", "time", "-v", "-o", facts.name, *words], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                timeout=LONGEST_SECONDS)
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"{' '.join(words[:4])}: not done in {LONGEST_SECONDS} s") from None
        seconds = time.perf_counter() - begun
        if done.returncode:
            raise RuntimeError(f"{' '.join(words[:4])}: {done.stderr.decode(errors='replace').strip()[-400:]}")
        return seconds, next(int(line.rsplit(":", 1)[1]) / 1024 / kilobytes_per_line() for line in facts if "Maximum resident" in line)


def program(name, source):
    found = shutil.which(name) or next((path for path in [f"{source}/.peers/usr/bin/{name}"] if os.access(path, os.X_OK)), None)
    if not found:
        raise RuntimeError(f"{name} is needed: Scripts/setup --peers installs it")
    return found


class Stage:
    """A directory of this run, the image in it as an archive, and (for `pull`) in a registry on loopback."""

    def __init__(self, options):
        self.source, self.bin = options.source, options.bin or os.path.join(options.source, ".build/release")
        self.swiftlet = os.path.join(self.bin, "swiftlet")
        if not os.access(self.swiftlet, os.X_OK):
            raise RuntimeError(f"{self.swiftlet} is not there: Scripts/release builds it")
        self.skopeo, self.umoci = program("skopeo", self.source), program("umoci", self.source)
        self.directory = tempfile.mkdtemp(prefix="swiftlet-images-", dir="/var/tmp")
        self.registry = None
        self.number = 0
        self.archive = f"{self.directory}/image.tar"

    def build(self, megabytes):
        """Layers of `megabytes` together: programs, Python's library (many small files), and a layer that removes some of them."""
        begun = time.perf_counter()
        buildah = [program("buildah", self.source), "--root", f"{self.directory}/root", "--runroot", f"{self.directory}/run", "--storage-driver", "vfs"]
        with open(f"{self.directory}/policy.json", "w") as file:
            file.write('{"default":[{"type":"insecureAcceptAnything"}]}')
        # buildah has its options behind its verb.
        def call(verb, *words):
            return subprocess.run([buildah[0], verb, *buildah[1:], *words], check=True, capture_output=True, text=True).stdout.strip()
        policy = ["--signature-policy", f"{self.directory}/policy.json"]
        base = "scratch"
        for number, script in enumerate([
                "mkdir -p bin usr/lib usr/share tmp; cp /bin/busybox bin/; for n in sh true sleep; do ln -s busybox bin/$n; done; " + self.fill("/usr/bin", "usr/bin", megabytes // 2),
                self.fill("/usr/lib/python3", "usr/lib/python3", megabytes // 2) + "; find usr/lib/python3 -type d | wc -l > usr/share/count",
                "find usr/lib/python3 -name '*.pyc' -delete; rm -rf usr/share; echo done > last"]):
            container = call("from", *policy, base)
            root = call("mount", container)
            subprocess.run(
                ["sh", "-ec", script], cwd=root, check=True, capture_output=True, env=dict(os.environ, FILES=f"{self.directory}/files"))
            call("umount", container)
            base = f"localhost/layer{number}:1"
            call("commit", "--quiet", *policy, "--format", "oci", container, base)
            call("rm", container)
        call("push", "--quiet", *policy, base, f"oci-archive:{self.archive}:localhost/bench:1")
        tell(f"the image: {os.path.getsize(self.archive) >> 20} MiB as an archive, built in {time.perf_counter() - begun:.0f} s")
        shutil.rmtree(f"{self.directory}/root")

    @staticmethod
    def fill(source, place, megabytes):
        """A script that puts files of together so many MB there, the same ones on every run of a machine."""
        return (f"mkdir -p {place}; (cd {source} && find . -type f -size -4000k -printf '%s %p\\n') | LC_ALL=C sort -k 2 | "
                f"awk '{{ sum += $1; if (sum > {megabytes}000000) exit; sub(/^[0-9]+ /, \"\"); print }}' > $FILES; "
                f"tar -C {source} -cf - -T $FILES | tar -C {place} -xf -")

    def serve(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{probe.getsockname()[1]}"
        with open(f"{self.directory}/registry.yml", "w") as file:
            file.write(f"version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {self.directory}/registry}}}}\nhttp: {{addr: '{self.address}'}}\n")
        self.registry = subprocess.Popen(
            [program(REGISTRY, self.source), "serve", f"{self.directory}/registry.yml"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(tuple([self.address.split(":")[0], int(self.address.split(":")[1])])) == 0:
                    break
            time.sleep(0.1)
        else:
            raise RuntimeError(f"{REGISTRY} does not answer on {self.address}")
        spend([self.skopeo, "--insecure-policy", "copy", "--dest-tls-verify=false", f"oci-archive:{self.archive}", f"docker://{self.address}/bench:1"])
        with open(f"{self.directory}/kuscia.yaml", "w") as file:
            file.write(CONFIG.format(registry=self.address, directory=self.directory))

    def place(self):
        self.number += 1
        path = f"{self.directory}/place{self.number}"
        os.mkdir(path)
        return path

    def image(self, verb, *words):
        return spend([self.swiftlet, "image", verb, *words])

    def close(self):
        if self.registry:
            self.registry.terminate()
            self.registry.wait(10)
        subprocess.run(["rm", "-rf", self.directory], check=True)


def compare(stage, options, report, title, candidates, words):
    """`candidates`: name to what works in an empty directory and gives its steps' (seconds, MiB); ours is the first."""
    figures = {name: [] for name in candidates}
    begun = time.monotonic()
    for number in range(1 if options.quick else 3 if options.rounds <= 40 else options.rounds // 10):
        # On a busy machine fewer rounds, each of them whole.
        if number and time.monotonic() - begun > LONGEST_PART_SECONDS * number / (number + 1):
            tell(f"{words}: {number} rounds were all there was time for")
            break
        for name, candidate in candidates.items():
            place = stage.place()
            # What the one before left to be written is not this one's to wait for.
            os.sync()
            steps = candidate(place)
            figures[name].append((sum(step[0] for step in steps), max(step[1] for step in steps)))
            tell(f"{words}, round {number + 1}: {name} {' + '.join(f'{step[0]:.2f}' for step in steps)} s, {figures[name][-1][1]:.0f} MiB")
            subprocess.run(["rm", "-rf", place], check=True)
    rows = []
    for name, measured in figures.items():
        seconds, memory = zip(*measured)
        rows.append([name, f"{min(seconds):.2f}", f"{statistics.median(seconds):.2f}", f"{max(seconds):.2f}", f"{max(memory):.0f}"])
    report.table(title, ["s", "min", "median", "max", "peak MiB"], rows)
    medians = {name: statistics.median(figure[0] for figure in measured) for name, measured in figures.items()}
    ours, *others = candidates
    for other in others:
        report.ratio(f"{words}, time", medians[ours], medians[other], other, at_most=1, unit="s")
    peaks = {name: max(figure[1] for figure in figures[name]) for name in (ours, others[0])}
    report.ratio(f"{words}, peak memory", peaks[ours], peaks[others[0]], others[0], at_most=1, unit="MiB")


def peers(stage, source, options):
    """skopeo into a layout and umoci from there, as they are, and with what they wrote on the disk."""
    def plain(place):
        return [spend([stage.skopeo, "--insecure-policy", "copy", *options, source, f"oci:{place}/layout:1"]),
                spend([stage.umoci, "unpack", "--image", f"{place}/layout:1", f"{place}/bundle"])]
    return {"skopeo + umoci": plain, "the same + sync": lambda place: plain(place) + [spend(["sync", "-f", place])]}


def measure_pull(stage, options, report):
    stage.serve()

    def ours(place):
        steps = [stage.image("pull", "--quiet", "--config", f"{stage.directory}/kuscia.yaml", "--store", place, f"{stage.address}/bench:1"),
                 stage.image("mount", "--store", place, f"{stage.address}/bench:1")]
        stage.image("unmount", "--store", place)
        return steps
    theirs = peers(stage, f"docker://{stage.address}/bench:1", ["--src-tls-verify=false"])
    compare(stage, options, report, "From a registry on loopback to an unpacked tree", {"swiftlet": ours, **theirs}, "pull and unpack")


def measure_load(stage, options, report):
    def ours(place):
        steps = [stage.image("load", "--store", place, "--input", stage.archive), stage.image("mount", "--store", place, "localhost/bench:1")]
        stage.image("unmount", "--store", place)
        return steps
    compare(stage, options, report, "From an oci-archive to a tree", {"swiftlet": ours, **peers(stage, f"oci-archive:{stage.archive}", [])}, "load and unpack")


def measure_start(stage, options, report):
    """Pods of the image through a master and a Lite: the first unpacks it, the others do not; beside pods of the host's own view."""
    from lab import Lab
    import pods
    lab = Lab(stage.swiftlet)
    try:
        lab.start()
        lab.wait_ready()
        stage.image("load", "--store", f"{lab.directory}/lite", "--input", stage.archive)
        make, image = pods.pod, "host:latest"

        def pod(name, namespace):
            body = make(name, namespace)
            body["spec"]["containers"][0].update(image=image)
            return body
        pods.pod = pod
        tell("a master and a Lite run")
        try:
            pods.measure(lab.connect, "alice", 3)
            host = [pair[1] for pair in pods.measure(lab.connect, "alice", options.rounds)]
            image = "localhost/bench:1"
            first = pods.measure(lab.connect, "alice", 1)[0][1]
            others = [pair[1] for pair in pods.measure(lab.connect, "alice", options.rounds)]
            tell(f"pods, p50: host view {statistics.median(host) * 1000:.1f} ms, first of the image {first * 1000:.0f} ms, others {statistics.median(others) * 1000:.1f} ms")
        finally:
            pods.pod = make
        rows = [[name, *(f"{value * 1000:.1f}" for value in (min(figures), statistics.median(figures), max(figures)))]
                for name, figures in (("host view", host), ("first of the image", [first]), ("others of the image", others))]
        report.table("Pods of /bin/true, creation to Succeeded", ["ms", "min", "median", "max"], rows)
        report.ratio("2nd container of an image, creation to Succeeded, p50", statistics.median(others) * 1000, statistics.median(host) * 1000,
                     "the same of the host view", at_most=1.3)
    finally:
        lab.close()


def run(options, report):
    parts = options.only.split(",") if options.only else PARTS
    if unknown := [part for part in parts if part not in PARTS]:
        raise RuntimeError(f"no part {unknown[0]}: one of {', '.join(PARTS)}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    stage = Stage(options)
    try:
        stage.build(20 if options.quick else 100)
        for part in parts:
            globals()[f"measure_{part}"](stage, options, report)
    except subprocess.CalledProcessError as failure:
        words = failure.stderr.decode(errors="replace") if isinstance(failure.stderr, bytes) else failure.stderr or ""
        raise RuntimeError(f"{' '.join(failure.cmd)[:200]}: exit {failure.returncode}: {words.strip()[-400:]}") from None
    finally:
        stage.close()
