"""The leak test: launch and kill, again and again, under load; afterwards the node must hold what it held before."""
import concurrent.futures
import json
import os
import shutil
import subprocess
import sys
import time

import machine
import plan as plans
import sandboxes
from setup_lab import wait_for

PARALLEL = 4
# A tree that does not go by itself: a child in a session of its own, SIGTERM ignored.
TREE = ["/bin/sh", "-c", "trap '' TERM; (setsid sleep 600 &) ; sleep 600 & wait"]
KERNEL_OBJECTS = ["mnt_cache", "net_namespace", "pid_namespace", "uts_namespace", "user_namespace", "mnt_namespace", "task_struct", "cred",
                  "kernfs_node_cache"]


def kernel_objects():
    """Active objects of the kernel's own caches, by name, and how far off that may be; empty where slabinfo is not to be had.

    Free objects in the slabs that each CPU keeps at hand count as active: eight slabs is what two CPUs hold of these. A leak of
    one object a cycle stands out of that in the long test; processes, mounts, cgroups and namespaces are counted exactly in both."""
    rows = [line.split() for line in machine.read("/proc/slabinfo").decode().splitlines()[2:]]
    return {row[0]: (int(row[1]), 8 * int(row[4])) for row in rows if row and any(row[0].startswith(name) for name in KERNEL_OBJECTS)}


class Cycle(sandboxes.Launcher):
    """(a) the command launcher: supervise, kill --grace 0, until the record says `exited`."""

    name = "leak-launcher"

    def one(self, number):
        state = os.path.join(self.lab.targets.dir, f"{self.name}-{number}")
        os.makedirs(os.path.join(state, "rootfs"))
        plan = self.base(state)
        plan.arguments = TREE
        path = os.path.join(state, "plan")
        with open(path, "w") as file:
            file.write(plan.text())
        self.launch(path, state)
        # Half of them are killed at once, half when the tree stands.
        if number % 2:
            time.sleep(0.02)
        self.end(state)
        ended = wait_for(lambda: self.phase(state) == "exited", 10)
        for directory in [text.split(" ")[3] for text in plan.lines if text.startswith("cgroup 1 ")]:
            wait_for(lambda: self.removed(directory), 5)
        shutil.rmtree(state)
        if not ended:
            raise RuntimeError(f"cycle {number} did not end")

    def launch(self, path, state):
        subprocess.run([self.lab.launcher, "supervise", "--plan", path, "--state-dir", state], stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True, timeout=30)

    def end(self, state):
        subprocess.run([self.lab.launcher, "kill", "--state-dir", state, "--grace", "0"], check=False, timeout=30)

    @staticmethod
    def phase(state):
        try:
            with open(os.path.join(state, "state.json")) as file:
                return json.load(file)["phase"]
        except (OSError, ValueError):
            return None

    @staticmethod
    def removed(directory):
        try:
            os.rmdir(directory)
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return True


class OCICycle:
    """(c) the OCI runtime: create, start, kill, delete."""

    name = "leak-oci"

    def __init__(self, lab):
        self.lab, self.sandbox = lab, sandboxes.OCI(lab)

    def available(self):
        return self.sandbox.available()

    def one(self, number):
        lab = self.lab
        bundle = os.path.join(lab.targets.dir, f"{self.name}-{number}")
        for name in ("proc", "sys", "dev", "tmp", "usr", "lib64", "attack", "readonly"):
            os.makedirs(os.path.join(bundle, "rootfs", name), exist_ok=True)
        for name in ("bin", "lib"):
            os.symlink("usr/" + name, os.path.join(bundle, "rootfs", name))
        config = self.sandbox.config(["x"])
        config["process"]["args"] = TREE
        config["mounts"] += [{"destination": d, "type": "bind", "source": s, "options": ["rbind", "ro"]} for d, s in (("/usr", "/usr"), ("/lib64", "/usr/lib64"))]
        container = f"{lab.targets.magic}-{self.name}-{number}"
        config["linux"]["cgroupsPath"] = "/" + container
        with open(os.path.join(bundle, "config.json"), "w") as file:
            json.dump(config, file)
        root = os.path.join(lab.targets.dir, "oci-state")

        def verb(*words):
            return subprocess.run([lab.oci, "--root", root, *words], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=30)

        made = verb("create", "--bundle", bundle, container)
        if made.returncode:
            raise RuntimeError(f"create answers {made.returncode}")
        if number % 3:
            started = verb("start", container)
            if started.returncode:
                raise RuntimeError(f"cycle {number}: start answers {started.returncode}, expected 0")
        verb("kill", container, "KILL")
        if not wait_for(lambda: verb("delete", container).returncode == 0, 10):
            raise RuntimeError(f"cycle {number}: delete is refused")
        shutil.rmtree(bundle)

    def clean(self):
        pass


def faces(lab):
    import setup_resident  # it needs this module itself
    return [Cycle(lab), setup_resident.ResidentCycle(lab), OCICycle(lab)]


def settle(read, before, slack, seconds):
    """The last reading, taken until it is at most `before` + slack, as the kernel frees some things later."""
    deadline = time.monotonic() + seconds
    while True:
        now = read()
        if now <= before + slack or time.monotonic() > deadline:
            return now
        time.sleep(0.1)


def measure(face, cycles, alone):
    """Runs the cycles of one face; returns rows (what, before, after, good)."""
    if hasattr(face, "begin"):
        face.begin()
    with concurrent.futures.ThreadPoolExecutor(PARALLEL) as pool:  # the first ones make what stays: pools, caches, directories
        list(pool.map(face.one, range(10**6, 10**6 + 6 * PARALLEL)))
    before, objects, counts = machine.Snapshot(), kernel_objects(), machine.cgroup_counts()
    own_before = face.resident() if hasattr(face, "resident") else {}
    started = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(PARALLEL) as pool:
        list(pool.map(face.one, range(cycles)))
    seconds = time.monotonic() - started
    rows = []
    leftovers = []
    for _ in range(30):
        # The children that wait for the next launch were replaced: others, as many.
        spare = {int(pid) for pid in face.server.children()} if hasattr(face, "server") else set()
        leftovers = [line for line in machine.differences(before, face.lab.targets.magic, alone) if not any(f" {pid} " in f"{line} " for pid in spare)
                     and not any(f"by {pid} " in line for pid in spare)]
        if not leftovers:
            break
        time.sleep(0.1)
    rows.append(("processes, mounts, cgroups, namespaces of this run", 0, len(leftovers), not leftovers, "; ".join(leftovers[:2])))
    # The kernel frees in its own time, and others work on this machine: a leak shows as one object a cycle.
    slack = 16 if alone else max(16, cycles // 3)
    for controller in ("memory", "pids", "cpu"):
        if controller in counts:
            after = settle(lambda: machine.cgroup_counts()[controller], counts[controller], slack, 10)
            rows.append((f"num_cgroups of {controller}", counts[controller], after, after <= counts[controller] + slack, ""))
    for name, (value, unsure) in objects.items():
        # Of a group's files all go or several a cycle stay, and the machine has tens of thousands.
        share = cycles if name == "kernfs_node_cache" else value // 4
        allowed = max(slack, cycles // 3) + share + unsure
        after = settle(lambda: kernel_objects().get(name, (0, 0))[0], value, allowed, 10)
        rows.append((f"kernel objects {name}", value, after, after <= value + allowed, ""))
    for name, value in own_before.items():
        allowed = 512 if name.startswith("memory") else 0
        after = settle(lambda: face.resident()[name], value, allowed, 5)
        rows.append((f"the resident launcher's {name}", value, after, after <= value + allowed, ""))
    if hasattr(face, "finish"):
        face.finish()
    return rows, seconds


def run(lab, options):
    cycles = options.cycles or (100 if options.short else 1000)
    # Load beside it: two busy processes at low priority, so that schedules differ.
    busy = [subprocess.Popen(["nice", "-n", "10", sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    report, failed = [], False
    wanted = options.sandboxes.split(",") if options.sandboxes else None
    without = (options.without or "").split(",")
    known = {word for face in faces(lab) for word in (face.name, face.name.removeprefix("leak-"))}
    wrong = [word for word in [*(wanted or []), *without] if word and word not in known]
    if wrong:
        print(f"attack: {', '.join(wrong)}: no face of the leak test has this name, expected one of {', '.join(sorted(known))}",
              file=sys.stderr)
        failed = True
    try:
        for face in faces(lab):
            names = {face.name, face.name.removeprefix("leak-")}
            if names & set(without) or (wanted and not names & set(wanted)):
                continue
            reason = face.available()
            if reason:
                report.append({"face": face.name, "missing": reason + f", expected it to run (or --without {face.name})"})
                failed = True
                continue
            rows, seconds = measure(face, cycles, options.alone)
            failed |= any(not row[3] for row in rows)
            report.append({"face": face.name, "cycles": cycles, "seconds": round(seconds, 1),
                           "rows": [dict(zip(("what", "before", "after", "good", "detail"), row)) for row in rows]})
            face.clean()
    finally:
        for process in busy:
            process.kill()
            process.wait()
    failed |= not report  # no face at all has not leaked, nor been tried
    if options.output == "json":
        json.dump({"passed": not failed, "faces": report}, sys.stdout, indent=1)
        print()
    else:
        for face in report:
            if "missing" in face:
                print(f"{face['face']}: not here: {face['missing']}")
                continue
            print(f"{face['face']}: {face['cycles']} cycles in {face['seconds']} s, {PARALLEL} at a time, under load")
            for row in face["rows"]:
                print(f"  {'ok  ' if row['good'] else 'LEAK'} {row['what']:55} {row['before']:>8} -> {row['after']:<8} {row['detail'][:200]}")
        print(f"attack: {'a leak, or not every face was tried' if failed else 'no leak'} in {cycles} cycles of each face")
    return 1 if failed else 0
