"""Faults of tasks: programs that eat, flood, multiply, hide or do not end. The node stays as it was, and says what happened."""
import os
import subprocess
import time

from faults import Watched, expect, fault, finish, terminated, works
from lab import Failed, eventually
from node import is_alive, text

PYTHON = "/usr/bin/python3 -c"


@fault("fork-bomb", "a task that forks without end stays within its limit of processes, its neighbours do not notice, and it goes when deleted")
def fork_bomb(lab, options):
    neighbours = Watched(lab, 1)
    # Memory for all of them: its own limit would end the bomb before the number of processes does.
    name = lab.create("bomb() { bomb | bomb & }; bomb; sleep 600", limits={"memory": "4Gi"})
    lab.wait_running(name)
    uid, most = lab.pod(name)["metadata"]["uid"], 0

    def refused():
        nonlocal most
        most = max(most, len(lab.node.members(uid)))
        return lab.node.forks_refused(uid)
    eventually("the kernel refuses the bomb a process (pids.events of its cgroup: max > 0)", refused, 60, 0.01)
    works(lab, 60)
    most = max(most, len(lab.node.members(uid)))
    # No lower bound: who may not fork ends, so that a look may find fewer than there were.
    expect(most <= 4200, f"{name}: {most} processes seen, expected its limit of 4096 and a few of ours at most")
    lab.delete(name, 0)
    lab.wait_gone(name, 60)
    # A grace of 0 removes the object at once; the node follows.
    eventually("the bomb is over", lambda: not lab.node.members(uid), 30)
    neighbours.check()


@fault("memory-bomb", "over its memory limit a task is OOMKilled with 137, alone or with all its children, and nobody else is hurt")
def memory_bomb(lab, options):
    neighbours = Watched(lab, 1)
    single = lab.create("exec tail /dev/zero", limits={"memory": "64Mi"})
    group = lab.create("for i in 1 2 3 4 5 6; do (tail /dev/zero; true) & done; wait; sleep 600", limits={"memory": "64Mi"})
    for name in (single, group):
        pod = finish(lab, name, 137)
        expect(terminated(pod).get("reason") == "OOMKilled", f"{name}: reason {terminated(pod)}")
        expect(not lab.node.members(pod["metadata"]["uid"]), f"{name}: some of its processes live on")
    neighbours.check()
    works(lab)


@fault("inode-bomb", "a task that makes files without end meets an end in its own scratch; the node's file system keeps its inodes")
def inode_bomb(lab, options):
    before = os.statvfs(lab.directory).f_favail
    # Afterwards it waits until it is looked at: its files go with it.
    name = lab.create(f"""{PYTHON} '
import errno, os, sys, time
made, end, path = 0, 9, sys.argv[1]
try:
    while made < 400000:
        os.close(os.open("/tmp/%d" % made, os.O_CREAT | os.O_WRONLY))
        made += 1
except OSError as e:
    end = 0 if e.errno == errno.ENOSPC else 9
    made = "%d %s" % (made, e)
open(path + ".made", "w").write("%s" % made)
while not os.path.exists(path + ".seen"): time.sleep(0.05)
sys.exit(end)' $L""")
    made = eventually(f"{name} has made its files", lambda: text(f"{lab.ledger}/{name}.made"), 120)
    task = lab.node.task(lab.pod(name)["metadata"]["uid"])[0]
    scratch, used = os.statvfs(f"/proc/{task}/root/tmp"), before - os.statvfs(lab.directory).f_favail
    open(f"{lab.ledger}/{name}.seen", "w").close()
    isNodes = os.statvfs(lab.directory).f_fsid == scratch.f_fsid
    expect(not isNodes or scratch.f_favail > 0, f"{name}: its /tmp has used up the node's file system")
    expect(int(made.split()[0]) > 0, f"{name}: made no file: {made}")
    expect(used < 200_000, f"{name}: {used} inodes of the node are used, expected fewer than 200000")
    pod = lab.wait_phase(name, "Succeeded", "Failed", seconds=30)
    code = terminated(pod).get("exitCode")
    expect(code == 0, f"{name}: ended with {code}, found \"{made}\", expected ENOSPC")
    finish(lab, name, 0)
    works(lab)


@fault("output-flood", "a task that writes 1 GB (200 MB in the short run) ends well; its log stays within its bound, the agent does not grow")
def output_flood(lab, options):
    megabytes = 1000 if options.long else 200
    before = resident_kib(lab.lite.pid)
    name = lab.create(f"yes 'a line of output, as long as lines of output usually are' | head -c {megabytes}M")
    pod = finish(lab, name, 0, 240)
    logs = f"{lab.node.state}/logs/pods/alice_{name}_{pod['metadata']['uid']}"
    size = sum(os.lstat(os.path.join(at, file)).st_size for at, _, files in os.walk(logs) for file in files)
    # Five files of 50 MiB, and what is written while one is put away. 200 MB of output are 340 MiB with each line's time.
    expect(0 < size <= 280 << 20, f"{name}: its logs in {logs} take {size >> 20} MiB ({size} bytes), expected 1 byte to 280 MiB")
    grown = resident_kib(lab.lite.pid) - before
    expect(grown < 20_000, f"the agent grew by {grown} KiB")


def resident_kib(pid):
    return next(int(line.split()[1]) for line in text(f"/proc/{pid}/status").splitlines() if line.startswith("VmRSS"))


@fault("zombie-storm", "thousands of orphans are reaped as they end: none stays, the task ends as it wants to")
def zombie_storm(lab, options):
    # Each orphan leaves a line, so that none is missing. A zombie that its parent leaves shows at the end that they are counted.
    name = lab.create("""zombies() { cat /proc/[0-9]*/status | grep -c 'State:.Z'; }
        i=0; while [ $i -lt 1500 ]; do (setsid echo >> $L.orphans &); i=$((i+1)); done
        i=0; while [ $(wc -l < $L.orphans) -lt 1500 ] && [ $i -lt 600 ]; do sleep 0.1; i=$((i+1)); done
        i=0; while [ $(zombies) != 0 ] && [ $i -lt 50 ]; do sleep 0.1; i=$((i+1)); done
        zombies > $L.z; sh -c 'true & exec sleep 30' &
        i=0; while [ $(zombies) = 0 ] && [ $i -lt 50 ]; do sleep 0.1; i=$((i+1)); done
        zombies > $L.control; exit 6""")
    pod = finish(lab, name, 6, 120)
    orphans = text(f"{lab.ledger}/{name}.orphans").count("\n")
    zombies, control = (text(f"{lab.ledger}/{name}.{what}").strip() for what in ("z", "control"))
    expect(orphans == 1500, f"{name}: {orphans} orphans ran, expected 1500")
    expect(zombies == "0", f"{name}: {zombies!r} zombies inside, expected 0")
    expect(control == "1", f"{name}: of one zombie that is there it counts {control!r}, expected 1")
    left = lab.node.members(pod["metadata"]["uid"])
    expect(not left, f"{name}: processes are left: {left}")


@fault("daemon", "what a task forks twice and leaves behind ends with it")
def daemon(lab, options):
    # The task ends only when the daemon has written twice: it lived, and on its own.
    name = lab.create("""(setsid sh -c 'trap "" TERM HUP; while :; do echo alive >> $0.daemon; sleep 0.05; done' $L &)
        until [ "$(grep -c alive $L.daemon)" -ge 2 ]; do sleep 0.05; done; exit 4""")
    pod = finish(lab, name, 4)
    said = text(f"{lab.ledger}/{name}.daemon")
    expect("alive" in said, f"{name}: its daemon wrote {said!r}, expected alive")
    left = lab.node.members(pod["metadata"]["uid"])
    expect(not left, f"{name}: the daemon lives on: {left}")
    open(f"{lab.ledger}/{name}.daemon", "w").close()
    time.sleep(0.3)  # six of its rounds: one that lives writes meanwhile
    said = text(f"{lab.ledger}/{name}.daemon")
    expect(not said, f"{name}: somebody still writes: {said!r}")


@fault("sigterm-ignored", "a task that ignores SIGTERM is killed when its grace is over, not earlier and not much later")
def sigterm_ignored(lab, options):
    name = lab.create("trap '' TERM; (trap '' TERM; sleep 600) & while :; do sleep 0.1; done", grace=3)
    lab.wait_running(name)
    uid = lab.pod(name)["metadata"]["uid"]
    begun = time.monotonic()
    lab.delete(name)
    lab.wait_gone(name, 20)
    took = time.monotonic() - begun
    expect(2.5 <= took <= 8, f"gone after {took:.1f} s, its grace was 3 s")
    expect(not lab.node.members(uid), "processes are left")


@fault("unkillable", "while a task cannot be killed (frozen) the node says so by keeping the pod, goes on with others, and ends it when it can")
def unkillable(lab, options):
    name = lab.create("sleep 600 & sleep 600")
    lab.wait_running(name)
    uid = lab.pod(name)["metadata"]["uid"]
    group = freeze(lab, uid)
    try:
        lab.delete(name, 1)
        works(lab)
        time.sleep(25 if options.long else 4)  # beyond the grace, and in the long run beyond the runtime's own patience
        expect(lab.node.members(uid), "this kernel kills what is frozen")
        expect(lab.pod(name) is not None, "the pod is gone though its task is there")
    finally:
        thaw(group)
    lab.wait_gone(name, 60)
    expect(not lab.node.members(uid), "its processes live on")


def freeze(lab, uid):
    """Stops the pod's processes so that not even SIGKILL ends them: the v1 freezer does that (v2's lets them be killed)."""
    if not os.path.isdir("/sys/fs/cgroup/freezer"):
        raise Failed("needs the v1 freezer, which this machine does not have")
    group = f"/sys/fs/cgroup/freezer/{lab.cgroup}"
    os.makedirs(group, exist_ok=True)
    supervisor = lab.node.supervisor(uid)[0]
    for pid in lab.node.members(uid) - {supervisor}:
        with open(f"{group}/cgroup.procs", "w") as file:
            file.write(str(pid))
    with open(f"{group}/freezer.state", "w") as file:
        file.write("FROZEN")
    eventually("the task is frozen", lambda: text(f"{group}/freezer.state").strip() == "FROZEN", 10)
    return group


def thaw(group):
    with open(f"{group}/freezer.state", "w") as file:
        file.write("THAWED")
    eventually("the freezer is empty", lambda: not text(f"{group}/cgroup.procs").strip() or None, 30)
    os.rmdir(group)


@fault("cgroup-busy", "a cgroup that somebody else has put a group and a process into holds nobody up, and goes when it can")
def cgroup_busy(lab, options):
    name = lab.create("sleep 600")
    lab.wait_running(name)
    uid = lab.pod(name)["metadata"]["uid"]
    stranger = subprocess.Popen(["sleep", "600"])
    try:
        for directory in {path for path in lab.node.groups(uid) if path.endswith("/c_0")}:
            os.makedirs(f"{directory}/foreign", exist_ok=True)
            with open(f"{directory}/foreign/cgroup.procs", "w") as file:
                file.write(str(stranger.pid))
        lab.delete(name, 0)
        works(lab)
    finally:
        stranger.kill()
        stranger.wait()
    lab.wait_gone(name, 40)


@fault("mount-busy", "a mount or directory of a pod that somebody holds open does not keep the pod, and goes when it is let go")
def mount_busy(lab, options):
    volume = {"volumes": [{"name": "ledger", "persistentVolumeClaim": {"claimName": "ledger"}}, {"name": "m", "emptyDir": {"medium": "Memory"}}]}
    name = lab.create("echo x > x; echo x > /tmp/x; sleep 600", work="/work", **volume)
    lab.wait_running(name)
    uid = lab.pod(name)["metadata"]["uid"]
    mounted = f"{lab.node.state}/pods/{uid}/volumes/m"
    expect(mounted in [line.split()[4] for line in lab.node.mounts()], f"{mounted} is no mount, expected the volume in memory")
    # Whoever stands in a place that is not there fails to start: none is left out.
    holders = [subprocess.Popen(["sleep", "600"], cwd=place) for place in (mounted, os.path.dirname(mounted), lab.node.work(uid))]
    try:
        lab.delete(name, 0)
        works(lab)
        held = [holder.pid for holder in holders if holder.poll() is None]
        expect(len(held) == 3, f"{len(held)} of 3 holders of the places of {name} live")
    finally:
        for holder in holders:
            holder.kill()
            holder.wait()
    lab.wait_gone(name, 40)


@fault("supervisor-kill", "a supervisor that is killed takes its task along: 137, SupervisorLost, nothing runs on; Always starts it anew, once")
def supervisor_kill(lab, options):
    neighbours = Watched(lab, 1)
    never = lab.create("sleep 600 & sleep 600")
    always = lab.create("sleep 600", restart="Always")
    pods = {name: lab.wait_running(name) for name in (never, always)}
    for pod in pods.values():
        uid = pod["metadata"]["uid"]
        task, (supervisor, _) = lab.node.task(uid), lab.node.supervisor(uid)
        os.kill(supervisor, 9)
        eventually("its task is gone", lambda: not is_alive(task), 10)  # noqa: B023  (evaluated before the next round)
    ended = finish(lab, never, 137)
    expect(terminated(ended).get("reason") == "SupervisorLost", f"reason {terminated(ended)}")
    eventually("the other runs again", lambda: lab.lines(always).count("begin") == 2, 30)
    def restarts():
        statuses = (lab.pod(always) or {}).get("status", {}).get("containerStatuses", [])
        return [status.get("restartCount") for status in statuses if status.get("state", {}).get("running")]
    eventually("its restart is counted", lambda: restarts() == [1], 20)
    neighbours.check()
