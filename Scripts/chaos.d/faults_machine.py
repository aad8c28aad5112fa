"""Faults of the machine: its disk, its records, its clock, its restart, its numbers of processes, its certificate."""
import calendar
import mmap
import os
import struct
import subprocess
import time

from faults import Watched, expect, fault, finish, terminated, works
from lab import DOMAIN, HERE, Failed, Lab, eventually
from node import is_alive, text


class OnDisk:
    """A lab in which part of the Lite's state lies on a small file system of its own."""

    def __init__(self, options, below, megabytes):
        self.options, self.below, self.megabytes = options, below, megabytes

    def __enter__(self):
        self.lab = Lab(self.options.program, parent=self.options.directory)
        self.place = f"{self.lab.node.state}{self.below}"
        os.makedirs(self.place)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={self.megabytes}m,mode=755", "chaos", self.place], check=True)
        try:
            self.lab.start()
        except BaseException:
            self.__exit__(True)
            raise
        return self.lab, self.place

    def __exit__(self, *failure):
        try:
            if not failure[0]:
                self.lab.remove_pods()
        finally:
            # First the processes, then the mount below them, then the directory.
            self.lab.close(keep=True) if self.options.keep else self.lab.close()
            subprocess.run(["umount", "-l", self.place], check=False, stderr=subprocess.DEVNULL)
            if not self.options.keep:
                subprocess.run(["rm", "-rf", self.lab.directory], check=False)


def pressures(lab):
    node = lab.get(f"/api/v1/nodes/{DOMAIN}")
    return [one["type"] for one in node["status"]["conditions"] if one["type"].endswith("Pressure") and one["status"] == "True"]


def fill(place):
    """Every byte of the file system, but what others take while it happens."""
    with open(f"{place}/ballast", "wb", buffering=0) as file:
        def full():
            for size in (1 << 20, 4096):
                try:
                    while True:
                        file.write(b"\0" * size)
                except OSError:
                    continue
            return os.statvfs(place).f_bavail == 0  # others may give some back at any moment
        eventually(f"{place} is full (statvfs: no block is free)", full, 10)


@fault("disk-full", "the node's disk is full: what runs goes on, identity and state survive a restart of the agent, and all goes on afterwards", own_lab=True)
def disk_full(options):
    with OnDisk(options, "", 96) as (lab, place):
        # Others may be evicted: that is what a node does whose disk is full, and with records in memory a full disk does not keep it from it.
        stay, soon = Watched(lab, priorityClassName="system-node-critical"), lab.create("sleep 3; exit 7")
        lab.wait_running(soon)
        certificate = text(f"{place}/pki/node.crt")
        fill(place)
        waiting = lab.create("exit 0")
        eventually("the node tells of DiskPressure while its disk is full", lambda: "DiskPressure" in pressures(lab), 90)
        free = os.statvfs(place).f_bavail
        expect(free < 256, f"{place}: {free} blocks are free, expected fewer than 256 at the restart")
        lab.lite.kill()
        lab.lite.start()
        time.sleep(3)  # what it does on a full disk when it starts, it may do meanwhile
        os.unlink(f"{place}/ballast")
        if not lab.lite.lives:  # it may refuse to work on a full disk, if it says so; the service manager starts it again
            expect("No space left" in lab.lite.tail(30), f"the agent ended without naming the disk:\n{lab.lite.tail()}")
            lab.lite.start()
        lab.wait_ready()
        pod = lab.wait_phase(soon, "Succeeded", "Failed")
        expect(terminated(pod).get("exitCode") == 7 or pod["status"]["phase"] == "Failed", f"{soon}: {pod['status']}")
        expect(text(f"{place}/pki/node.crt") == certificate, "the node's certificate is another")
        lab.wait_phase(waiting, "Succeeded", "Failed", seconds=60)
        # The node refuses new pods for a while after a pressure, lest it swings.
        eventually("the node no longer tells of a pressure", lambda: not pressures(lab), 90)
        works(lab)
        stay.check()


@fault("log-disk-full", "the logs' disk is full: tasks run to their end with their own exit codes, and what was dropped is said", own_lab=True)
def log_disk_full(options):
    with OnDisk(options, "/logs", 4) as (lab, place):
        name = lab.create("yes 'a line of output as usual' | head -c 20M; exit 5")
        pod = finish(lab, name, 5, 60)
        expect("could not be logged" in terminated(pod).get("message", ""), f"nothing is said: {terminated(pod)}")
        fill(place)
        stay = Watched(lab, 1)
        finish(lab, lab.create("echo one line; exit 6"), 6)
        stay.check()
        os.unlink(f"{place}/ballast")


def damage(path, how):
    content = bytearray(open(path, "rb").read())
    if how == "torn":
        content = content[:len(content) // 2]
    else:
        content[len(content) // 3] ^= 0x80
    with open(path, "wb") as file:
        file.write(content)


def damaged_records(lab, how):
    """Each kind of record of one pod each: that pod may fail, and says so; the others notice nothing."""
    stay, bystander = Watched(lab, 4), Watched(lab, 1)
    size = lab.lite.log_size()
    lab.lite.kill()
    kinds = {"agent": "{state}/records/{uid}/record.json", "sandbox": "{state}/runp/pods/{uid}/sandbox.json",
             "config": "{state}/runp/pods/{uid}/c_0/config.json", "state": "{state}/runp/pods/{uid}/c_0/state.json"}
    for name, path in zip(stay.names, kinds.values()):
        damage(path.format(state=lab.node.state, uid=stay.uids[name]), how)
    lab.lite.start()
    works(lab)  # through the new agent: Ready is what the killed one said, for 40 s
    # Of a damaged state.json it says nothing: the supervisor's lock tells as much.
    said = {"agent": ("pod record ignored", "{uid}"), "sandbox": ("record cannot be read", "{uid}/sandbox.json"),
            "config": ("record cannot be read", "{uid}/c_0/config.json")}
    for name, kind in zip(stay.names, kinds):
        if kind in said:
            words = [word.format(uid=stay.uids[name]) for word in said[kind]]
            expect(any(all(word in line for word in words) for line in lab.lite.log_since(size).splitlines()),
                   f"{kind}: the agent's log has no line with {' and '.join(words)}:\n{lab.lite.log_since(size)}")
    time.sleep(2)  # what it would do wrongly to pods of damaged records it does meanwhile
    bystander.check()
    for name, kind in zip(stay.names, kinds):
        def differs(name=name):
            running, phase = is_alive(stay.tasks[name]), lab.pod(name)["status"]["phase"]
            words = "runs" if running else "does not run"
            return running != (phase == "Running") and f"{name}: the master says {phase}, its task {words}"
        try:
            eventually(f"{kind}: the master says what is", lambda: not differs(), 20)  # noqa: B023
        except Failed as failure:
            raise Failed(f"{failure}: {differs()}") from None
        expect(lab.lines(name).count("begin") == 1, f"{kind}: {name} begun {lab.lines(name).count('begin')} times, expected once")
    works(lab)
    for name in stay.names:
        lab.delete(name, 0)
        lab.wait_gone(name)
        task = stay.tasks[name]
        eventually(f"the task of {name} is gone too", lambda: not is_alive(task), 20)  # noqa: B023


@fault("torn-record", "a record that was cut off costs at most its own pod")
def torn_record(lab, options):
    damaged_records(lab, "torn")


@fault("flipped-byte", "a record with a changed byte costs at most its own pod")
def flipped_byte(lab, options):
    damaged_records(lab, "flipped")


def rewrite(path, changes):
    import json
    record = json.loads(text(path))
    record.update(changes)
    with open(path, "w") as file:
        json.dump(record, file, separators=(",", ":"))


@fault("pid-reuse", "a process that got a dead supervisor's number is neither followed nor signalled")
def pid_reuse(lab, options):
    name = lab.create("sleep 600")
    lab.wait_running(name)
    uid = lab.pod(name)["metadata"]["uid"]
    supervisor, task = lab.node.supervisor(uid), lab.node.task(uid)
    lab.lite.kill()
    os.kill(supervisor[0], 9)
    eventually("its task is gone", lambda: not is_alive(task), 10)
    innocent = subprocess.Popen(["sleep", "600"])
    try:
        # The numbers are now another's; the start times are still the dead ones'.
        rewrite(f"{lab.node.state}/runp/pods/{uid}/c_0/state.json", {"supervisorPid": innocent.pid, "pid": innocent.pid})
        lab.lite.start()
        finish(lab, name, 137)
        lab.delete(name, 0)
        lab.wait_gone(name)
        expect(innocent.poll() is None, "the other process was ended")
    finally:
        innocent.kill()
        innocent.wait()


@fault("reboot", "after a restart of the machine records are not taken for running tasks: Never fails once, Always is started again, once")
def reboot(lab, options):
    never, always, done = lab.create("sleep 600"), lab.create("sleep 600", restart="Always"), lab.create("exit 7")
    finish(lab, done, 7)
    uids = {name: lab.wait_running(name)["metadata"]["uid"] for name in (never, always)}
    lab.lite.kill()
    for uid in uids.values():
        path = f"{lab.node.state}/runp/pods/{uid}/c_0/state.json"
        before = text(path)
        supervisor, task = lab.node.supervisor(uid), lab.node.task(uid)
        os.kill(supervisor[0], 9)
        eventually("its task is gone", lambda: not is_alive(task), 10)  # noqa: B023
        with open(path, "w") as file:
            file.write(before)
        rewrite(path, {"bootId": "00000000-0000-0000-0000-000000000000"})
    lab.lite.start()
    pod = lab.wait_phase(never, "Failed")
    expect(terminated(pod).get("reason") == "ContainerStatusUnknown", f"{terminated(pod)}")
    expect(lab.lines(never).count("begin") == 1, f"{never} was begun again")
    eventually("Always runs again", lambda: lab.lines(always).count("begin") == 2, 40)
    finish(lab, done, 7)
    time.sleep(1)
    expect(lab.lines(always).count("begin") == 2, "Always was begun more than once more")


@fault("old-state", "records of another version of the agent: what runs goes on, is told of, and can be removed")
def old_state(lab, options):
    stay = Watched(lab)
    size = lab.lite.log_size()
    lab.lite.kill()
    first, second = stay.names
    rewrite(f"{lab.node.state}/records/{stay.uids[first]}/record.json", {"version": 0})
    os.unlink(f"{lab.node.state}/records/{stay.uids[second]}/record.json")
    lab.lite.start()
    works(lab)  # through the new agent: Ready is what the killed one said, for 40 s
    said = [line for line in lab.lite.log_since(size).splitlines() if "pod record ignored" in line and stay.uids[first] in line]
    expect(said and "of another version" in said[0], f"{first}: the log says {said}, expected its record to be ignored")
    time.sleep(2)  # what it would do wrongly to such pods it does meanwhile
    stay.check()
    works(lab)


@fault("clock", "the node's clock is an hour ahead, an hour behind, at 1970: nothing restarts or is lost, and it works when the clock is right", own_lab=True)
def clock(options):
    lab = Lab(options.program, parent=options.directory)
    library, file = f"{lab.directory}/clock.so", f"{lab.directory}/clock"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, f"{HERE}/clock.c", "-ldl"], check=True)
    with open(file, "wb") as handle:
        handle.write(struct.pack("q", 0))
    lab.lite.environment.update(LD_PRELOAD=library, CHAOS_CLOCK=file)
    try:
        lab.start()
        stay = Watched(lab)
        for offset in (3600, -3600, -int(time.time())):
            set_clock(file, offset)
            soon = lab.create("exit 7") if abs(offset) == 3600 else None
            time.sleep(3)  # for what it does by the clock: leases, heartbeats, timers
            if soon:
                expect_shift(finish(lab, soon, 7), offset)
            size = lab.lite.log_size()
            lab.lite.kill()
            lab.lite.start()
            wanted = hours(offset)
            eventually(f"the agent that starts with {offset} s has a line of {' or '.join(wanted)} h in its log",
                       lambda: wanted & {line[:13] for line in lab.lite.log_since(size).splitlines()}, 20)  # noqa: B023
            time.sleep(3)  # the same for the agent that began with that clock
            stay.check()
            set_clock(file, 0)
            eventually("the agent is back", lambda: revive(lab) and lab.is_ready(), 60)
            works(lab, 60)
            stay.check()
        lab.remove_pods()
        lab.wait_clean()
    finally:
        lab.close(keep=options.keep)


def expect_shift(pod, offset):
    """The agent wrote its start by a clock that is off. (When its task began the launcher says, which has no other clock.)"""
    found = pod["status"].get("startTime")
    seen = calendar.timegm(time.strptime(found, "%Y-%m-%dT%H:%M:%SZ")) - time.time()
    expect(abs(seen - offset) < 600, f"{pod['metadata']['name']}: its startTime {found} is {seen:.0f} s off, expected {offset} s")


def hours(offset):
    """How lines of the log begin whose clock is off by this: of this hour there or of the one before."""
    return {time.strftime("%Y-%m-%d %H", time.gmtime(max(0, time.time() + offset - ago))) for ago in (0, 300)}


def revive(lab):
    """As a service manager does: an agent that could not start is started again."""
    if not lab.lite.lives:
        lab.lite.start()
    return True


def set_clock(path, seconds):
    with open(path, "r+b") as file, mmap.mmap(file.fileno(), 8) as page:
        page[:8] = struct.pack("q", seconds)


@fault("certificate", "the node's certificate is over: tasks go on, the agent says what it needs, and with a new token it is back", own_lab=True)
def certificate(options):
    lab = Lab(options.program, parent=options.directory)
    try:
        lab.start()
        stay = Watched(lab)
        lab.lite.kill()
        expire(lab)
        lab._write("lite.yaml", text(f"{lab.directory}/lite.yaml").replace("liteDeployToken", "#liteDeployToken"))
        lab.lite.start()
        eventually("the agent ends", lambda: not lab.lite.lives, 30)
        expect("certificate" in lab.lite.tail() and "token" in lab.lite.tail(), f"it does not say why:\n{lab.lite.tail()}")
        for task in stay.tasks.values():
            expect(is_alive(task), "a task ended")
        lab.configure_lite()
        lab.lite.start()
        works(lab)  # through the new agent: Ready is what the killed one said, for 40 s
        stay.check()
        lab.remove_pods()
        lab.wait_clean()
    finally:
        lab.close(keep=options.keep)


def expire(lab):
    """The same names and key, signed by the same authority, and over since an hour."""
    pki, own = f"{lab.directory}/master/pki", f"{lab.node.state}/pki"
    script = f"""set -e; cd {lab.directory}; mkdir -p ca; : > ca/index; echo 7777 > ca/serial
        openssl req -new -key {own}/node.key -subj "$(openssl x509 -in {own}/node.crt -noout -subject -nameopt compat | sed 's/^subject=//')" -out ca/csr
        printf '[ca]\\ndefault_ca=d\\n[d]\\ndatabase=ca/index\\nserial=ca/serial\\nnew_certs_dir=ca\\ndefault_md=sha256\\npolicy=p\\n[p]\\ncommonName=supplied\\norganizationName=optional\\n' > ca/cnf
        openssl ca -batch -config ca/cnf -cert {pki}/ca.crt -keyfile {pki}/ca.key -in ca/csr -out ca/crt -notext \
            -startdate "$(date -u -d '2 hours ago' +%Y%m%d%H%M%SZ)" -enddate "$(date -u -d '1 hour ago' +%Y%m%d%H%M%SZ)"
        cp ca/crt {own}/node.crt"""
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True)
    if done.returncode:
        raise OSError(f"the expired certificate was not made: {done.stderr[-400:]}")
