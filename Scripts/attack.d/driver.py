"""Runs the attacks, judges the answers, prints the table. The verdict is about our own sandboxes only."""
import concurrent.futures
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time

import machine
import plan as plans
import sandboxes
import targets

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
FAMILIES = ["escape", "kernel", "read", "network", "signal", "confuse", "persist"]
LETTER = {"open": "X", "blocked": ".", "contained": "c", "absent": "-", "error": "?", "not-run": " ", "by-request": "n"}
COLOUR = {"X": "\033[31mX\033[0m", "c": "\033[33mc\033[0m", ".": "\033[32m.\033[0m", "?": "\033[35m?\033[0m"}


class Lab:
    """One run's places, programs and ids."""

    def __init__(self, options):
        self.root, self.options, self.lock, self.specification = ROOT, options, threading.Lock(), None
        self.short_id = f"{os.getpid()}-{secrets.token_hex(2)}"
        self.targets = targets.Targets(HERE, self.short_id)
        # A range of host ids that no pod of an agent on this machine has (RunP begins at 0x40000000).
        self.id_start = 0x68000000 + (os.getpid() % 1024) * 65536
        self.bin = options.bin
        self.launcher = self.find("swiftlet-sandbox") or self.build_launcher()
        self.swiftlet, self.oci = self.find("swiftlet"), self.find("swiftlet-oci")
        self.run_refusal = {rootless: self.check_run(rootless) for rootless in (False, True)} if self.swiftlet else {}
        self.filter = self.explained_filter() or plans.filter_program(os.path.join(ROOT, "Sandbox/Profiles/runtime-default.json"))
        self.docker_profile = next((p for p in ("/usr/share/containers/seccomp.json", "/etc/docker/seccomp.json") if os.path.exists(p)),
                                   os.path.join(ROOT, "Sandbox/Profiles/runtime-default.json"))

    def find(self, name):
        places = [self.bin] if self.bin else [os.path.join(ROOT, ".build", kind) for kind in ("release", "debug")]
        there = [path for path in (os.path.join(place, name) for place in places) if os.access(path, os.X_OK)]
        if not there:
            return None
        # A copy of the newest: attacks on the launcher's own file must not reach the build, and another user may read it.
        copy = os.path.join(self.targets.dir, name)
        shutil.copy(max(there, key=os.path.getmtime), copy)
        os.chmod(copy, 0o755)
        return copy

    def build_launcher(self):
        """The launcher is plain C: where nothing is built yet, it is built here."""
        into = os.path.join(self.targets.dir, "swiftlet-sandbox")
        directory = os.path.join(ROOT, "Sandbox/launcher")
        sources = [os.path.join(directory, n) for n in sorted(os.listdir(directory)) if n.endswith(".c")]
        done = subprocess.run(["cc", "-O2", "-static", "-o", into, *sources], capture_output=True, text=True)
        if done.returncode:
            print("attack: the launcher does not compile:\n" + done.stderr[:2000], file=sys.stderr)
            return None
        return into

    def explained_filter(self):
        """The default profile as our own compiler makes it; without `swiftlet`, libseccomp is asked directly."""
        if not self.swiftlet:
            return None
        done = subprocess.run([self.swiftlet, "run", "--explain", "--json", "--", "/bin/true"], capture_output=True, text=True, timeout=30)
        try:
            found = [o["arguments"] for o in json.loads(done.stdout)["operations"] if o["operation"] == "seccomp"]
        except (ValueError, KeyError):
            return None
        return found[0][0] if len(found) == 1 and not any("notify" in word for word in found[0]) and self.plain(found[0][0]) else None

    @staticmethod
    def plain(program):
        """Whether no answer is left to a listener: a plan without `denials` has none."""
        actions = {int.from_bytes(bytes.fromhex(program[at + 8:at + 16]), "little") for at in range(0, len(program), 16) if program[at:at + 4] == "0600"}
        return 0x7FC00000 not in actions

    def check_run(self, rootless):
        """Why `swiftlet run` does not run anything at all, as root or as an ordinary user; None when it does."""
        words = [*(sandboxes.ORDINARY if rootless else []), self.swiftlet, "run"]
        done = subprocess.run([*words, "--", "/bin/true"], capture_output=True, text=True, timeout=30)
        if done.returncode == 0:
            return None
        return "swiftlet run does not run: " + (done.stderr.strip().splitlines() or ["status %d" % done.returncode])[0][:120]


def catalogue(lab):
    """name -> (family, severity, control, what, want), in the program's order."""
    text = subprocess.run([lab.targets.probe, "--list"], capture_output=True, text=True, check=True).stdout
    return {cells[0]: cells[1:] for cells in (row.split("\t") for row in text.splitlines())}


def chosen(options, probes):
    wanted = options.only.split(",") if options.only else None
    return [n for n, row in probes.items() if not wanted or n in wanted or row[0] in wanted]


def attack_programs(lab, sandbox, names, probes):
    """All but the resource attacks, in one run of the sandbox."""
    plain = [n for n in names if probes[n][0] != "exhaust"]
    if not plain:
        return {}
    done = sandbox.run(plain, 120)
    progress(done.seconds, sandbox.name, "programs")
    found = {n: done.lines.get(n, ("error", "no answer: " + " ".join(done.text.split())[-100:])) for n in plain}
    for name in sandbox.exempt & found.keys():
        if found[name][0] == "open":
            found[name] = ("by-request", found[name][1])
    return found


def progress(seconds, *words):
    """For whoever looks for a slow one: ATTACK_PROGRESS=1 tells each run's time on stderr."""
    if os.environ.get("ATTACK_PROGRESS"):
        print(f"{seconds:6.1f} {' '.join(words)}", file=sys.stderr, flush=True)


def attack_resource(lab, sandbox, name):
    """One resource attack in a sandbox of its own; what the program says counts, and what the driver sees from outside."""
    limit = 2 if name == "hang-term" else None
    done = sandbox.run([name, "tag-" + sandbox.name], 25, limit)  # the program knows no such name: only to be recognised by
    progress(done.seconds, sandbox.name, name)
    verdict, detail = done.lines.get(name, ("error", done.text.strip()[-200:]))
    if verdict in ("started", "error") and done.code in (137, -9, 265):
        verdict, detail = "contained", f"ended by SIGKILL after {done.seconds:.1f} s"
    elif verdict == "started":
        verdict, detail = ("open", "still there") if done.late and not limit else ("error", f"status {done.code}: {done.text[-100:]}")
    if name == "hang-term":
        stopped = done.seconds < 16 and verdict != "open" and not survivors(lab, name, sandbox.name)
        verdict, detail = ("contained" if stopped else "open", f"ended after {done.seconds:.1f} s, status {done.code}")
    if name == "output":
        verdict, detail = ("contained" if done.kept <= 4 * sandboxes.LOG else "open", f"{done.kept >> 10} KiB kept of 64 MiB")
    if name == "daemonize":
        stays = survivors(lab, name, sandbox.name)
        verdict, detail = ("open", f"{len(stays)} processes stay") if stays else ("contained", "no descendant survives")
    if name == "negative-dentries" and not sandbox.limited and verdict == "contained":
        verdict = "open" if not sandbox.rootless or not sandbox.ours else "contained"
    return verdict, detail


def survivors(lab, name, tag):
    """Processes that this attack left, by command line and mounts; given a moment, as death is not instant. Ends them."""
    found, words = [], f"/attack/context\0sandbox\0{name}\0tag-{tag}\0".encode()
    for _ in range(10):
        found = [p for p in machine.processes() if words in machine.read(f"/proc/{p}/cmdline")
                 and lab.targets.magic.encode() in machine.read(f"/proc/{p}/mountinfo")]
        if not found:
            break
        time.sleep(0.05)
    for pid in found:
        os.kill(pid, 9)
    return found


def attack_all(lab, columns, names, probes):
    results = {c.name: {} for c in columns}
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        jobs = {pool.submit(attack_programs, lab, c, names, probes): c for c in columns}
        for job, column in jobs.items():
            results[column.name].update(job.result())
    heavy = [n for n in names if probes[n][0] == "exhaust"]
    subjects = [c for c in columns if c.name != "none" and (c.ours or not lab.options.short)]
    lone = [n for n in heavy if n == "cpu"]  # its share is measured by itself
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        jobs = [(c, n, pool.submit(attack_resource, lab, c, n)) for c in subjects for n in heavy if n not in lone]
        for column, name, job in jobs:
            results[column.name][name] = job.result()
    for column in subjects:
        for name in lone:
            results[column.name][name] = attack_resource(lab, column, name)
    return results


def judge(lab, columns, results, probes):
    """Lines for everything that is open, or gave no answer, in our own sandboxes."""
    found = []
    for column in (c for c in columns if c.ours):
        for name, (verdict, detail) in results[column.name].items():
            if verdict in ("open", "error", "started"):
                found.append((column.name, name, probes[name][1], verdict, detail))
    weaker = results.get("oci-spec", {})
    for name, (verdict, detail) in weaker.items():
        # The same bundle: whatever runc blocks there, we block.
        if verdict == "open" and results.get("runc-spec", {}).get(name, ("open",))[0] in ("blocked", "contained"):
            found.append(("oci-spec", name, probes[name][1], "open", detail + " (runc blocks it)"))
    return found


def table(columns, results, probes, names):
    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    keys = "ABCDEFGHIJKLMNOP"
    print("X open, . blocked, c contained, - nothing there to attack, n shared on request, ? no answer, blank not run\n")
    for key, column in zip(keys, columns):
        print(f"   {key} = {column.name}{' (ours)' if column.ours else ''}")
    print(f"\n{'attack':21} {'family':8} s  " + " ".join(keys[:len(columns)]))
    for name in names:
        cells = [LETTER.get(results[c.name].get(name, ("not-run",))[0], "?") for c in columns]
        print(f"{name:21} {probes[name][0]:8} {probes[name][1]}  " + " ".join(COLOUR.get(c, c) if colour else c for c in cells))
    print()
    for column in columns:
        rows = results[column.name]
        count = lambda v: sum(1 for r in rows.values() if r[0] == v)
        severe = {s: sum(1 for n, r in rows.items() if r[0] == "open" and probes[n][1] == s) for s in "CMI"}
        print(f"{column.name:13} {len(rows):4} attempts: {count('blocked'):3} blocked, {count('contained'):3} contained, {count('absent'):2} nothing there, "
              f"{count('by-request')} on request, open: critical {severe['C']}, hardening {severe['M']}, information {severe['I']}")


def markdown(probes):
    print("| attack | family | severity | what is tried | a good answer | also run unconfined |\n|---|---|---|---|---|---|")
    for name, (family, severity, control, what, want) in probes.items():
        print(f"| `{name}` | {family} | {severity} | {what} | {want} | {'yes' if control == 'run' else 'no'} |")
    return 0


def run(options):
    if options.list:
        lab_dir = os.path.join("/tmp", f"attack-list-{os.getpid()}")
        targets.compile_probe(HERE, lab_dir)
        try:
            text = subprocess.run([lab_dir, "--list"], capture_output=True, text=True, check=True).stdout
            return markdown({r.split("\t")[0]: r.split("\t")[1:] for r in text.splitlines()})
        finally:
            os.unlink(lab_dir)
    if os.getuid() != 0:
        print("attack: must be started by root (it makes cgroups, and becomes an ordinary user for the rootless columns itself)", file=sys.stderr)
        return 64
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was made is removed
    started, before = time.monotonic(), machine.Snapshot()
    lab = Lab(options)
    try:
        if options.leaks:
            import leaks
            return leaks.run(lab, options)
        return attack(lab, options, before, started)
    finally:
        lab.targets.remove()


def attack(lab, options, before, started):
    probes = catalogue(lab)
    names = chosen(options, probes)
    wanted = options.sandboxes.split(",") if options.sandboxes else None
    columns, missing = [], {}
    import runc_pods
    for kind in [*sandboxes.ALL, runc_pods.RunCPod]:
        sandbox = kind(lab)
        if (wanted and sandbox.name not in wanted) or (options.short and not wanted and not sandbox.ours and sandbox.name not in ("none", "oci-spec", "runc-spec")):
            continue
        reason = sandbox.available()
        if reason:
            missing[sandbox.name] = reason
        else:
            columns.append(sandbox)
    results = attack_all(lab, columns, names, probes)
    setup = []
    if not options.only or any(word.split(":")[0] == "setup" for word in options.only.split(",")):
        import setup_attacks
        setup = setup_attacks.run(lab, options)
    for sandbox in columns:
        sandbox.clean()
    sandboxes.Launcher(lab).clean()
    harmed = lab.targets.harmed() + left_behind(lab, before)
    bad = judge(lab, columns, results, probes)
    failed = bad or harmed or any(verdict != "ok" for _, _, verdict, _ in setup)
    if options.output == "json":
        unproven = [n for n in names if probes[n][2] == "run" and results.get("none", {}).get(n, ("open",))[0] != "open"]
        json.dump({"passed": not failed, "seconds": round(time.monotonic() - started, 1), "missing": missing, "harmed": harmed,
                   "attacks": {n: {"family": probes[n][0], "severity": probes[n][1], "what": probes[n][3], "unproven": n in unproven,
                                   "answers": {c.name: dict(zip(("verdict", "detail"), results[c.name][n])) for c in columns if n in results[c.name]}}
                               for n in names},
                   "setup": [dict(zip(("name", "severity", "verdict", "detail"), row)) for row in setup]}, sys.stdout, indent=1)
        print()
        return 1 if failed else 0
    report(lab, columns, results, probes, names, setup, missing, harmed, bad, started)
    return 1 if failed else 0


def left_behind(lab, before):
    """What the run changed on the node, the run's own targets apart; given a moment, as death is not instant."""
    own, lines = {lab.targets.victim.pid, lab.targets.named.pid}, []
    for _ in range(20):
        lines = [line for line in machine.differences(before, lab.targets.magic, lab.options.alone)
                 if not any(f" {pid} " in line.replace(":", " ") + " " for pid in own) and lab.targets.magic + " stays" not in line]
        if not lines:
            break
        time.sleep(0.2)
    return lines


def report(lab, columns, results, probes, names, setup, missing, harmed, bad, started):
    if names:
        table(columns, results, probes, names)
    for name, reason in missing.items():
        print(f"{name:13} not here: {reason}")
    unproven = [n for n in names if probes[n][2] == "run" and results.get("none", {}).get(n, ("open",))[0] != "open"]
    if unproven and "none" in results:
        print("\nNot to be had on this machine even unconfined, so that a refusal proves little:")
        for name in unproven:
            print(f"  {name:21} {results['none'][name][1][:100]}")
    if setup:
        print("\nAttacks on the set-up:")
        for name, severity, verdict, detail in setup:
            print(f"  {name:34} {severity} {verdict:7} {detail[:130]}")
    for column, name, severity, verdict, detail in bad:
        print(f"NOT blocked: {column}: {name} ({severity}): {verdict}: {detail[:200]}")
    for line in harmed:
        print(f"harmed: {line}")
    good = not bad and not harmed and all(v == "ok" for _, _, v, _ in setup)
    ours = sum(len(results[c.name]) for c in columns if c.ours)
    print(f"\nattack: {'all blocked or contained, node unharmed' if good else 'NOT all blocked or contained, or the node was harmed'}; "
          f"{len(names)} attack programs, {ours} attempts on our sandboxes, {len(setup)} attacks on the set-up, {time.monotonic() - started:.0f} s")
