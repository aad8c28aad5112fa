"""Area `runk`: pods of a node with RunK run in another cluster, while its agent is killed and both ways to that cluster misbehave."""
import http.client
import json
import os
import random
import re
import threading
import time

import runk_calls
import runk_replicas
import runk_streams
from lab import DOMAIN, Failed, Lab, Process, eventually, manifest
from proxy import Server

NODE = "bob"
SHORT, LONG = (60, 6), (500, 40)  # pods, kills
PARTS = ["storm", "streams", "calls", "replicas"]
AT_ONCE = 40  # unfinished pods at a time
LITE = """mode: lite
domainID: bob
logLevel: DEBUG
liteDeployToken: {token}
masterEndpoint: https://127.0.0.1:{port}
runtime: runk
runk:
  namespace: {target}
  kubeconfigFile: {directory}/target.yaml
agent:
  provider:
    k8s:
      qps: 2000
      burst: 2000
      tolerations: [{{operator: Exists}}]
capacity: {{cpu: "4000", memory: 4000Gi, pods: "2000"}}
swiftlet:
  stateDirectory: {directory}/bob
  masterCAFile: {directory}/master/pki/ca.crt
  nodeName: bob
  nodeAddress: 127.0.0.1
  runk:
    claims: {{ledger: ledger}}
"""


class Observer(threading.Thread):
    """When each end was first to be seen, of copies and of the pods that they are copies of."""

    def __init__(self, lab):
        super().__init__(daemon=True)
        self.lab, self.over, self.ends, self.problems = lab, False, {"copy": {}, "pod": {}}, []

    def run(self):
        while not self.over:
            try:
                self._follow()
            except (OSError, http.client.HTTPException):
                time.sleep(0.1)  # a connection that broke: the next one lists first
            except Exception as failure:  # a thread that dies would see no lag
                self.problems.append(f"{type(failure).__name__} {failure}")
                time.sleep(0.1)  # lest one that fails at once fills the list

    def _follow(self):
        listed = self.lab.get("/api/v1/pods")
        for pod in listed["items"]:
            self._see(pod)
        connection = self.lab.connect()
        try:
            connection.request("GET", f"/api/v1/pods?watch=true&resourceVersion={listed['metadata']['resourceVersion']}&timeoutSeconds=60")
            answer = connection.getresponse()
            while not self.over and (line := answer.readline()):
                event = json.loads(line)
                if event["type"] in ("ADDED", "MODIFIED"):
                    self._see(event["object"])
        finally:
            connection.close()

    def _see(self, pod):
        if pod.get("status", {}).get("phase") not in ("Succeeded", "Failed"):
            return
        meta = pod["metadata"]
        if meta["namespace"] == NODE:
            self.ends["pod"].setdefault(meta["name"], time.monotonic())
        elif name := meta.get("annotations", {}).get("kuscia.secretflow/pod-name"):
            self.ends["copy"].setdefault(name, time.monotonic())

    def lags(self, names):
        found = [self.ends["pod"][n] - self.ends["copy"][n] for n in names if n in self.ends["pod"] and n in self.ends["copy"]]
        return sorted(max(0.0, lag) for lag in found)


class ClusterLab(Lab):
    """Beside the Lite whose domain is the target namespace one with RunK, which reaches it through a server that can be told to fail."""

    def start(self):
        super().start()
        self.proxy = Server(self)
        with open(self.kubeconfig) as file:
            self._write("target.yaml", re.sub(r"(https://127\.0\.0\.1):\d+", rf"\g<1>:{self.proxy.port}", file.read()))
        words = [self.program, "token", NODE, "--create", "--kubeconfig", self.kubeconfig]
        import subprocess
        done = subprocess.run(words, capture_output=True, text=True, timeout=60)
        if done.returncode:
            raise Failed(f"swiftlet token: {done.stderr}")
        self._write("bob.yaml", LITE.format(directory=self.directory, port=self.port, token=done.stdout.strip(), target=DOMAIN))
        self.bob = Process([self.program, "lite", "--config", f"{self.directory}/bob.yaml"], f"{self.directory}/bob.log")
        self.bob.start()
        eventually("the node with RunK is ready", lambda: self.is_ready(NODE), 90)
        eventually("its namespace has its account",
                   lambda: self.call("GET", f"/api/v1/namespaces/{NODE}/serviceaccounts/default", accept=(200, 404)).get("kind") == "ServiceAccount")
        return self

    def expect_alive(self):
        super().expect_alive()
        self.bob.expect_alive()

    def close(self, keep=False):
        if hasattr(self, "bob"):
            self.bob.kill(may_be_dead=True)
        if hasattr(self, "proxy"):
            self.proxy.close()
        super().close(keep)

    def submit(self, name, script, grace=2):
        pod = manifest(name, script, grace=grace, nodeName=NODE)
        pod["metadata"]["namespace"] = NODE
        self.call("POST", f"/api/v1/namespaces/{NODE}/pods", pod)

    def sources(self):
        return {pod["metadata"]["name"]: pod for pod in self.get(f"/api/v1/namespaces/{NODE}/pods")["items"]}

    def withdraw(self, name, grace=None):
        body = {} if grace is None else {"gracePeriodSeconds": grace}
        self.call("DELETE", f"/api/v1/namespaces/{NODE}/pods/{name}", body, accept=(200, 202, 404))

    def left(self):
        """What is in the target namespace of copies that should be gone."""
        found = [f"pod {name}" for name in self.pods()]
        for kind in ("configmaps", "secrets", "services"):
            listed = self.get(f"/api/v1/namespaces/{DOMAIN}/{kind}?labelSelector=kuscia.secretflow%2Fnode%3D{NODE}")["items"]
            found += [f"{kind} {one['metadata']['name']}" for one in listed]
        return found


class Campaign:
    def __init__(self, lab, count, kills, seed):
        self.lab, self.count, self.kills = lab, count, kills
        self.random = random.Random(seed)
        self.codes, self.deleted, self.killed = {}, set(), 0
        self.observer = Observer(lab)

    def calm(self, number):
        """Lag without faults first: the target is about a cluster that works."""
        self.observer.start()
        names = [f"calm{i}" for i in range(number)]
        for name in names:
            self.lab.submit(name, "sleep 0.2; exit 0")
            time.sleep(0.05)
        eventually("the calm pods have ended", lambda: self._phases(names, "Succeeded"), 120)
        eventually("both ends were seen", lambda: len(self.observer.lags(names)) == len(names), 20)
        return self.observer.lags(names)

    def _phases(self, names, *phases):
        known = self.lab.sources()
        return all(known.get(n, {}).get("status", {}).get("phase") in phases for n in names)

    def storm(self):
        proxy = self.lab.proxy
        proxy.fault = self._fault
        proxy.cut = 0.5  # seconds: shorter than a life of the agent here, or most watches would end with it
        every = max(1, self.count // self.kills)
        for number in range(self.count):
            self._wait_for_room()
            code, name = self.random.choice([0, 0, 3, 7]), f"p{number}"
            seconds = self.random.choice([0, 0.1, 0.5, 1])
            self.lab.submit(name, f"sleep {seconds}; echo end >> $L; exit {code}", grace=1)
            self.codes[name] = code
            if self.random.random() < 0.15:
                self.lab.withdraw(name, self.random.choice([0, 1, None]))
                self.deleted.add(name)
            proxy.delay = self.random.choice([0, 0, 0, 0.05])
            if number % every == every - 1:
                self.lab.bob.kill()
                self.killed += 1
                time.sleep(self.random.uniform(0, 0.5))
                self.lab.bob.start()
        deadline = time.monotonic() + 30
        # On a machine that is quick or busy the kills may have left no watch to cut: pods come until each fault was met.
        while not (proxy.refused and proxy.cuts) and time.monotonic() < deadline:
            name = f"p{len(self.codes)}"
            self.lab.submit(name, "echo end >> $L; exit 0", grace=1)
            self.codes[name] = 0
            time.sleep(0.5)  # a watch has to last before it is cut
        proxy.fault, proxy.cut, proxy.delay = None, None, 0

    def _fault(self, method, path):
        return self.random.choice([429, 500, 503]) if self.random.random() < 0.1 else None

    def _wait_for_room(self):
        def unfinished():
            return sum(1 for pod in self.lab.sources().values() if pod.get("status", {}).get("phase") not in ("Succeeded", "Failed"))
        eventually("earlier pods go on", lambda: unfinished() < AT_ONCE, 240, 0.2)

    def verdict(self):
        lab = self.lab
        staying = [n for n in self.codes if n not in self.deleted]
        try:
            eventually("every pod has ended", lambda: self._phases(staying, "Succeeded", "Failed"), 240, 0.3)
        except Failed:
            pass  # counted as lost below
        known, lost = lab.sources(), []
        for name in staying:
            pod = known.get(name)
            statuses = (pod or {}).get("status", {}).get("containerStatuses") or [{}]
            code = statuses[0].get("state", {}).get("terminated", {}).get("exitCode")
            if code != self.codes[name]:
                lost.append(f"{name}: ends with {self.codes[name]}, its status says {code} ({(pod or {}).get('status', {}).get('message', '')})")
        doubled = [f"{n}: begun {lab.lines(n).count('begin')} times" for n in self.codes if lab.lines(n).count("begin") > 1]
        lost += [f"{n}: never begun" for n in staying if not lab.lines(n)]
        for name in known:
            lab.withdraw(name, 1)
        left = []
        try:
            eventually("everything is gone", lambda: not lab.sources() and not lab.left(), 120, 0.3)
        except Failed:
            left = [f"pod {n} stays" for n in lab.sources()] + lab.left()
        return {"lost": lost, "doubled": doubled, "left behind": left}


def storm(lab, count, kills, seed):
    campaign = Campaign(lab, count, kills, seed)
    lags = campaign.calm(min(50, count))
    print(f"status lag, {len(lags)} pods without faults: p50 {lags[len(lags) // 2] * 1000:.0f} ms, p99 {lags[-1 - len(lags) // 100] * 1000:.0f} ms")
    begun = time.monotonic()
    campaign.storm()
    findings = campaign.verdict()
    lab.expect_alive()
    undone = [what for what, number in (("no call was refused", lab.proxy.refused), ("no watch was cut", lab.proxy.cuts),
                                        ("the agent was never killed", campaign.killed)) if number == 0]
    if campaign.observer.problems or not campaign.observer.is_alive():
        undone.append(f"the observer of ends failed: {campaign.observer.problems[:3] or 'it ended before it was told to'}")
    findings["not as it was meant"] = undone
    print(f"{len(campaign.codes)} pods, {campaign.killed} kills of the agent, "
          f"{lab.proxy.refused} calls refused, {lab.proxy.cuts} watches cut, "
          f"{len(campaign.deleted)} pods deleted under way, {time.monotonic() - begun:.0f} s (seed {seed})")
    for what, found in findings.items():
        print(f"  {what}: {len(found)}")
        for line in found[:10]:
            print(f"    {line}")
    lag = lags[-1 - len(lags) // 100]
    if lag > 1:
        print(f"  status lag p99 {lag:.2f} s is over 1 s")
    campaign.observer.over = True
    return not any(findings.values()) and lag <= 1


def run(options):
    count, kills = LONG if options.long else SHORT
    count, kills = options.pods or count, options.kills or kills
    lab = ClusterLab(options.program, capacity=4 * AT_ONCE, parent=options.directory)
    try:
        lab.start()
        wished = options.only.split(",") if options.only else ["storm", "replicas"] if options.short else PARTS
        chosen = [name for name in PARTS if name in wished]
        parts = {
            "storm": lambda: storm(lab, count, kills, options.seed), "calls": lambda: runk_calls.run(lab, options.short),
            "streams": lambda: runk_streams.run(lab), "replicas": lambda: runk_replicas.run(lab, 1 if options.short else 4),
        }
        # Each leaves the lab as it found it; the replicas take the agent's place and are the last.
        wrong = []
        for name in chosen:
            begun = time.monotonic()
            good = parts[name]()
            if name != "replicas":  # they take its place
                lab.expect_alive()
            if not good:
                wrong.append(name)
                print(lab.bob.tail(40))
            print(f"  {name}: {time.monotonic() - begun:.0f} s")
        return 1 if wrong else 0
    except Failed as failure:
        print(f"chaos: {failure}")
        for name in ("bob.log", "lite.log", "master.log"):
            path = f"{lab.directory}/{name}"
            if os.path.exists(path):
                with open(path, errors="replace") as file:
                    print(f"--- {name}\n" + "".join(file.readlines()[-25:]))
        return 1
    finally:
        lab.close(options.keep)
