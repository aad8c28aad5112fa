"""How the cost grows with what should not matter: the host's mounts, and the memory of the process that asks."""
import os
import statistics

from sandbox import candidates as make
from sandbox.lab import check, libc, private_mounts

MS_BIND = 4096
MOUNTS, BALLAST_MB, BOUND = 3000, 2048, 1.25


def add_mounts(lab, count):
    """In the calling process: a mount namespace of its own with so many more mounts."""
    private_mounts()
    base = os.path.join(lab.directory, "mounts")
    os.makedirs(base, exist_ok=True)
    check(libc.mount(b"many", base.encode(), b"tmpfs", 0, b"size=16m"), "mount(tmpfs)")
    for i in range(count):
        point = f"{base}/{i}".encode()
        os.mkdir(point)
        check(libc.mount(point, point, None, MS_BIND, None), "mount(bind)")


def measure_growth(lab, paths, lineup, options, report):
    rounds = max(options.rounds // 2, 4)
    rows = []
    servers = [make.serve_candidate(lab, paths["swiftlet-sandbox"], f"{count} mounts more", 1, (lambda count=count: add_mounts(lab, count)) if count else None)
               for count in (0, MOUNTS)]
    if all(servers):
        few, many = interleaved_blocks(lab, [([server], 0) for server in servers], rounds)
        rows.append(["resident launcher, a host with 3,000 mounts more", *figures(few, many)])
        report.ratio("resident launcher, 3,000 mounts more on the host", quartile(many), quartile(few), "the same without them", at_most=BOUND)
    resident = [c for c in lineup if c.kind == "serve"][:1]
    command = [c for c in lineup if c.name == "swiftlet-sandbox supervise"]
    for name, candidate in (("resident launcher", resident), ("command", command)):
        if candidate:
            small, large = interleaved_blocks(lab, [(candidate, 0), (candidate, BALLAST_MB)], rounds)
            rows.append([f"{name}, a caller of 2 GB", *figures(small, large)])
            report.ratio(f"{name}, the caller's memory grown to 2 GB", quartile(large), quartile(small), "the same with 1 MB", at_most=BOUND)
    report.table("Growth", ["launch to exit, 50 ms apart", "min ms", "then", "quartile", "then", "median", "then"], rows)


def interleaved_blocks(lab, variants, rounds):
    """Each variant's launch times in ms; variants take turns in blocks of a few rounds. (Two in one process cannot: the caller differs.)"""
    times = [[] for _ in variants]
    for _ in range(max(rounds // 4, 1)):
        for i, (candidates, ballast_mb) in enumerate(variants):
            times[i] += [wall / 1e6 for _, (wall, *_) in lab.measure("rounds", 8, 50, candidates, ballast_mb)]
    return times


def quartile(values):
    """The lower one: other load only adds, and hits one block or the next."""
    return statistics.quantiles(values, n=4)[0]


def figures(before, after):
    return [f"{measure(values):.2f}" for measure in (min, quartile, statistics.median) for values in (before, after)]
