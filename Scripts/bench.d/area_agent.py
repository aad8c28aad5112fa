"""Area `agent`: pods through the master and one node of this machine, as a client sees them."""
import os
import shutil
import signal
import statistics
import subprocess
import time

import pods


def percentile(values, part):
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


def start(program, directory):
    """A cluster of one node; its process, and what makes connections to its master."""
    log = open(os.path.join(directory, "log"), "wb")
    up = subprocess.Popen([program, "up", "--state", directory, "--domains", "alice", "--port", "0"], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    deadline = time.monotonic() + 60
    kubeconfig = os.path.join(directory, "kubeconfig")
    while time.monotonic() < deadline and up.poll() is None:
        if os.path.exists(kubeconfig):
            nodes = subprocess.run([program, "get", "nodes", "--kubeconfig", kubeconfig], capture_output=True, text=True)
            if "Ready" in nodes.stdout.replace("NotReady", ""):
                return up, pods.connect(kubeconfig)
        time.sleep(0.2)
    up.send_signal(signal.SIGINT)
    up.wait(timeout=60)
    raise RuntimeError(f"no node was ready within 60 s: {open(log.name).read()[-500:]}")


def run(options, report):
    program = os.path.join(options.bin or os.path.join(options.source, ".build", "release"), "swiftlet")
    if not os.path.exists(program):
        print("bench: building swiftlet in release mode (minutes)", flush=True)
        if options.bin or subprocess.run(["swift", "build", "-c", "release"], cwd=options.source).returncode:
            raise RuntimeError(f"no {program}")
    directory = os.path.join(options.source, ".build", "bench", f"agent.{os.getpid()}")
    os.makedirs(directory)
    up = None
    try:
        up, new = start(program, directory)
        pods.measure(new, "alice", 3)  # warm
        figures = pods.measure(new, "alice", options.rounds)
    finally:
        if up:
            up.send_signal(signal.SIGINT)
            up.wait(timeout=120)
        shutil.rmtree(directory, ignore_errors=True)
    rows = []
    for name, seconds in zip(("create to Running", "create to Succeeded"), zip(*figures)):
        ms = [value * 1000 for value in seconds]
        rows.append([name, f"{min(ms):.1f}", f"{statistics.median(ms):.1f}", f"{percentile(ms, 0.9):.1f}", f"{percentile(ms, 0.99):.1f}"])
    report.table(f"One pod of /bin/true after the other, {options.rounds} rounds", ["ms", "min", "median", "p90", "p99"], rows)
    report.limit("create to Succeeded, p50", statistics.median(ms), 15, "ms")
    report.limit("create to Succeeded, p99", percentile(ms, 0.99), 50, "ms")
