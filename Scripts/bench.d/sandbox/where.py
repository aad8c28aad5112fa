"""Where the time goes: the resident floor's phases, and every candidate's system calls as strace counts them."""
import os
import re
import shutil
import statistics
import subprocess

from sandbox.timeline import own_phases

PHASES = ["make cgroups", "clone", "join cgroups", "network, name", "mounts", "identity", "filter", "exec to end", "remove cgroups"]
MOUNTS = ("mount", "umount2", "pivot_root", "open_tree", "move_mount", "mount_setattr", "fsopen", "fsconfig", "fsmount", "chroot")


def where_the_time_goes(lab, lineup, sparse, report):
    rows = []
    for name, result in sparse.items():
        if result["phases"] and result["phases"][0]:
            medians = [statistics.median(phase) for phase in zip(*result["phases"])]
            rows.append([name] + [f"{value:.0f}" for value in medians] + [f"{statistics.median(result['inner']) * 1000:.0f}"])
    report.table("Where the floor's time goes, median us, 50 ms apart", ["floor"] + PHASES + ["sum"], rows)
    for candidate in lineup:
        if candidate.kind == "serve":
            own_phases(lab, candidate, 20, report)
    if shutil.which("strace"):
        counts = [[c.name, *calls(lab, c)] for c in lineup if c.kind == "spawn"]
        report.table("System calls of one launch", ["candidate", "all", "mounts", "prctl", "clone+exec", "processes"], counts)
    else:
        report.notes.append("system calls not counted: strace is not installed")


def calls(lab, candidate):
    """All, of the mount family, prctl, clone and exec; processes."""
    words = [word.replace("%w", "0") for word in candidate.words]
    output = os.path.join(lab.directory, "strace")
    fresh = [word[1:] for word in words if word.startswith("+")]
    for directory in fresh:
        os.makedirs(directory, exist_ok=True)
    opened = [word[1:].split("=", 1) for word in words if word.startswith("@")]
    command = " ".join(['exec "$@"'] + [f"{fd}<{path}" for fd, path in opened])
    subprocess.run(["strace", "-f", "-o", output, "sh", "-c", command, "sh"] + [w.lstrip("+") for w in words if not w.startswith("@")],
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60)
    for directory in fresh:
        shutil.rmtree(directory, ignore_errors=True)
    lines = open(output, errors="replace").read().splitlines()
    # The shell's part ends with its successful exec of the candidate, which is the first exec after its own.
    starts = [i for i, line in enumerate(lines) if " execve(" in line]
    lines = lines[starts[1]:] if len(starts) > 1 else lines
    names = [match.group(1) for match in (re.match(r"\d+ +([a-z_0-9]+)\(", line) for line in lines) if match]
    count = lambda *wanted: sum(names.count(name) for name in wanted)
    return len(names), count(*MOUNTS), count("prctl"), count("clone", "clone3", "vfork", "fork", "execve"), len({line.split()[0] for line in lines})
