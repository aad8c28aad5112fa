"""A master and a Lite as processes of their own, with a directory, port and cgroups of this run; both may be killed and started again."""
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "bench.d"))
import pods  # noqa: E402  (the benchmarks' client of the API)
from node import Node, text  # noqa: E402

DOMAIN = "alice"
MASTER = """mode: master
domainID: kuscia-master
logLevel: WARN
swiftlet:
  stateDirectory: {directory}/master
  listenAddress: 127.0.0.1
  port: {port}
"""
LITE = """mode: lite
domainID: {domain}
logLevel: INFO
liteDeployToken: {token}
masterEndpoint: https://127.0.0.1:{port}
capacity:
  cpu: "4000"
  memory: 4000Gi
  pods: "{pods}"
swiftlet:
  stateDirectory: {directory}/lite
  masterCAFile: {directory}/master/pki/ca.crt
  nodeName: {domain}
  nodeAddress: 127.0.0.1
  cgroupParent: {cgroup}
  # Logs go with their pod here, so that one that stays is a leak.
  node:
    keepLogsDays: 0
    # The kubelet's five minutes would only make a full disk's end take longer here.
    evictionPressureTransitionSeconds: 5
"""


class Failed(Exception):
    """A promise that did not hold, or a step of the test that did not come about in time."""


def eventually(what, condition, seconds=30, pause=0.05):
    """The condition's first true answer; fails when there is none in time."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failed(f"not within {seconds} s: {what}")
        time.sleep(pause)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


CRASHED = re.compile(r"^.*(Fatal error:|\*\*\* Signal \d+:|Program crashed:).*", re.MULTILINE)


class Process:
    """One of our programs; its output goes to a file that grows over its lives."""

    def __init__(self, words, log, environment=None):
        self.words, self.log = words, log
        self.environment = dict(os.environ, **(environment or {}))
        self.process, self.begun = None, 0  # where this life begins in the log

    def start(self):
        if self.lives:
            raise Failed(f"{self.title} is to be started, found it alive (pid {self.pid}), expected it to have ended")
        with open(self.log, "ab") as log:
            self.begun = log.seek(0, os.SEEK_END)
            self.process = subprocess.Popen(self.words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment)

    @property
    def title(self):
        return f"{os.path.basename(self.words[0])} {self.words[1]} ({os.path.basename(self.log)})"

    @property
    def pid(self):
        return self.process.pid

    @property
    def lives(self):
        return self.process is not None and self.process.poll() is None

    def expect_alive(self):
        """Who ended by itself is never started again in silence: that would hide a crash."""
        if not self.lives:
            code = self.process.returncode if self.process else "none, never started"
            raise Failed(f"{self.title} ended by itself: exit status {code}, expected it to be alive:\n{self.tail()}")
        # Swift's runtime writes its backtrace for some ten seconds before the process ends.
        if crash := CRASHED.search(self.log_since(self.begun)):
            raise Failed(f"{self.title} crashed, found in its log \"{crash.group()}\", expected it to be alive")

    def signal(self, number):
        self.expect_alive()
        self.process.send_signal(number)

    def kill(self, may_be_dead=False):
        """`may_be_dead`: the fault means it to have ended by itself, or this is the cleaning up."""
        if self.lives or not may_be_dead:
            self.signal(signal.SIGKILL)
            self.process.wait()

    def stop(self, seconds=90):
        self.signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill(may_be_dead=True)
            raise Failed(f"{self.title} had not stopped {seconds} s after SIGTERM") from None

    def log_size(self):
        """For `log_since`: where the log ends now."""
        return os.path.getsize(self.log)

    def log_since(self, size):
        with open(self.log, "rb") as file:
            file.seek(size)
            return file.read().decode(errors="replace")

    def tail(self, lines=15):
        return "\n".join(text(self.log).splitlines()[-lines:])


class Lab:
    def __init__(self, program, capacity=110, parent=None):
        self.program = program
        self.directory = tempfile.mkdtemp(prefix="swiftlet-chaos.", dir=parent or "/var/tmp")
        os.chmod(self.directory, 0o711)
        self.cgroup = f"swiftlet-chaos.{self.directory[-8:]}"
        self.port = free_port()
        self.capacity = capacity
        self.node = Node(f"{self.directory}/lite", self.cgroup)
        self._write("master.yaml", MASTER.format(directory=self.directory, port=self.port))
        self.master = Process([program, "master", "--config", f"{self.directory}/master.yaml"], f"{self.directory}/master.log")
        self.lite = Process([program, "lite", "--config", f"{self.directory}/lite.yaml"], f"{self.directory}/lite.log")
        self.counter = 0

    def _write(self, name, content):
        with open(f"{self.directory}/{name}", "w") as file:
            file.write(content)

    # ---- processes

    def start(self):
        self.master.start()
        eventually("the master's kubeconfig", lambda: os.path.exists(self.kubeconfig) and self.serves(), 60)
        self.connect = pods.connect(self.kubeconfig)
        self.configure_lite()
        os.makedirs(self.ledger, exist_ok=True)
        self.lite.start()
        self.wait_ready()
        return self

    def configure_lite(self, port=None):
        self._write("lite.yaml", LITE.format(directory=self.directory, port=port or self.port, domain=DOMAIN, token=self.token(), pods=self.capacity,
                                             cgroup=self.cgroup))

    def token(self):
        words = [self.program, "token", DOMAIN, "--create", "--kubeconfig", self.kubeconfig]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60)
        if done.returncode:
            raise Failed(f"swiftlet token: {done.stderr}")
        return done.stdout.strip()

    @property
    def kubeconfig(self):
        return f"{self.directory}/master/admin.kubeconfig"

    @property
    def ledger(self):
        """The claim in which every task of this run writes when it begins and ends."""
        return f"{self.directory}/lite/volumes/{DOMAIN}/ledger"

    def serves(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    def is_ready(self, node=DOMAIN):
        try:
            seen = self.get(f"/api/v1/nodes/{node}")
        except (OSError, Failed):
            return False
        return any(c["type"] == "Ready" and c["status"] == "True" for c in seen.get("status", {}).get("conditions", []))

    def wait_ready(self, seconds=60):
        eventually("the node is ready", self.is_ready, seconds)

    # ---- the API

    def call(self, method, path, body=None, accept=(200, 201, 202), kind="application/json"):
        """The answer's object; a connection of its own, as masters come and go here."""
        connection = self.connect()
        try:
            connection.request(method, path, None if body is None else json.dumps(body), {"Content-Type": kind})
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        if answer.status not in accept:
            raise Failed(f"{method} {path}: HTTP {answer.status} {content[:300]!r}")
        return json.loads(content)

    def get(self, path):
        return self.call("GET", path)

    @property
    def base(self):
        return f"/api/v1/namespaces/{DOMAIN}/pods"

    def pods(self):
        return {pod["metadata"]["name"]: pod for pod in self.get(self.base)["items"]}

    def pod(self, name):
        """None when there is none."""
        answer = self.call("GET", f"{self.base}/{name}", accept=(200, 404))
        return None if answer.get("kind") == "Status" else answer

    def create(self, script, name=None, **changes):
        """A pod of one container `c` that runs a shell script; its name."""
        self.counter += 1
        name = name or f"p{self.counter}"
        self.call("POST", self.base, manifest(name, script, **changes))
        return name

    def delete(self, name, grace=None):
        body = {} if grace is None else {"gracePeriodSeconds": grace}
        self.call("DELETE", f"{self.base}/{name}", body, accept=(200, 202, 404))

    def wait_phase(self, name, *phases, seconds=30):
        def found():
            pod = self.pod(name)
            return pod if pod and pod.get("status", {}).get("phase") in phases else None
        return eventually(f"pod {name} is {' or '.join(phases)}", found, seconds)

    def wait_running(self, name, seconds=30):
        pod = self.wait_phase(name, "Running", seconds=seconds)
        eventually(f"{name} has begun", lambda: self.lines(name), seconds)
        return pod

    def wait_gone(self, name, seconds=30):
        eventually(f"pod {name} is gone", lambda: self.pod(name) is None, seconds)

    def lines(self, name):
        """What the task of that name wrote in the ledger."""
        return text(f"{self.ledger}/{name}").split()

    # ---- the end

    def expect_alive(self):
        for process in (self.master, self.lite):
            process.expect_alive()

    def remove_pods(self, seconds=60):
        self.expect_alive()  # here, as it is the last step of every fault, of those with a lab of their own too
        for name in self.pods():
            self.delete(name, 0)
        eventually("every pod is gone", lambda: not self.pods(), seconds)

    def wait_clean(self, seconds=30):
        """Nothing of any pod is on the machine any more."""
        try:
            eventually("nothing is left", lambda: not self.node.remains(), seconds)
        except Failed:
            raise Failed(f"left behind: {'; '.join(self.node.remains()[:6])}") from None

    def close(self, keep=False):
        """Ends everything that this lab started, however the test went."""
        for process in (self.lite, self.master):
            if process.lives:
                process.signal(signal.SIGCONT)
            process.kill(may_be_dead=True)
        for pid in self.node.members() | set(self.node.supervisors()) | set(self.node.processes()):
            if pid != os.getpid():
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        try:
            eventually("its processes are gone", lambda: not self.node.members(), 20)
        except Failed as failure:
            print(f"chaos: {failure}", file=sys.stderr)
        for line in self.node.mounts():
            subprocess.run(["umount", "-l", line.split()[4]], check=False, stderr=subprocess.DEVNULL)
        for directory in sorted(self.node.groups(), key=len, reverse=True):
            try:
                os.rmdir(directory)
            except OSError:
                pass
        if keep:
            print(f"chaos: kept {self.directory}", file=sys.stderr)
        else:
            self.node.remove_records()
            shutil.rmtree(self.directory, ignore_errors=True)


def manifest(name, script, restart="Never", grace=2, limits=None, init=None, labels=None, work=None, secret=None, **spec):
    """Every task says in the ledger when it begins; `script` may say more ($L is its line of the ledger).
    `work`: its working directory, for which the node keeps a place on its disk; `secret`: a Secret that it sees as a volume,
    which the node keeps in memory."""
    def container(container_name, words):
        return {"name": container_name, "image": "host:latest", "command": ["/bin/sh", "-c", f"L=/ledger/{name}; {words}"],
                "resources": {"limits": dict({"memory": "256Mi", "cpu": "1"}, **(limits or {}))},
                "volumeMounts": [{"name": "ledger", "mountPath": "/ledger"}]}
    body = {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": DOMAIN, "labels": labels or {}},
        "spec": dict({
            "restartPolicy": restart, "terminationGracePeriodSeconds": grace,
            "tolerations": [{"operator": "Exists"}],
            "initContainers": [container("i", init)] if init else [],
            "containers": [container("c", f"echo begin >> $L; {script}")],
            "volumes": [{"name": "ledger", "persistentVolumeClaim": {"claimName": "ledger"}}],
        }, **spec),
    }
    if work:
        body["spec"]["containers"][0]["workingDir"] = work
    if secret:
        body["spec"]["containers"][0]["volumeMounts"].append({"name": "secret", "mountPath": "/secret", "readOnly": True})
        body["spec"]["volumes"].append({"name": "secret", "secret": {"secretName": secret}})
    return body


def phase(pod):
    return pod.get("status", {}).get("phase", "Pending")


class Witness(threading.Thread):
    """Watches every pod over all lives of the master, and notes what must never be seen."""

    def __init__(self, lab):
        super().__init__(daemon=True)
        self.lab, self.over = lab, False
        self.last, self.wrong, self.problems = {}, [], []

    def run(self):
        while not self.over:
            try:
                self._follow()
            except (OSError, http.client.HTTPException):
                time.sleep(0.1)  # a connection that broke; whether it saw everything nevertheless `blind` says
            except Exception as failure:  # a thread that dies would have seen nothing wrong
                self.problems.append(f"witness: {type(failure).__name__} {failure}")
                time.sleep(0.1)  # lest one that fails at once fills the list

    def blind(self, known):
        """Pods that it has not seen as they are now; `known`: as the master has them."""
        seen = {name: self.last.get(pod["metadata"]["uid"], {}).get("phase", "nothing of it") for name, pod in known.items()}
        return [f"{name}: is {phase(pod)}, the witness saw {seen[name]}"
                for name, pod in known.items() if seen[name] != phase(pod)]

    def _follow(self):
        listed = self.lab.get(self.lab.base)
        for pod in listed["items"]:
            self._see(pod)
        connection = self.lab.connect()
        try:
            connection.request("GET", f"{self.lab.base}?watch=true&resourceVersion={listed['metadata']['resourceVersion']}&timeoutSeconds=20")
            answer = connection.getresponse()
            while not self.over:
                line = answer.readline()
                if not line:
                    return
                event = json.loads(line)
                if event["type"] in ("ADDED", "MODIFIED"):
                    self._see(event["object"])
        finally:
            connection.close()

    def _see(self, pod):
        uid, name = pod["metadata"]["uid"], pod["metadata"]["name"]
        now = phase(pod)
        facts = {"phase": now, "containers": {}}
        for status in pod.get("status", {}).get("containerStatuses", []):
            running = status.get("state", {}).get("running", {}).get("startedAt")
            facts["containers"][status["name"]] = (running, status.get("restartCount", 0))
        before = self.last.get(uid)
        self.last[uid] = facts
        if before is None:
            return
        if before["phase"] in ("Succeeded", "Failed") and now != before["phase"]:
            self.wrong.append(f"{name}: {before['phase']}, then {now}")
        if before["phase"] == "Running" and now == "Pending":
            self.wrong.append(f"{name}: Running, then Pending")
        if pod["spec"]["restartPolicy"] != "Never":
            return
        for container, (running, count) in facts["containers"].items():
            earlier = before["containers"].get(container, (None, 0))
            if count:
                self.wrong.append(f"{name}: {container} restarted {count} times")
            if running and earlier[0] and running != earlier[0]:
                self.wrong.append(f"{name}: {container} started at {earlier[0]}, then at {running}")
