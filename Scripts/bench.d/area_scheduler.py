"""Area `scheduler`: placements of the pure core, and pods bound durably by the master's scheduler.

Parts: pure (beside a plain scheduler of the upstream algorithm in the same run), bound (100 and 5,000 nodes), gangs, growth.
With --kubeconfig: the pods that the stock kube-scheduler of that cluster binds in a second, as reference of `bound`.
"""
import json
import os
import shutil
import statistics
import subprocess
import time

TOO_MANY = 5000  # pods in one round against a stock cluster


def run(options, report):
    kubeconfig = getattr(options, "kubeconfig", "")
    if kubeconfig:
        require_nodes(kubeconfig)
    program = os.path.join(options.bin or os.path.join(options.source, ".build", "release"), "swiftlet-bench-scheduler")
    if not os.path.exists(program):
        print("bench: building swiftlet-bench-scheduler in release mode (minutes)", flush=True)
        if options.bin or subprocess.run([os.path.join(options.source, "Scripts/release"), "swiftlet-bench-scheduler"]).returncode:
            raise RuntimeError(f"no {program}")
    parts = [part for part in options.only.split(",") if part] or ["pure", "bound", "gangs", "growth"]
    directory = os.path.join(options.source, ".build", "bench", f"scheduler.{os.getpid()}")
    os.makedirs(directory)
    bench = Bench(program, directory, 1 if options.quick else 3, options.quick)
    try:
        for part in parts:
            getattr(bench, part)(report, kubeconfig)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


class Bench:
    def __init__(self, program, directory, rounds, quick):
        self.program, self.directory, self.rounds, self.quick = program, directory, rounds, quick

    def measure(self, *words):
        done = subprocess.run([self.program, *map(str, words)], capture_output=True, text=True, timeout=900)
        if done.returncode:
            raise RuntimeError(f"{' '.join(map(str, words))}: {done.stderr.strip()}")
        return json.loads(done.stdout)

    def medians(self, *words):
        """Of each figure, over the rounds."""
        results = [self.measure(*words) for _ in range(self.rounds)]
        return {name: statistics.median(result[name] for result in results) for name in results[0]}

    def pure(self, report, _):
        pods = 20_000 if self.quick else 100_000
        rows = []
        for nodes, bound in ((1000, 200_000), (5000, 80_000)):
            ours = self.medians("pure", nodes, pods)
            plain = self.measure("plain", nodes, 500)
            rows.append([nodes, f"{ours['placements_per_second']:.0f}", f"{ours['with_facts_per_second']:.0f}", f"{plain['placements_per_second']:.0f}"])
            report.at_least(f"pure placements, {nodes} nodes, one core", ours["placements_per_second"], bound, "1/s",
                            plain["placements_per_second"], "plain upstream algorithm")
        report.table("Placements per CPU-second", ["nodes", "ours", "ours, facts told and bound", "plain upstream algorithm"], rows)

    def bound(self, report, kubeconfig):
        stock = stock_rate(kubeconfig, 200 if self.quick else 2000, report) if kubeconfig else None
        rows = []
        for nodes, bound in ((100, 5000), (5000, 4000)):
            pods = 2000 if self.quick else 10_000
            ours = self.medians("bound", self.directory, nodes, pods)
            stream = self.measure("bound", self.directory, nodes, pods, "--stream")
            check(ours, pods)
            rows.append([nodes, pods, f"{ours['bound_per_second']:.0f}", f"{ours['cpu_microseconds_per_pod']:.0f}", f"{stream['bound_per_second']:.0f}"])
            report.at_least(f"pods bound, durable, {nodes} nodes", ours["bound_per_second"], bound, "1/s", stock, "stock kube-scheduler")
        report.table("Pods bound per second, each binding synced to disk", ["nodes", "pods", "waiting pods", "CPU us a pod", "created meanwhile"], rows)

    def gangs(self, report, _):
        for count, size in ((3000, 3), (10, 1000)):
            count = count // 10 if self.quick else count
            ours = self.medians("bound", self.directory, 5000, count * size, size)
            check(ours, count * size)
            report.at_least(f"gangs, {count} x {size} on 5000 nodes, all placed", ours["bound_per_second"], 4000, "pods/s")

    def growth(self, report, _):
        """CPU time, so that neighbours do not count, until nothing moves any more. What 5,000 nodes cost by themselves is ten times what
        1,000 pods cost: both are medians of rounds that take turns."""
        rounds = 2 if self.quick else 9
        first = 1000
        alone, small = [], []
        for _ in range(rounds):
            alone.append(self.seconds_for(1))
            small.append(self.seconds_for(first))
        nodes = statistics.median(alone)
        costs = [(first, statistics.median(small))] + [(pods, self.seconds_for(pods)) for pods in ((10_000,) if self.quick else (10_000, 100_000))]
        rows = [[pods, f"{seconds / pods * 1e6:.0f}", f"{(seconds - nodes) / pods * 1e6:.0f}"] for pods, seconds in costs]
        report.table("CPU microseconds per pod bound, 5,000 nodes", ["pods", "all", "without the nodes' own"], rows)
        spread = f"the nodes' own {min(alone):.2f}..{max(alone):.2f} s, with {first} pods {min(small):.2f}..{max(small):.2f} s in {rounds} rounds"
        report.notes.append(spread)
        per_pod = [(seconds - nodes) / pods * 1e6 for pods, seconds in costs]
        report.ratio(f"cost of a pod, {costs[-1][0]} against {first} pods", per_pod[-1], per_pod[0], f"at {first} pods", at_most=1.2, unit="us")

    def seconds_for(self, pods):
        """CPU seconds of a cluster of 5,000 nodes that binds so many pods."""
        return self.measure("bound", self.directory, 5000, pods)["cpu_microseconds_per_pod"] * pods / 1e6


def check(figures, pods):
    if figures["bound"] != pods or figures["bound_twice"]:
        raise RuntimeError(f"{figures['bound']:.0f} of {pods} pods bound, {figures['bound_twice']:.0f} twice")


def kubectl(kubeconfig, *words, **options):
    try:
        done = subprocess.run(["kubectl", f"--kubeconfig={kubeconfig}", *words], text=True, capture_output=True, **options)
    except FileNotFoundError:
        raise RuntimeError("--kubeconfig: no kubectl on PATH, which drives the given cluster") from None
    if done.returncode:
        raise RuntimeError(f"--kubeconfig {kubeconfig}: kubectl {words[0]}: {done.stderr.strip()[-500:]}")
    return done.stdout


def takes_pods(node):
    """Ready, and neither cordoned nor tainted against pods that tolerate nothing."""
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in node["status"].get("conditions", []))
    spec = node.get("spec", {})
    return ready and not spec.get("unschedulable") and all(t["effect"] == "PreferNoSchedule" for t in spec.get("taints", []))


def require_nodes(kubeconfig):
    """Pods are bound to nodes: without one, nothing that is waited for would ever come."""
    nodes = json.loads(kubectl(kubeconfig, "get", "nodes", "--output=json", "--request-timeout=10s"))["items"]
    if not any(takes_pods(node) for node in nodes):
        raise RuntimeError(
            f"--kubeconfig {kubeconfig}: expected a node that is ready and takes pods, found {len(nodes)} nodes and none that does: "
            "join one (e.g. a KWOK node), or leave --kubeconfig out to measure without a stock cluster")


def stock_rate(kubeconfig, pods, report):
    """Pods that the cluster's own scheduler binds in a second, from kubectl's first creation to the last binding; they are
    deleted afterwards. None, with a note, when they are not all bound within 300 s."""
    name = f"swiftlet-bench-{os.getpid()}"
    spec = {"containers": [{"name": "main", "image": "registry.k8s.io/pause:3.9", "resources": {"requests": {"cpu": "1m", "memory": "1Mi"}}}]}
    items = [{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"pod-{i}", "namespace": name}, "spec": spec} for i in range(min(pods, TOO_MANY))]
    kubectl(kubeconfig, "create", "namespace", name)
    try:
        begin = time.monotonic()
        kubectl(kubeconfig, "create", "-f", "-", input=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
        while time.monotonic() - begin < 300:
            left = kubectl(kubeconfig, "get", "pods", "-n", name, "--field-selector=spec.nodeName=", "-o", "name").split()
            if not left:
                return len(items) / (time.monotonic() - begin)
            time.sleep(0.2)
        report.notes.append(f"--kubeconfig: {len(left)} of {len(items)} pods were not bound within 300 s (do they fit on its nodes?): no stock rate")
        return None
    finally:
        subprocess.run(["kubectl", f"--kubeconfig={kubeconfig}", "delete", "namespace", name, "--wait=false"], capture_output=True)
