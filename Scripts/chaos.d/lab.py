"""A master and a Lite as processes of their own, with a directory, port and cgroups of this run; both may be killed and started again."""
import json
import os
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


class Process:
    """One of our programs; its output goes to a file that grows over its lives."""

    def __init__(self, words, log, environment=None):
        self.words, self.log = words, log
        self.environment = dict(os.environ, **(environment or {}))
        self.process = None

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment)

    @property
    def pid(self):
        return self.process.pid

    @property
    def lives(self):
        return self.process is not None and self.process.poll() is None

    def signal(self, number):
        if self.lives:
            self.process.send_signal(number)

    def kill(self):
        self.signal(signal.SIGKILL)
        if self.process:
            self.process.wait()

    def stop(self, seconds=90):
        self.signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds) if self.process else 0
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failed(f"{self.words[1]} had not stopped {seconds} s after SIGTERM") from None

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

    def remove_pods(self, seconds=60):
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
            process.signal(signal.SIGCONT)
            process.kill()
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


def manifest(name, script, restart="Never", grace=2, limits=None, init=None, labels=None, **spec):
    """Every task says in the ledger when it begins; `script` may say more ($L is its line of the ledger)."""
    def container(container_name, words):
        return {"name": container_name, "image": "host:latest", "command": ["/bin/sh", "-c", f"L=/ledger/{name}; {words}"],
                "resources": {"limits": dict({"memory": "256Mi", "cpu": "1"}, **(limits or {}))},
                "volumeMounts": [{"name": "ledger", "mountPath": "/ledger"}]}
    return {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": DOMAIN, "labels": labels or {}},
        "spec": dict({
            "restartPolicy": restart, "terminationGracePeriodSeconds": grace,
            "tolerations": [{"operator": "Exists"}],
            "initContainers": [container("i", init)] if init else [],
            "containers": [container("c", f"echo begin >> $L; {script}")],
            "volumes": [{"name": "ledger", "persistentVolumeClaim": {"claimName": "ledger"}}],
        }, **spec),
    }


class Witness(threading.Thread):
    """Watches every pod over all lives of the master, and notes what must never be seen."""

    def __init__(self, lab):
        super().__init__(daemon=True)
        self.lab, self.over = lab, False
        self.last, self.wrong = {}, []

    def run(self):
        while not self.over:
            try:
                self._follow()
            except (OSError, ValueError, Failed, KeyError):
                time.sleep(0.1)

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
        phase = pod.get("status", {}).get("phase", "Pending")
        facts = {"phase": phase, "containers": {}}
        for status in pod.get("status", {}).get("containerStatuses", []):
            running = status.get("state", {}).get("running", {}).get("startedAt")
            facts["containers"][status["name"]] = (running, status.get("restartCount", 0))
        before = self.last.get(uid)
        self.last[uid] = facts
        if before is None:
            return
        if before["phase"] in ("Succeeded", "Failed") and phase != before["phase"]:
            self.wrong.append(f"{name}: {before['phase']}, then {phase}")
        if before["phase"] == "Running" and phase == "Pending":
            self.wrong.append(f"{name}: Running, then Pending")
        if pod["spec"]["restartPolicy"] != "Never":
            return
        for container, (running, count) in facts["containers"].items():
            earlier = before["containers"].get(container, (None, 0))
            if count:
                self.wrong.append(f"{name}: {container} restarted {count} times")
            if running and earlier[0] and running != earlier[0]:
                self.wrong.append(f"{name}: {container} started at {earlier[0]}, then at {running}")
