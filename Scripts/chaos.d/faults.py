"""Area `faults`: the list of faults that concern a node, each a test. A fault is a function with a name, the promise, and what it needs."""
import sys
import time
import traceback

from lab import Failed, Lab

FAULTS = {}
# Rows of the list that are not a node's, and where they are tested.
ELSEWHERE = ["store EIO: the master's (Tests/ResourceStoreTests/StoreFaultTests)", "OCI runtime missing, hanging, printing rubbish: RunC's (Tests/RuntimeContractTests/RunCTests)"]


class Fault:
    def __init__(self, name, promise, own_lab, run):
        self.name, self.promise, self.own_lab, self.run = name, promise, own_lab, run


def fault(name, promise, own_lab=False):
    """`own_lab`: makes its own master and Lite from `options`; otherwise it gets a shared one, and leaves it as good as new."""
    def register(function):
        FAULTS[name] = Fault(name, promise, own_lab, function)
        return function
    return register


def expect(truth, what):
    if not truth:
        raise Failed(what)


class Watched:
    """Pods that run through a fault: afterwards they must be what they were."""

    def __init__(self, lab, count=2, **changes):
        self.lab = lab
        self.names = [lab.create("exec sleep 100000", **changes) for _ in range(count)]
        for name in self.names:
            lab.wait_running(name)
        self.uids = {name: lab.pod(name)["metadata"]["uid"] for name in self.names}
        self.tasks = {name: lab.node.task(uid) for name, uid in self.uids.items()}

    def check(self):
        from node import is_alive
        for name in self.names:
            pod = self.lab.pod(name)
            expect(pod is not None, f"{name} is gone")
            phase = pod["status"].get("phase")
            expect(phase == "Running", f"{name} is {phase}: {pod['status'].get('reason')} {pod['status'].get('message')}")
            expect(is_alive(self.tasks[name]), f"{name}: its process is gone though it is Running")
            expect(self.lab.lines(name).count("begin") == 1, f"{name} was begun {self.lab.lines(name).count('begin')} times")
            restarts = [status.get("restartCount", 0) for status in pod["status"].get("containerStatuses", [])]
            expect(restarts == [0], f"{name}: restart counts {restarts}")


def finish(lab, name, code, seconds=30):
    """The pod's end as the master has it; its task was begun once and its exit code is this."""
    pod = lab.wait_phase(name, "Succeeded", "Failed", seconds=seconds)
    ended = terminated(pod)
    expect(ended.get("exitCode") == code, f"{name} ended with {code}, the master says {ended} {pod['status'].get('message', '')}")
    expect(lab.lines(name).count("begin") == 1, f"{name} was begun {lab.lines(name).count('begin')} times")
    return pod


def terminated(pod):
    statuses = pod["status"].get("containerStatuses") or [{}]
    return statuses[0].get("state", {}).get("terminated") or {}


def works(lab, seconds=20):
    """The node takes and finishes another pod."""
    finish(lab, lab.create("exit 0"), 0, seconds)


def heal(lab):
    """After a fault: both processes still run, the node is ready, and all that the test made can be removed without a trace."""
    import signal
    lab.expect_alive()
    for process in (lab.master, lab.lite):
        process.signal(signal.SIGCONT)
    lab.wait_ready()
    lab.remove_pods()
    lab.wait_clean()


def chosen(options):
    import faults_control  # noqa: F401  (each registers its faults)
    import faults_machine  # noqa: F401
    import faults_tasks  # noqa: F401
    names = [name for name in options.only.split(",") if name] or list(FAULTS)
    unknown = [name for name in names if name not in FAULTS]
    if unknown:
        print(f"chaos: no fault {', '.join(unknown)}: Scripts/chaos faults --list", file=sys.stderr)
        raise SystemExit(2)
    return [FAULTS[name] for name in names]


def run(options):
    faults = chosen(options)
    if options.list:
        for one in faults:
            print(f"{one.name:20} {one.promise}")
        return 0
    survived, shared = 0, None
    try:
        for one in faults:
            begun, problem = time.monotonic(), None
            try:
                if one.own_lab:
                    one.run(options)
                else:
                    shared = shared or Lab(options.program, capacity=400, parent=options.directory).start()
                    one.run(shared, options)
                    heal(shared)
            except (Failed, OSError) as failure:
                problem = f"{failure}"
            except Exception:  # a test that breaks must not hide the others
                problem = traceback.format_exc()
            print(f"{'ok  ' if problem is None else 'FAIL'} {one.name:20} {time.monotonic() - begun:5.1f} s  {problem or one.promise}", flush=True)
            survived += problem is None
            if problem and not one.own_lab and shared:
                shared.close(keep=options.keep)  # the next one gets a lab without this one's traces
                shared = None
    finally:
        if shared:
            shared.close(keep=options.keep)
    print(f"chaos: {survived} of {len(faults)} survived")
    if not options.only:
        print("".join(f"chaos: not here: {line}\n" for line in ELSEWHERE), end="")
    return 0 if survived == len(faults) else 1
