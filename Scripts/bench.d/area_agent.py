"""Area `agent`: pods through the master and one node of this machine, as a client sees them.
Parts: latency, load, rate, exit, memory, restart. Master, agent and this client share the machine's cores.

Every pod is /bin/true or a sleeping shell in the full sandbox (RunP), bound by the master's own scheduler."""
import json
import os
import re
import statistics
import subprocess
import sys
import threading
import time

import pods
from wire import Wire

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "chaos.d"))
from lab import Failed, Lab, eventually  # noqa: E402  (a master and a Lite as processes of a run's own)
from node import text  # noqa: E402

PARTS = ["latency", "load", "rate", "exit", "memory", "restart"]
NAMESPACE = "alice"
BASE = f"/api/v1/namespaces/{NAMESPACE}/pods"
TICKS = os.sysconf("SC_CLK_TCK")


def percentile(values, part):
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


def spread(name, seconds):
    ms = [value * 1000 for value in seconds]
    return [name, f"{min(ms):.1f}", f"{statistics.median(ms):.1f}", f"{percentile(ms, 0.9):.1f}", f"{percentile(ms, 0.99):.1f}"]


class Phases(threading.Thread):
    """When each pod was first seen in each phase."""

    def __init__(self, new):
        super().__init__(daemon=True)
        self.wire, calls = Wire(new), Wire(new)
        _, listed = calls.exchange("GET", BASE + "?limit=1")
        calls.close()
        self.events = self.wire.watch(f"{BASE}?watch=true&resourceVersion={json.loads(listed)['metadata']['resourceVersion']}")
        self.seen, self.changed = {}, threading.Condition()
        self.wanted, self.missing = None, set()
        self.start()

    def run(self):
        try:
            for name, phase in self.events:
                self._see(name, phase, time.perf_counter())
        except (OSError, RuntimeError):
            return

    def _see(self, name, phase, now):
        with self.changed:
            self.seen.setdefault(name, {}).setdefault(phase, now)
            if phase == self.wanted and name in self.missing:
                self.missing.remove(name)
                # Whoever waits is woken once, at the end: to look at a thousand pods with each event took a tenth of the machine.
                if not self.missing:
                    self.changed.notify_all()

    def wait(self, names, phase, seconds):
        """{name: when}; fails when one does not come in time."""
        with self.changed:
            self.wanted, self.missing = phase, {name for name in names if phase not in self.seen.get(name, {})}
            if not self.changed.wait_for(lambda: not self.missing, seconds):
                first = min(self.missing)
                raise RuntimeError(f"{len(self.missing)} of {len(names)} pods were not {phase} within {seconds} s, e.g. {first}: {self.seen.get(first)}")
            return {name: self.seen[name][phase] for name in names}

    def close(self):
        self.wire.shut()


class Creator:
    """Makes pods over connections of its own."""

    def __init__(self, new, connections=1):
        self.wires = [Wire(new) for _ in range(connections)]
        self.when, self.bodies = {}, {}

    def create(self, name, command, wire=0):
        if command[0] not in self.bodies:
            self.bodies[command[0]] = self._body(command)
        body = self.bodies[command[0]].replace(b"NAME", name.encode())
        self.when[name] = time.perf_counter()
        status, content = self.wires[wire].exchange("POST", BASE, body)
        if status != 201:
            raise RuntimeError(f"create {name}: HTTP {status} {content[:300]!r}")

    @staticmethod
    def _body(command):
        body = pods.pod("NAME", NAMESPACE)
        body["spec"]["containers"][0].update(command=command, resources={"limits": {"memory": "32Mi", "cpu": "100m"}})
        return json.dumps(body).encode()

    def all(self, names, command):
        """As fast as the connections carry."""
        failures = []

        def part(number):
            try:
                for name in names[number::len(self.wires)]:
                    self.create(name, command, number)
            except (OSError, RuntimeError) as failure:
                failures.append(failure)
        threads = [threading.Thread(target=part, args=(number,)) for number in range(len(self.wires))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise RuntimeError(f"{failures[0]}")

    def close(self):
        for wire in self.wires:
            wire.close()


TRUE, SLEEP = ["/bin/true"], ["/bin/sleep", "100000"]


def measure_latency(lab, options, report):
    pods.measure(lab.connect, NAMESPACE, 3)  # warm
    running, done = zip(*pods.measure(lab.connect, NAMESPACE, options.rounds))
    report.table(f"One pod of /bin/true after the other, {options.rounds} rounds", ["ms", "min", "median", "p90", "p99"],
                 [spread("create to Running", running), spread("create to Succeeded", done)])
    report.limit("create to Succeeded, p50", statistics.median(done) * 1000, 15, "ms")
    report.limit("create to Succeeded, p99", percentile(done, 0.99) * 1000, 50, "ms")


def measure_load(lab, options, report):
    """100 pods a second, whether or not the former ones are done."""
    seconds, rate = (3 if options.quick else 10), 100
    phases, creator = Phases(lab.connect), Creator(lab.connect, 4)
    names, begun = [f"load{i}" for i in range(rate * seconds)], time.perf_counter()

    def part(number):
        for i in range(number, len(names), 4):
            time.sleep(max(0, begun + i / rate - time.perf_counter()))
            creator.create(names[i], TRUE, number)
    threads = [threading.Thread(target=part, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    done = phases.wait(names, "Succeeded", 60)
    took = [done[name] - creator.when[name] for name in names]
    report.table(f"{rate} pods a second for {seconds} s", ["ms", "min", "median", "p90", "p99"], [spread("create to Succeeded", took)])
    report.limit("create to Succeeded at 100 pods/s, p99", percentile(took, 0.99) * 1000, 1000, "ms")
    creator.close()
    phases.close()
    lab.remove_pods()


def measure_rate(lab, options, report):
    count = 200 if options.quick else 1000
    best, rows = 0, []
    for turn in range(1 if options.quick else 3):
        phases, creator = Phases(lab.connect), Creator(lab.connect, 4)
        names = [f"rate{turn}-{i}" for i in range(count)]
        before = [cpu_seconds(process.pid) for process in (lab.lite, lab.master)]
        begun = time.perf_counter()
        creator.all(names, TRUE)
        created = time.perf_counter()
        done = phases.wait(names, "Succeeded", 120)
        seconds = max(done.values()) - begun
        spent = [(cpu_seconds(process.pid) - was) * 1000 / count for process, was in zip((lab.lite, lab.master), before)]
        rows.append([f"{count} pods", f"{count / (created - begun):.0f}", f"{count / seconds:.0f}", f"{spent[0]:.2f}", f"{spent[1]:.2f}"])
        best = max(best, count / seconds)
        creator.close()
        phases.close()
        lab.remove_pods(120)
    report.table("As fast as they go: created, bound, started, ended, told", ["", "created/s", "finished/s", "agent CPU ms/pod", "master CPU ms/pod"], rows)
    report.at_least("pods start-to-finish per second, one node, master included", best, 250, "1/s")


def measure_exit(lab, options, report):
    """A task is killed on the machine: until its end is seen through the master."""
    count = options.rounds
    phases, creator = Phases(lab.connect), Creator(lab.connect)
    names = [f"exit{i}" for i in range(count)]
    creator.all(names, SLEEP)
    phases.wait(names, "Running", 60)
    uids = {name: pod["metadata"]["uid"] for name, pod in lab.pods().items()}
    tasks = {name: lab.node.task(uids[name])[0] for name in names}
    took = []
    for name in names:
        begun = time.perf_counter()
        os.kill(tasks[name], 9)
        took.append(phases.wait([name], "Failed", 20)[name] - begun)
    report.table(f"Exit to status at the master, {count} tasks killed one after the other", ["ms", "min", "median", "p90", "p99"], [spread("exit to Failed", took)])
    report.limit("exit to status at the master, p99", percentile(took, 0.99) * 1000, 50, "ms")
    creator.close()
    phases.close()
    lab.remove_pods()


def status_mib(pid, field="VmRSS"):
    return next(int(line.split()[1]) / 1024 for line in text(f"/proc/{pid}/status").splitlines() if line.startswith(field))


def cpu_seconds(pid):
    """User and system time of the process and of the children that it reaped."""
    fields = text(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return sum(int(field) for field in fields[11:15]) / TICKS


def pss_kib(pid):
    found = re.search(r"^Pss:\s+(\d+)", text(f"/proc/{pid}/smaps_rollup"), re.MULTILINE)
    return int(found.group(1)) if found else 0


def measure_memory(lab, options, report):
    """A Lite of its own life: 0, 100 and 500 sleeping pods; memory and CPU at rest."""
    lab.lite.stop()
    lab.lite.start()
    lab.wait_ready()
    wait, rows, made = (5 if options.quick else 20), [], 0
    phases, creator = Phases(lab.connect), Creator(lab.connect, 4)
    for count, bound in ((0, 30), (100, 45), (500, 80)):
        names = [f"memory{i}" for i in range(made, count)]
        creator.all(names, SLEEP)
        phases.wait(names, "Running", 120)
        made = count
        time.sleep(3)  # what follows the last status
        before = cpu_seconds(lab.lite.pid)
        time.sleep(wait)
        cpu = (cpu_seconds(lab.lite.pid) - before) / wait * 100
        resident = status_mib(lab.lite.pid)
        supervisors = [pss_kib(pid) for pid in lab.node.supervisors()]
        rows.append([f"{count} pods", f"{resident:.1f}", f"{status_mib(lab.lite.pid, 'RssAnon'):.1f}", f"{cpu:.2f}",
                     f"{statistics.mean(supervisors):.0f}" if supervisors else "-"])
        report.limit(f"agent's resident memory, {count} pods", resident, bound, "MiB")
        if count == 0:
            report.limit("idle CPU of the agent", cpu, 0.5, "%")
    report.table(f"The agent at rest ({wait} s each)", ["", "resident MiB", "anonymous MiB", "CPU %", "KiB (PSS) per supervisor"], rows)
    creator.close()
    phases.close()
    lab.remove_pods(120)


def measure_restart(lab, options, report):
    """kill -9 with 200 running pods; from the next start until a pod that was bound meanwhile runs: everything else was adopted before."""
    count, turns = (50, 1) if options.quick else (200, 5)
    phases, creator = Phases(lab.connect), Creator(lab.connect, 4)
    names = [f"restart{i}" for i in range(count)]
    creator.all(names, SLEEP)
    phases.wait(names, "Running", 120)
    uids = {name: pod["metadata"]["uid"] for name, pod in lab.pods().items()}
    before = {name: lab.node.task(uids[name]) for name in names}
    took = []
    for turn in range(turns):
        lab.lite.kill()
        creator.create(f"after{turn}", SLEEP)
        eventually("the pod is bound", lambda: (lab.pod(f"after{turn}") or {"spec": {}})["spec"].get("nodeName"), 20)  # noqa: B023
        begun = time.perf_counter()
        lab.lite.start()
        took.append(phases.wait([f"after{turn}"], "Running", 60)[f"after{turn}"] - begun)
    restarted = sum(lab.node.task(uids[name]) != before[name] for name in names)
    report.table(f"kill -9 of the agent with {count} running pods, {turns} times", ["ms", "min", "median", "p90", "p99"],
                 [spread("start to a new pod Running", took)])
    report.limit(f"restart with {count} running pods to full knowledge (and a new pod Running)", max(took) * 1000, 1000, "ms")
    report.limit(f"restart with {count} running pods: restarted", restarted, 0, "pods")
    creator.close()
    phases.close()
    lab.remove_pods(120)


def run(options, report):
    program = os.path.join(options.bin or os.path.join(options.source, ".build", "release"), "swiftlet")
    if not os.path.exists(program):
        print("bench: building swiftlet in release mode (minutes)", flush=True)
        if options.bin or subprocess.run([os.path.join(options.source, "Scripts/release")]).returncode:
            raise RuntimeError(f"no {program}")
    parts = options.only.split(",") if options.only else PARTS
    unknown = [part for part in parts if part not in PARTS]
    if unknown:
        raise RuntimeError(f"--only {','.join(unknown)}: expected {', '.join(PARTS)}")
    directory = os.path.join(options.source, ".build", "bench")
    os.makedirs(directory, exist_ok=True)
    lab = Lab(os.path.abspath(program), capacity=2000, parent=directory)
    try:
        lab.start()
        for part in PARTS:
            if part in parts:
                globals()[f"measure_{part}"](lab, options, report)
    except Failed as failure:
        raise RuntimeError(f"{failure}\n{lab.lite.tail()}") from failure
    finally:
        lab.close()
