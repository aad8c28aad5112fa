"""The candidates: what each is called, how it is launched, with isolation as alike as its options permit.

All: user, mount, pid, net, ipc and uts namespaces (cgroup namespace where it has one), the rootfs read-only, /proc, a tmpfs on
/tmp, no capability, no new privileges, the same system call filter, limits of memory, pids and cpu. bubblewrap and minijail have
no cgroups of their own, so they do less.
"""
import json
import os
import re
import shutil
import subprocess


class Candidate:
    def __init__(self, name, kind, words, server=None):
        self.name, self.kind, self.words, self.server = name, kind, words, server


def floors(lab):
    """(commands, resident floors)"""
    groups = [f"{version}:{directory}:" + ",".join(f"{file}={value}" for file, value in files.items())
              for _, version, directory, files in lab.limits()]
    program = os.path.join(lab.bin, "floor")
    tail = [lab.root, lab.filter] + groups + ["--", "/bin/noop"]
    commands = [Candidate("floor command", "spawn", [program, "command"] + tail),
                Candidate("floor command, pid written by the parent", "spawn", [program, "command-naive"] + tail)]
    resident = []
    for kind, name in (("new", "resident floor, new net + cgroups"), ("network", "resident floor, pooled net, new cgroups"),
                       ("whole", "resident floor, the same, own ids and init"), ("pooled", "resident floor, all pooled")):
        socket = os.path.join(lab.directory, f"floor-{kind}.socket")
        server = lab.serve([program, "resident", socket, kind] + tail, socket)
        resident.append(Candidate(name, "floor", [socket], server))
    return commands, resident


def plan(lab, name, arguments=("/bin/noop",), log=None, serial=False):
    """A launch plan of ours, as a file. `serial`: its cgroups get a number that `measure` replaces for each launch."""
    # The log as the agent's plans have it: its file comes with its first line.
    lines = ["swiftlet-plan 1", f"id {name}", f"log {log} 52428800 5 2592000 late" if log else "stdio inherit", "grace 1000"]
    groups = [(controller, version, f"{directory}/{name}{'.@SERIAL@' if serial else ''}", files) for controller, version, directory, files in lab.limits()]
    lines += [f"cgroup-make {version} {path}" for _, version, path, _ in groups]
    lines += [f"cgroup-set {path} {file} {value.replace(' ', '%20')}" for _, _, path, files in groups for file, value in files.items()]
    lines += [f"cgroup {version} {controller} {path}" for controller, version, path, _ in groups]
    lines += [f"cgroup-remove {path}" for _, _, path, _ in groups]
    lines += [f"namespace {kind}" for kind in ("user", "mount", "pid", "ipc", "uts", "cgroup", "net")]
    lines += ["uid-map 0 100000 65536", "gid-map 0 100000 65536"]
    place = os.path.join(lab.directory, "place")
    os.makedirs(place, exist_ok=True)
    lines += [f"root-bind {lab.root} {place} ro,nosuid,nodev", "device null", "proc /proc",
              "tmpfs /tmp size=16777216,mode=1777 rw,nosuid,nodev", "pivot", "hostname sandbox"]
    lines += ["enter-user-namespace", "bounding-set none", "user 0 0", "capabilities none", "no-new-privs", "cwd /", "env PATH=/bin"]
    lines += [f"arg {argument}" for argument in arguments]
    lines += [f"seccomp {open(lab.filter, 'rb').read().hex().upper()}", "end"]
    path = os.path.join(lab.directory, f"{name}.plan")
    with open(path, "w") as file:
        file.write("\n".join(lines) + "\n")
    return path


def launcher_command(lab, sandbox, workers):
    for worker in range(workers):
        plan(lab, f"command{worker}")
    at = os.path.join(lab.directory, "command%w")
    # In the foreground, without a record: as `swiftlet run` uses it, and as the other commands are.
    return Candidate("swiftlet-sandbox supervise", "spawn", [sandbox, "supervise", "--plan", at + ".plan", "--foreground"])


def bubblewrap(lab, arguments=("/bin/noop",)):
    program = shutil.which("bwrap")
    return program and Candidate("bubblewrap (no cgroups)", "spawn", [
        f"@9={lab.filter}", program, "--unshare-all", "--unshare-user", "--uid", "0", "--gid", "0", "--ro-bind", lab.root, "/", "--proc", "/proc",
        "--tmpfs", "/tmp", "--hostname", "sandbox", "--cap-drop", "ALL", "--new-session", "--die-with-parent", "--seccomp", "9", "--"]
        + list(arguments))


def bundle(lab):
    """An OCI bundle with the same wishes and no more mounts than the others have."""
    empty = {kind: [] for kind in ("bounding", "effective", "permitted", "inheritable", "ambient")}
    ids = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    config = {
        "ociVersion": "1.0.2", "hostname": "sandbox", "root": {"path": lab.root, "readonly": True},
        "process": {"terminal": False, "user": {"uid": 0, "gid": 0}, "args": ["/bin/noop"], "env": ["PATH=/bin"], "cwd": "/",
                    "capabilities": empty, "noNewPrivileges": True},
        "mounts": [{"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "nodev", "noexec"]},
                   {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "nodev", "size=16m", "mode=1777"]},
                   {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "size=64k"]}],
        "linux": {"namespaces": [{"type": kind} for kind in ("user", "mount", "pid", "network", "ipc", "uts", "cgroup")],
                  "uidMappings": ids, "gidMappings": ids,
                  "resources": {"memory": {"limit": 67108864}, "pids": {"limit": 64}, "cpu": {"period": 100000, "quota": 100000}},
                  "seccomp": {"defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"],
                              "syscalls": [{"names": lab.calls, "action": "SCMP_ACT_ALLOW"}]}}}
    directory = os.path.join(lab.directory, "bundle")
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(directory, "config.json"), "w") as file:
        json.dump(config, file)
    return directory


def oci(lab, program, name, *options):
    state = os.path.join(lab.state, name.replace(" ", "-"))
    return Candidate(name, "spawn", [program, "--root", state, *options, "run", "--bundle", bundle(lab), f"bench-{os.path.basename(program)}-%w"])


def nsjail(lab):
    program = shutil.which("nsjail")
    if not program:
        return None
    names = {"memory": "mem", "pids": "pids", "cpu": "cpu"}
    groups = [word for controller, version, directory, _ in lab.limits() if version == 1
              for word in (f"--cgroup_{names[controller]}_mount", os.path.dirname(directory),
                           f"--cgroup_{names[controller]}_parent", os.path.basename(directory))]
    policy = os.path.join(lab.directory, "kafel.policy")
    words = [program, "-Mo", "-Q", "--chroot", lab.root, "--user", "0:100000:65536", "--group", "0:100000:65536", "--hostname", "sandbox", "--tmpfsmount",
             "/tmp", "--cgroup_mem_max", "67108864", "--cgroup_pids_max", "64", "--cgroup_cpu_ms_per_sec", "1000", *groups,
             "--seccomp_policy", policy, "--", "/bin/noop"]
    write_kafel(words, policy, list(lab.calls))
    return Candidate("nsjail", "spawn", words)


def write_kafel(words, path, calls):
    """The filter in nsjail's language. It refuses calls that it does not know, one at a time: those are left out."""
    while calls:
        with open(path, "w") as file:
            file.write("ALLOW { " + ", ".join(calls) + " } DEFAULT ERRNO(1)")
        done = subprocess.run([word for word in words if word != "-Q"], stdin=subprocess.DEVNULL, capture_output=True, text=True)
        unknown = re.search(r"Undefined identifier `([a-z0-9_]+)", done.stderr)
        if not unknown:
            return
        calls.remove(unknown.group(1))


def minijail(lab):
    program = shutil.which("minijail0")
    return program and Candidate("minijail (no cgroups, no filter)", "spawn", [
        program, "-I", "-v", "-P", lab.root, "-k", "tmpfs,/tmp,tmpfs,0xe,size=16m", "-p", "-r", "-e", "-l", "-N", "-U", "-m0 100000 65536",
        "-M0 100000 65536", "-n", "-c", "0", "--", "/bin/noop"])


def working(lab, candidate, notes):
    """The candidate when one launch of it succeeds; else a note with its own words."""
    if candidate is None:
        return None
    try:
        lab.measure("rounds", 1, 0, [candidate])
        return candidate
    except RuntimeError as failure:
        notes.append(f"{candidate.name} left out: {str(failure)[:300]}")
        return None


def serve_candidate(lab, sandbox, name, workers=1, preexec=None):
    """A resident launcher of its own, asked as the agent asks it: a record, a log, new cgroups for every task."""
    key = name.replace(" ", "-")
    socket = os.path.join(lab.directory, f"{key}.socket")
    for worker in range(workers):
        plan(lab, f"{key}{worker}", log=os.path.join(lab.state, f"{key}{worker}.@SERIAL@", "log"), serial=True)
    server = lab.serve([sandbox, "serve", "--socket", socket], socket, preexec=preexec)
    return Candidate(name, "serve", [socket, os.path.join(lab.directory, f"{key}%w.plan"), "+" + os.path.join(lab.state, f"{key}%w.@SERIAL@")], server)


def run_command(lab, swiftlet):
    """The whole command line program: options to plan, filter from its cache, then the launcher."""
    return swiftlet and Candidate("swiftlet run", "spawn", [
        swiftlet, "run", "--rootfs", lab.root, "--network", "none", "--memory", "64Mi", "--pids", "64", "--cpus", "1", "--hostname", "sandbox",
        "--tmp-size", "16Mi", "--", "/bin/noop"])
