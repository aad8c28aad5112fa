"""Area `sandbox`: design targets of the launcher. Parts: latency, throughput, memory, growth, where."""
import os
import shutil
import statistics
import subprocess

from sandbox import candidates as make
from sandbox.growth import measure_growth
from sandbox.lab import Lab
from sandbox.memory import measure_memory
from sandbox.where import where_the_time_goes

PARALLEL = (1, 2, 8, 32)
FLOOR_COMMAND, COMMAND = "floor command", "swiftlet-sandbox supervise"
FLOOR_NET = "resident floor, pooled net, new cgroups"
# The same kernel calls as a task's isolation takes: Scripts/bench.d/sandbox/floor_task.c. The targets are held against both.
FLOOR_TASK = "resident floor, the same, own ids and init"
RESIDENT, OCI, RUN = "swiftlet-sandbox serve", "swiftlet-oci run", "swiftlet run"
BWRAP, NSJAIL, CRUN, RUNC = "bubblewrap (no cgroups)", "nsjail", "crun", "runc"


def binaries(options):
    """Paths of our programs; builds what is missing and says so."""
    directory = options.bin or os.path.join(options.source, ".build", "release")
    paths = {name: os.path.join(directory, name) for name in ("swiftlet-sandbox", "swiftlet-oci", "swiftlet")}
    missing = [name for name, path in paths.items() if not os.path.exists(path)]
    if missing and not options.bin:
        print(f"bench: building {', '.join(missing)} in release mode (minutes)", flush=True)
        if subprocess.run([os.path.join(options.source, "Scripts/release")] + missing).returncode:
            raise RuntimeError(f"Scripts/release {' '.join(missing)} failed")
    if not os.path.exists(paths["swiftlet-sandbox"]):
        raise RuntimeError(f"no swiftlet-sandbox in {directory}")
    return {name: path for name, path in paths.items() if os.path.exists(path)}


def line_up(lab, paths, notes):
    """Every candidate that works here, in the order of the tables."""
    commands, resident = make.floors(lab)
    found = [make.Candidate("posix_spawn", "spawn", [os.path.join(lab.root, "bin", "noop")])] + commands + resident
    asked = [make.launcher_command(lab, paths["swiftlet-sandbox"], max(PARALLEL)), make.serve_candidate(lab, paths["swiftlet-sandbox"], RESIDENT, max(PARALLEL)),
             make.run_command(lab, paths.get("swiftlet")), paths.get("swiftlet-oci") and make.oci(lab, paths["swiftlet-oci"], OCI),
             make.bubblewrap(lab), make.nsjail(lab), make.minijail(lab)]
    for name in (CRUN, RUNC):
        program = shutil.which(name)
        asked.append(program and make.oci(lab, program, name, "--cgroup-manager=cgroupfs" if name == CRUN else "--log-format=text"))
    return found + [c for c in (make.working(lab, candidate, notes) for candidate in asked) if c]


def latencies(lab, lineup, rounds, gap_ms):
    """name -> {wall: [ms], inner: [ms], cpu: ms per launch or None, phases: [[us]]}"""
    before = {c.name: server_cpu(c) for c in lineup if c.server}
    result = {c.name: {"wall": [], "inner": [], "cpu": [], "phases": []} for c in lineup}
    for name, (wall, inner, cpu, *phases) in lab.measure("rounds", rounds, gap_ms, lineup):
        result[name]["wall"].append(wall / 1e6)
        result[name]["inner"].append(inner / 1e6)
        result[name]["cpu"].append(cpu / 1e6)
        result[name]["phases"].append([phase / 1e3 for phase in phases])
    for c in lineup:
        if c.server:
            used = server_cpu(c) - before[c.name]
            result[c.name]["cpu"] = [used / (rounds + 2)] if c.server.account else []
    return result


def server_cpu(candidate):
    """Milliseconds of a server and everything it started; 0 when nothing accounts it."""
    account = candidate.server.account
    return int(open(os.path.join(account, "cpuacct.usage")).read()) / 1e6 if account else 0


def p99(values):
    return sorted(values)[min(len(values) - 1, int(len(values) * 0.99))]


def latency_table(report, title, result):
    spawn = result["posix_spawn"]["wall"]
    rows = []
    for name, r in result.items():
        cpu = f"{statistics.mean(r['cpu']):.2f}" if r["cpu"] else "-"
        paired = statistics.median(ours / reference for ours, reference in zip(r["wall"], spawn))
        rows.append([name, f"{min(r['wall']):.2f}", f"{statistics.median(r['wall']):.2f}", f"{p99(r['wall']):.2f}", cpu, f"{paired:.1f}"])
    report.table(title, ["launch to exit", "min ms", "median", "p99", "cpu ms", "x spawn"], rows)


def latency_rows(report, sparse):
    median = lambda name, kind="wall": statistics.median(sparse[name][kind]) if name in sparse else None
    ours = median(COMMAND)
    for reference, bound in ((FLOOR_COMMAND, 1.3), (BWRAP, 0.7), (NSJAIL, 0.25), (CRUN, 0.2), (RUNC, 0.15)):
        report.ratio("command, 50 ms apart", ours, median(reference), reference, at_most=bound)
    resident = median(RESIDENT)
    for floor in (FLOOR_NET, FLOOR_TASK):
        report.ratio("resident launcher, 50 ms apart", resident, median(floor), floor, at_most=1.3)
    report.ratio("resident launcher, 50 ms apart", resident, median(NSJAIL), NSJAIL, at_most=0.1)
    pooled = median(RESIDENT + ", all pooled")
    report.ratio("resident launcher, all pooled (stretch)", pooled if pooled is not None else resident, median("posix_spawn"), "posix_spawn", at_most=3)
    for reference, bound in ((CRUN, 0.6), (RUNC, 0.25)):
        report.ratio("swiftlet-oci run of a bundle", median(OCI), median(reference), reference, at_most=bound)


def throughput(lab, lineup, seconds, levels):
    """name -> {parallel: launches per second}; two blocks of each, so that a burst of other load hits no candidate alone."""
    counted = {c.name: {level: [0, 0.0] for level in levels} for c in lineup}
    for _ in range(2):
        for level in levels:
            for name, (launches, wall, _) in lab.measure("parallel", level, seconds, lineup):
                counted[name][level][0] += launches
                counted[name][level][1] += wall / 1e9
    return {name: {level: launches / wall for level, (launches, wall) in levels.items()} for name, levels in counted.items()}


def in_turns(lab, lineup, turns):
    """name -> median launches per second with eight in flight. Turns of a third of a second: what else the machine does hits all alike."""
    rates = {c.name: [] for c in lineup}
    for _ in range(turns):
        for name, (launches, wall, _) in lab.measure("parallel", 8, 0.34, lineup):
            rates[name].append(launches / (wall / 1e9))
    return {name: statistics.median(values) for name, values in rates.items()}


def throughput_report(report, rates, eight, levels):
    report.table("Launches per second, P in flight", ["candidate"] + [f"P={level}" for level in levels],
                 [[name] + [f"{rate[level]:.0f}" for level in levels] for name, rate in rates.items()])
    at = eight.get
    # The floor of the same kind makes the same kernel calls: ids of its own for each task, and an init.
    for reference, bound in ((FLOOR_TASK, 0.8), (NSJAIL, 5), (CRUN, 6), (RUNC, 15)):
        report.ratio("launches per second, 8 in flight, new cgroups", at(RESIDENT), at(reference), reference, at_least=bound, unit="1/s")
    if at(RESIDENT) and at(FLOOR_NET):
        report.notes.append(f"launches per second, 8 in flight: {at(RESIDENT) / at(FLOOR_NET):.2f} x the leanest floor "
                            f"({FLOOR_NET}), whose launches share their ids and have no init")


def run(options, report):
    parts = options.only.split(",") if options.only else ["latency", "throughput", "memory", "growth", "where"]
    with Lab(options.source) as lab:
        paths = binaries(options)
        if "swiftlet" in paths:
            lab.compile_filter(paths["swiftlet"])
        lineup = line_up(lab, paths, report.notes)
        sparse = latencies(lab, lineup, options.rounds, 50)
        if "latency" in parts:
            latency_table(report, f"Launches 50 ms apart, {options.rounds} interleaved rounds", sparse)
            latency_table(report, f"Launches back to back, {options.rounds} interleaved rounds", latencies(lab, lineup, options.rounds, 0))
            latency_rows(report, sparse)
        if "throughput" in parts:
            levels = (1, 8) if options.quick else PARALLEL
            rates = throughput(lab, [c for c in lineup if c.name != RUN], 0.5 if options.quick else 1.5, levels)
            judged = [c for c in lineup if c.name in (RESIDENT, FLOOR_NET, FLOOR_TASK, NSJAIL, CRUN, RUNC)]
            throughput_report(report, rates, in_turns(lab, judged, 3 if options.quick else 30), levels)
        if "growth" in parts:
            measure_growth(lab, paths, lineup, options, report)
        if "memory" in parts:
            measure_memory(lab, paths, options, report)
        report.notes += [f"a launch did not succeed and is not counted: {line}" for line in lab.failures]
        if "where" in parts:
            where_the_time_goes(lab, lineup, sparse, report)
