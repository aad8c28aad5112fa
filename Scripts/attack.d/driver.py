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
import resources
import sandboxes
import targets

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
# What need not succeed in the control column, and why: a refusal of these proves nothing where the machine itself refuses them.
# Any other attack that does not succeed without a sandbox has lost its object, and that is a failure.
UNPROVEN = {
    "mknod-disk": "the machine's root may have no block device at all (its devices cgroup, or no disk)",
    "mknod-kvm": "the same for /dev/kvm",
    "kexec_load": "kernels without kexec",
    "init_module": "kernels without modules",
    "iopl": "kernels without the old port calls",
    "rlimit-raise": "a root without CAP_SYS_RESOURCE, as in containers and small virtual machines",
    "oom-adj-lower": "the same",
    "kcore": "kernels without /proc/kcore, and no /dev/mem",
    "init-memory": "pid 1 of a virtual machine may be closed even to root (ptrace)",
    "proc-1-exe-write": "the same; the runtime's own file is hunted in setup_oci.py, with a proof",
    "x32-abi": "kernels without x32",
    "ia32-abi": "kernels without 32-bit entries",
    "sysrq-trigger": "kernels without sysrq",
}
GOOD = ("blocked", "contained", "absent", "by-request")  # in our own sandboxes; no answer is no good answer
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

    @staticmethod
    def progress(seconds, *words):
        """For whoever looks for a slow one: ATTACK_PROGRESS=1 tells each run's time on stderr."""
        if os.environ.get("ATTACK_PROGRESS"):
            print(f"{seconds:6.1f} {' '.join(words)}", file=sys.stderr, flush=True)


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
    lab.progress(done.seconds, sandbox.name, "programs")
    found = {n: done.lines.get(n, ("error", "no answer: " + " ".join(done.text.split())[-100:])) for n in plain}
    for name in sandbox.exempt & found.keys():
        if found[name][0] == "open":
            found[name] = ("by-request", found[name][1])
    return found


def attack_all(lab, columns, names, probes):
    results = {c.name: {} for c in columns}
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        jobs = {pool.submit(attack_programs, lab, c, names, probes): c for c in columns}
        for job, column in jobs.items():
            results[column.name].update(job.result())
    heavy = [n for n in names if probes[n][0] == "exhaust"]
    subjects = [c for c in columns if c.name != "none" and (c.ours or not lab.options.short)]
    lone = [n for n in heavy if n in resources.LONE]
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        jobs = [(c, n, pool.submit(resources.attack, lab, c, n)) for c in subjects for n in heavy if n not in lone]
        for column, name, job in jobs:
            results[column.name][name] = job.result()
    for column in subjects:
        for name in lone:
            results[column.name][name] = resources.attack(lab, column, name)
    return results


def judge(lab, columns, results, probes):
    """Lines for everything that is open, or gave no answer, in our own sandboxes."""
    found = []
    for column in (c for c in columns if c.ours):
        for name, (verdict, detail) in results[column.name].items():
            if verdict not in GOOD:
                found.append((column.name, name, probes[name][1], verdict, detail))
    weaker = results.get("oci-spec", {})
    for name, (verdict, detail) in weaker.items():
        # The same bundle: whatever runc blocks there, we block.
        if verdict == "open" and results.get("runc-spec", {}).get(name, ("open",))[0] in ("blocked", "contained"):
            found.append(("oci-spec", name, probes[name][1], "open", detail + " (runc blocks it)"))
        elif verdict not in GOOD + ("open",):
            found.append(("oci-spec", name, probes[name][1], verdict, detail))
    return found


def unproven(results, probes, names):
    """Attacks that do not succeed without any sandbox either, of those that are tried there."""
    control = results.get("none")
    if control is None:
        return []
    return [n for n in names if probes[n][2] == "run" and control.get(n, ("not-run",))[0] != "open"]


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


def unknown(options, probes, kinds):
    """What was asked for by a name that nothing has: a typing error would otherwise try nothing, and pass."""
    there = {"setup", *probes, *(row[0] for row in probes.values())}
    only = [w for w in (options.only or "").split(",") if w and w not in there and not w.startswith("setup:")]
    columns = [w for w in ",".join(filter(None, (options.sandboxes, options.without))).split(",") if w and w not in kinds]
    return [*(f"--only {w}: no attack or family has this name, expected one of --list, setup or setup:TEXT" for w in only),
            *(f"{w}: no column has this name, expected one of {', '.join(kinds)}" for w in columns)]


def attack(lab, options, before, started):
    probes = catalogue(lab)
    names = chosen(options, probes)
    import runc_pods
    kinds = {kind.name: kind for kind in [*sandboxes.ALL, runc_pods.RunCPod]}
    if wrong := unknown(options, probes, kinds):
        print("\n".join("attack: " + line for line in wrong), file=sys.stderr)
        return 64
    wanted = options.sandboxes.split(",") if options.sandboxes else None
    without = (options.without or "").split(",")
    columns, missing, absent = [], {}, []
    for kind in kinds.values():
        sandbox = kind(lab)
        if sandbox.name in without or (wanted and sandbox.name not in wanted):
            continue
        if options.short and not wanted and not sandbox.ours and sandbox.name not in ("none", "oci-spec", "runc-spec"):
            continue
        reason = sandbox.available()
        if reason:
            missing[sandbox.name] = reason
            if sandbox.required:
                absent.append(f"column {sandbox.name} is missing: {reason}, expected it to run (or --without {sandbox.name})")
        else:
            columns.append(sandbox)
    results = attack_all(lab, columns, names, probes) if names else {c.name: {} for c in columns}
    setup, asked = [], not options.only or any(word.split(":")[0] == "setup" for word in options.only.split(","))
    if asked:
        import setup_attacks
        setup = setup_attacks.run(lab, options)
    if not any(results.values()) and not setup:
        absent.append("nothing was tried, expected at least one attempt")
    elif asked and not setup:
        absent.append(f"no attack on the set-up was tried, expected at least one (--only {options.only})")
    for name in unproven(results, probes, names):
        if name not in UNPROVEN:
            said = results["none"].get(name, ("not-run", "not run"))[1][:100]
            absent.append(f"{name} does not succeed without a sandbox either: {said}; expected it to, or a reason in UNPROVEN")
    # Before anything is removed here: what a sandbox has to remove itself.
    harmed = groups_left(lab)
    for sandbox in columns:
        sandbox.clean()
    sandboxes.Launcher(lab).clean()
    harmed += lab.targets.harmed() + left_behind(lab, before)
    bad = judge(lab, columns, results, probes)
    failed = bool(bad or harmed or absent or any(verdict != "ok" for _, _, verdict, _ in setup))
    if options.output == "json":
        weak = unproven(results, probes, names)
        json.dump({"passed": not failed, "seconds": round(time.monotonic() - started, 1), "missing": missing, "not-tried": absent,
                   "harmed": harmed,
                   "attacks": {n: {"family": probes[n][0], "severity": probes[n][1], "what": probes[n][3], "unproven": n in weak,
                                   "answers": {c.name: dict(zip(("verdict", "detail"), results[c.name][n])) for c in columns if n in results[c.name]}}
                               for n in names},
                   "setup": [dict(zip(("name", "severity", "verdict", "detail"), row)) for row in setup]}, sys.stdout, indent=1)
        print()
        return 1 if failed else 0
    report(lab, columns, results, probes, names, setup, missing, absent, harmed, bad, started)
    return 1 if failed else 0


def groups_left(lab):
    """Groups of this run that are not empty, or that their sandbox makes and has to remove itself.

    The driver makes the launcher's groups and the ordinary user's, so that only what is in them counts."""
    own = (lab.targets.magic + "-user", *(f"{lab.targets.magic}-{name}" for name in ("launcher", "setup-")))
    lines = []
    for _ in range(50):
        lines = []
        for path in sorted(p for p in machine.cgroups() if lab.targets.magic in p):
            inside = machine.read(path + "/cgroup.procs").split()
            made_here = any(part.startswith(own) for part in path.split("/")[-1:])
            if inside or not made_here:
                expected = "none in it" if made_here else "it removed by its sandbox"
                lines.append(f"cgroup {path} stays with {len(inside)} processes, expected {expected}")
        if not lines:
            break
        time.sleep(0.1)  # death is not instant
    return lines


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


def report(lab, columns, results, probes, names, setup, missing, absent, harmed, bad, started):
    if names:
        table(columns, results, probes, names)
    for name, reason in missing.items():
        print(f"{name:13} not here: {reason}")
    weak = unproven(results, probes, names)
    if weak:
        print("\nNot to be had on this machine even unconfined, so that a refusal proves little:")
        for name in weak:
            said = results["none"].get(name, ("not-run", "not run"))[1][:100]
            print(f"  {name:21} {said} ({UNPROVEN.get(name, 'NO REASON IS KNOWN')})")
    if setup:
        print("\nAttacks on the set-up:")
        for name, severity, verdict, detail in setup:
            print(f"  {name:34} {severity} {verdict:7} {detail[:130]}")
    for column, name, severity, verdict, detail in bad:
        print(f"NOT blocked: {column}: {name} ({severity}): {verdict}: {detail[:200]}")
    for line in harmed:
        print(f"harmed: {line}")
    for line in absent:
        print(f"not tried: {line}")
    good = not bad and not harmed and not absent and all(v == "ok" for _, _, v, _ in setup)
    ours = sum(len(results[c.name]) for c in columns if c.ours)
    word = "all blocked or contained, node unharmed" if good else "NOT all tried, blocked or contained, or the node was harmed"
    print(f"\nattack: {word}; "
          f"{len(names)} attack programs, {ours} attempts on our sandboxes, {len(setup)} attacks on the set-up, {time.monotonic() - started:.0f} s")
