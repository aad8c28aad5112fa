"""Area `master`: design targets of the API server and its store. Parts: start, load, latency, watch, idle, memory, nodes.

The master is a release process of its own with a state directory under .build/bench; the load client (swiftlet-bench) shares the
machine's cores with it. Beside it, in the same run, Debian's etcd takes durable writes of the same size from as many clients
through its own gRPC API without TLS; with --kubeconfig FILE the same client also drives that server (a stock kube-apiserver)."""
import os
import shutil
import subprocess
import tempfile

from master import etcd
from master.server import Client, Given, Master

CLIENTS = 32
NODES_SECONDS = 300  # for one size of the simulated clusters
PARTS = ["start", "load", "latency", "watch", "idle", "memory", "nodes"]


def programs(options):
    directory = options.bin or os.path.join(options.source, ".build", "release")
    found = {}
    for name in ("swiftlet", "swiftlet-bench"):
        path = os.path.join(directory, name)
        if not os.path.exists(path):
            print(f"bench: building {name} in release mode (minutes)", flush=True)
            if options.bin or subprocess.run([os.path.join(options.source, "Scripts/release"), name]).returncode:
                raise RuntimeError(f"no {name} in {directory}")
        found[name] = path
    return found["swiftlet"], found["swiftlet-bench"]


class Lab:
    """The directory of a run, and the numbers of the objects made so far."""

    def __init__(self, options):
        self.directory = os.path.join(options.source, ".build", "bench", f"master.{os.getpid()}")
        self.swiftlet, self.client = programs(options)
        self.seconds = 2 if options.quick else 6
        self.quick = options.quick
        self.masters = 0
        os.makedirs(self.directory)

    def master(self):
        self.masters += 1
        return Master(self.swiftlet, os.path.join(self.directory, f"m{self.masters}"))

    def remove(self):
        shutil.rmtree(self.directory, ignore_errors=True)


def measure_start(lab, report):
    master = lab.master()
    try:
        first = master.start()  # makes keys and the database
        idle = master.settled_mib()
        master.stop()
        again = min(master.start() for _ in range(3) if not master.stop())
    finally:
        master.remove()
    report.limit("start to serving, first time (makes keys)", first * 1000, 500, "ms")
    report.limit("start to serving, empty", again * 1000, 500, "ms")
    report.limit("resident memory, idle", idle, 40, "MiB")


def measure_load(lab, report, given):
    master = lab.master()
    try:
        master.start()
        ours = load_figures(lab, Client(lab.client, master))
    finally:
        master.remove()
    reference = of_given(lab, given, load_figures)
    put = etcd.measure(lab.client, lab.directory, CLIENTS, lab.seconds)
    rows = [load_row(f"master: {name}", figures) for name, figures in ours.items()]
    rows += [load_row(f"given server: {name}", figures) for name, figures in reference.items()]
    if put:
        rows.append(load_row("etcd: Put over gRPC, no TLS", put))
    else:
        report.notes.append("etcd is not there (Scripts/setup --peers unpacks Debian's): no reference for durable writes")
    report.table(f"{CLIENTS} clients in a closed loop, pods of 3.7 KB", ["request", "per second", "p50 ms", "p99", "server CPU us"], rows)
    stock = reference.get("create", {}).get("per_second")
    report.at_least("durable creates per second, 32 clients over HTTPS", ours["create"]["per_second"], 5000, "1/s", stock or (put or {}).get("per_second"),
                    "given server" if stock else "etcd Put")
    return ours


def of_given(lab, given, figures):
    """What the same client measures at the server of --kubeconfig; what it makes there is taken away again."""
    if not given:
        return {}
    client = Client(lab.client, Given(given))
    try:
        return figures(lab, client)
    finally:
        client("clean")


def load_figures(lab, client):
    client("prepare")
    client("load", operation="create", connections=CLIENTS, seconds=1, prefix="warm")
    figures = {"create": client("load", operation="create", connections=CLIENTS, seconds=lab.seconds)}
    known = min(1000, figures["create"]["done"] - 100)
    for operation in ("get", "status"):
        figures[operation] = client("load", operation=operation, connections=CLIENTS, seconds=lab.seconds, known=known)
    for operation, result in figures.items():
        if result["failed"]:
            raise RuntimeError(f"{operation}: {result['failed']} requests failed, first: {result.get('first_failure')}")
    return figures


def load_row(name, figures):
    cpu = figures.get("server_cpu_us")
    return [name, f"{figures['per_second']:.0f}", f"{figures['ms']['p50']:.2f}", f"{figures['ms']['p99']:.2f}", f"{cpu:.0f}" if cpu else "-"]


def measure_latency(lab, report, given):
    master = lab.master()
    try:
        master.start()
        ours = latency_figures(lab, Client(lab.client, master))
        half = half_load(lab, Client(lab.client, master))
    finally:
        master.remove()
    reference = of_given(lab, given, latency_figures)
    rows = []
    for name, figures in [(f"master: {n}", f) for n, f in ours.items()] + [(f"given server: {n}", f) for n, f in reference.items()]:
        rows.append([name] + [f"{figures[part]:.2f}" for part in ("p50", "p90", "p99")])
    rows += [[f"master at half load: {name} ({rate:.0f}/s)", f"{ms['p50']:.2f}", f"{ms['p90']:.2f}", f"{ms['p99']:.2f}"] for name, (rate, ms) in half.items()]
    report.table("One request at a time, milliseconds; and all 32 connections at half of what they reach", ["request", "p50", "p90", "p99"], rows)
    for name, bound in (("get", 0.5), ("create", 1.5), ("status patch", 1.5), ("create to another client's watch event", 1.5)):
        report.limit(f"{name}, p50", ours[name]["p50"], bound, "ms", reference.get(name, {}).get("p50"), "given server" if reference else "")
    for name, (_, ms) in half.items():
        report.limit(f"{name} at half load, p99", ms["p99"], 10, "ms")


def latency_figures(lab, client):
    client("prepare")
    client("load", operation="create", connections=CLIENTS, count=1200, seconds=30)
    return {
        "get": client("load", operation="get", connections=1, seconds=lab.seconds)["ms"],
        "create": client("load", operation="create", connections=1, seconds=lab.seconds, prefix="one")["ms"],
        "status patch": client("load", operation="status", connections=1, seconds=lab.seconds)["ms"],
        "create to another client's watch event": client("event", count=100 if lab.quick else 500),
    }


def half_load(lab, client):
    """operation -> (requests a second, latencies); half of what a closed loop reached just before."""
    figures = {}
    for name, operation in (("get", "get"), ("create", "create"), ("status patch", "status")):
        full = client("load", operation=operation, connections=CLIENTS, seconds=lab.seconds, prefix="p" if operation != "create" else "full")
        rate = full["per_second"] / 2
        half = client("load", operation=operation, connections=CLIENTS, seconds=lab.seconds, rate=int(rate), prefix="p" if operation != "create" else "half")
        figures[name] = (rate, half["ms"])
    return figures


def measure_watch(lab, report):
    master = lab.master()
    watchers, events = (200, 100) if lab.quick else (1000, 1000)
    rows = []
    try:
        master.start()
        client = Client(lab.client, master)
        client("prepare")
        shown = {}
        for gzip in ("no", "yes"):
            for window in (1, 32, 256):
                figures = client("fanout", watchers=watchers, events=events if window > 1 else events // 4, window=window, gzip=gzip,
                                 first=window * 100_000 + (50_000 if gzip == "yes" else 0))
                rows.append(["gzip" if gzip == "yes" else "as it is", window, f"{figures['deliveries_per_second']:.0f}",
                             f"{figures['deliveries_per_cpu_second']:.0f}", f"{figures['wire_bytes_per_delivery']:.0f}"])
                if window == 32:
                    shown[gzip] = figures
    finally:
        master.remove()
    report.table(f"{watchers} watchers over TLS, {shown['no']['bytes_per_delivery']:.0f} bytes a delivery; of those that take gzip the first 64 get none",
                 ["stream", "writes ahead of the slowest", "deliveries/s", "per server CPU-second", "bytes on the way"], rows)
    name = f"watch fan-out to {watchers} watchers, deliveries per server CPU-second"
    report.at_least(f"{name}, clients that take gzip", shown["yes"]["deliveries_per_cpu_second"], 500_000, "1/s")
    report.at_least(f"{name}, as it is", shown["no"]["deliveries_per_cpu_second"], 500_000, "1/s")


def measure_idle(lab, report):
    master = lab.master()
    count = 1000 if lab.quick else 10_000
    try:
        master.start()
        client = Client(lab.client, master)
        client("prepare")
        client("load", operation="create", connections=CLIENTS, count=200, seconds=10)
        master.settled_mib()  # what the start and these requests have left behind is not the connections'
        figures = client("watches", watchers=count, settle=12, seconds=5)
    finally:
        master.remove()
    report.limit(f"memory per connection, {count} idle watches over TLS", figures["kib_per_connection"], 16, "KiB")
    report.limit(f"{count} idle watches: CPU", figures["idle_cpu_percent"], 2, "%")
    if figures["closed"]:
        raise RuntimeError(f"{figures['closed']} of {count} idle watches were closed")


def measure_memory(lab, report):
    master = lab.master()
    pods = 5_000 if lab.quick else 100_000
    try:
        master.start()
        client = Client(lab.client, master)
        client("prepare")
        client("load", operation="create", connections=CLIENTS, count=pods, seconds=600)
        after_load = master.settled_mib()
        master.stop()
        seconds = master.start()
        resident = master.settled_mib()
    finally:
        master.remove()
    report.limit(f"resident memory, {pods} pods of 3.7 KB (right after they were made)", after_load, 700, "MiB")
    report.limit(f"resident memory, {pods} pods of 3.7 KB (after a restart)", resident, 700, "MiB")
    report.limit(f"start to serving, {pods} objects", seconds * 1000, 5000, "ms")


NODE_COLUMNS = ["cluster", "all registered, s", "master CPU us/node", "pods/s", "master CPU us/pod", "master idle CPU %", "resident MiB"]


def measure_nodes(lab, report):
    """Each row is shown as it comes: the largest takes minutes."""
    sizes = [(50, 1000)] if lab.quick else [(50, 5_000), (100, 10_000), (5_000, 10_000)]
    rows = []
    for nodes, pods in sizes:
        rows.append(nodes_row(lab, report, nodes, pods))
        print("; ".join(f"{name} {value}" for name, value in zip(NODE_COLUMNS, rows[-1])), flush=True)
    report.table("Simulated nodes: agents over a fake runtime, pods bound at creation, each to Running and Succeeded", NODE_COLUMNS, rows)


def nodes_row(lab, report, nodes, pods):
    master = lab.master()
    # The agents' files are in memory where that can be: the disk is the master's, and real nodes have their own.
    files = tempfile.mkdtemp(prefix="swiftlet-bench-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else lab.directory)
    try:
        master.start()
        figures = Client(lab.client, master)("nodes", nodes=nodes, pods=pods, directory=files, limit=NODES_SECONDS, timeout=NODES_SECONDS + 30)
        resident = master.settled_mib()
    finally:
        master.remove()
        shutil.rmtree(files, ignore_errors=True)
    if nodes == 50:
        report.limit(f"resident memory, {pods} pods and 50 nodes", resident, 80, "MiB")
    return [f"{nodes} nodes, {pods} pods", f"{figures['register_seconds']:.2f}", f"{figures['server_cpu_us_per_node']:.0f}",
            f"{figures['pods_per_second']:.0f}", f"{figures['server_cpu_us_per_pod']:.0f}", f"{figures['server_idle_percent']:.1f}", f"{resident:.0f}"]


def run(options, report):
    parts = options.only.split(",") if options.only else PARTS
    unknown = [part for part in parts if part not in PARTS]
    if unknown:
        raise RuntimeError(f"--only {','.join(unknown)}: expected {', '.join(PARTS)}")
    lab = Lab(options)
    try:
        if "start" in parts:
            measure_start(lab, report)
        if "load" in parts:
            measure_load(lab, report, options.kubeconfig)
        if "latency" in parts:
            measure_latency(lab, report, options.kubeconfig)
        if "watch" in parts:
            measure_watch(lab, report)
        if "idle" in parts:
            measure_idle(lab, report)
        if "memory" in parts:
            measure_memory(lab, report)
        if "nodes" in parts:
            measure_nodes(lab, report)
    finally:
        lab.remove()
