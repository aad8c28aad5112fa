"""Every kind of call that RunK makes goes wrong in every way, once: on the wire, between the real agent and a real server."""
import re
import threading
import time

from lab import DOMAIN, Failed, eventually, manifest

NODE = "bob"
FIRST_PORT = 18200
FAULTS = ["cut", "lost", "delay", "truncated", 410, 429, 500]
BASE = r"^/api/v1/namespaces/[^/]+"
# What it is, method, path; True: a round cannot go by without it.
CALLS = [
    ("list pods", "GET", BASE + r"/pods(\?(?!.*watch=true)|$)", True),
    ("watch pods", "GET", BASE + r"/pods\?.*watch=true", True),
    ("create pod", "POST", BASE + r"/pods($|\?)", True),
    ("get pod", "GET", BASE + r"/pods/[^/?]+$", True),
    ("patch pod", "PATCH", BASE + r"/pods/[^/?]+", True),
    ("delete pod", "DELETE", BASE + r"/pods/[^/?]+", True),
    ("create configmap", "POST", BASE + r"/configmaps", True),
    ("list configmaps", "GET", BASE + r"/configmaps\?", True),
    ("get configmap", "GET", BASE + r"/configmaps/", False),
    ("patch configmap", "PATCH", BASE + r"/configmaps/", False),
    ("delete configmap", "DELETE", BASE + r"/configmaps/", True),
    ("create secret", "POST", BASE + r"/secrets", True),
    ("patch secret", "PATCH", BASE + r"/secrets/", False),
    ("create service", "POST", BASE + r"/services", True),
    ("patch service", "PATCH", BASE + r"/services/", False),
    ("list events", "GET", BASE + r"/events\?(?!.*watch=true)", True),
    ("watch events", "GET", BASE + r"/events\?.*watch=true", True),
    ("get namespace", "GET", BASE + r"$", True),
    ("list metrics", "GET", r"^/apis/metrics\.k8s\.io/", False),
]


class Plan:
    """Which call goes wrong next, and how: each once."""

    def __init__(self):
        self.waiting, self.met, self.lock = {}, 0, threading.Lock()

    def arm(self, fault):
        with self.lock:
            for name, *_ in CALLS:
                self.waiting.setdefault(name, []).append(fault)

    def __call__(self, method, path):
        with self.lock:
            for name, verb, pattern, _ in CALLS:
                if verb == method and re.search(pattern, path):
                    if self.waiting.get(name):
                        self.met += 1
                        return self.waiting[name].pop(0)
                    return None
        return None

    def unmet(self, needed):
        with self.lock:
            return [f"{name}: {fault}" for name, _, _, isNeeded in CALLS if isNeeded or not needed for fault in self.waiting.get(name, [])]


def pod(name, script, port):
    """`port`: its own, as pods of a node without a network of their own share the machine's."""
    body = manifest(name, script, grace=1, nodeName=NODE)
    body["metadata"]["namespace"] = NODE
    container = body["spec"]["containers"][0]
    container["ports"] = [{"name": "p", "containerPort": port}]
    container["volumeMounts"].append({"name": "settings", "mountPath": "/settings"})
    container["envFrom"] = [{"secretRef": {"name": "key"}}]
    body["spec"]["volumes"].append({"name": "settings", "configMap": {"name": "settings"}})
    return body


class Calls:
    def __init__(self, lab):
        self.lab, self.plan, self.codes, self.staying = lab, Plan(), {}, []
        self.withdrawn, self.wrong, self.compared = set(), [], 0

    def prepare(self):
        base = f"/api/v1/namespaces/{NODE}"
        for kind, name, data in [("configmaps", "settings", "data"), ("secrets", "key", "stringData")]:
            self.lab.call("POST", f"{base}/{kind}", {"metadata": {"name": name}, data: {"WORD": "x"}})

    def run(self):
        self.prepare()
        self.lab.proxy.fault = self.plan
        for number, fault in enumerate(FAULTS):
            self.round(number, fault)
        base = f"/api/v1/namespaces/{NODE}/pods"
        for name in self.staying:  # labels follow: patches of copies
            self.lab.call("PATCH", f"{base}/{name}", {"metadata": {"labels": {"told": "later"}}}, kind="application/merge-patch+json")
        self.wait_for_ends()
        self.compare_codes()
        self.wait_for_labels()
        for name in list(self.codes) + self.staying:
            self.lab.withdraw(name, 1)
        try:
            eventually("everything is gone", lambda: not self.lab.sources() and not self.lab.left(), 120, 0.3)
            self.wait_for_faults()
        finally:
            self.lab.proxy.fault = None
        return self.verdict()

    def wait_for_faults(self):
        """Some calls, as that for the namespace, the agent makes once in a while: the last one may be still to come."""
        try:
            eventually("every call has met its faults", lambda: not self.plan.unmet(True), 60, 0.2)
        except Failed:
            pass  # the verdict names them

    def round(self, number, fault):
        """Another life of the agent, so that it lists, watches and sweeps again."""
        self.plan.arm(fault)
        self.lab.bob.kill()
        self.lab.bob.start()
        for i, code in enumerate((0, 4)):
            self.codes[f"c{number}-{i}"] = code
            self.lab.call("POST", f"/api/v1/namespaces/{NODE}/pods", pod(f"c{number}-{i}", f"echo end >> $L; exit {code}", FIRST_PORT + 3 * number + i))
        name = f"s{number}"
        self.staying.append(name)
        self.lab.call("POST", f"/api/v1/namespaces/{NODE}/pods", pod(name, "sleep 1000", FIRST_PORT + 3 * number + 2))
        if number:
            self.withdrawn.add(f"c{number - 1}-0")
            self.lab.withdraw(f"c{number - 1}-0", 1)
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline and len(self.plan.unmet(True)) > 4:
            time.sleep(0.1)  # a round's calls; those that are left meet their fault later

    def wait_for_ends(self):
        def ended():
            known = self.lab.sources()
            # Who was withdrawn may be gone; nobody else.
            ending = [n for n in self.codes if n in known or n not in self.withdrawn]
            return all(known.get(n, {}).get("status", {}).get("phase") in ("Succeeded", "Failed") for n in ending) and all(
                known.get(n, {}).get("status", {}).get("phase") == "Running" for n in self.staying)
        try:
            eventually("every pod ends or runs, as it should", ended, 180, 0.3)
        except Failed as failure:
            known = self.lab.sources()
            copies = {p["metadata"]["annotations"].get("kuscia.secretflow/pod-name"): p["status"].get("phase") for p in self.lab.pods().values()}
            states = [f"{n} (copy {copies.get(n)}, {self.lab.lines(n)}) {known.get(n, {}).get('status', {}).get('phase')} {known.get(n, {}).get('status', {}).get('message', '')}" for n in
                      list(self.codes) + self.staying]
            raise Failed("; ".join([str(failure), *states])) from None

    def compare_codes(self):
        """Of each pod that was not withdrawn: its program's own code, and the phase that follows from it."""
        known = self.lab.sources()
        for name, code in self.codes.items():
            if name in self.withdrawn:
                continue
            status = known.get(name, {}).get("status", {})
            found = (status.get("containerStatuses") or [{}])[0].get("state", {}).get("terminated", {}).get("exitCode")
            phase = "Failed" if code else "Succeeded"
            if found != code or status.get("phase") != phase:
                self.wrong.append(f"{name}: its status says {found}, {status.get('phase')} {status.get('message', '')}; "
                                  f"expected {code}, {phase}")
            self.compared += 1

    def wait_for_labels(self):
        def told():
            copies = [pod for pod in self.lab.pods().values()
                      if pod["metadata"].get("annotations", {}).get("kuscia.secretflow/pod-name") in self.staying]
            told = [pod for pod in copies if pod["metadata"].get("labels", {}).get("told") == "later"]
            return len(told) == len(copies) == len(self.staying)
        eventually("labels followed", told, 60, 0.2)

    def verdict(self):
        lab, wrong = self.lab, self.wrong
        if self.compared != len(FAULTS) + 1:  # the second of each round, and the first of the last one
            wrong.append(f"exit codes of {self.compared} pods were compared, expected {len(FAULTS) + 1}")
        for name in list(self.codes) + self.staying:
            begun = lab.lines(name).count("begin")
            deleted_early = name in self.withdrawn  # perhaps before it began
            if begun != 1 and not (begun == 0 and deleted_early):
                wrong.append(f"{name}: begun {begun} times")
        wrong += [f"never met: {line}" for line in self.plan.unmet(True)]
        print(f"{self.plan.met} calls of {len(CALLS)} kinds went wrong in {len(FAULTS)} ways; not met: {', '.join(self.plan.unmet(False)) or 'none'}")
        for line in wrong:
            print(f"    {line}")
        return not wrong


REFUSALS = [
    # What the server says, and what the pod says then.
    ("AdmissionDenied", 125, {"reason": "Forbidden", "code": 403, "message": 'admission webhook "policy.example.org" denied the request: no team label'}),
    ("Invalid", 125, {"reason": "Invalid", "code": 422, "message": 'Pod "x" is invalid: spec.containers[0].image: Required value'}),
    ("QuotaExceeded", None, {"reason": "Forbidden", "code": 403, "message": "pods \"x\" is forbidden: exceeded quota: team, requested: pods=1"}),
    ("NamespaceTerminating", None, {"reason": "Forbidden", "code": 403, "message": "unable to create new content in namespace alice",
                                    "details": {"causes": [{"reason": "NamespaceTerminating", "message": "namespace alice is being terminated"}]}}),
    ("NamespaceNotFound", None, {"reason": "NotFound", "code": 404, "message": 'namespaces "alice" not found'}),
    ("Unauthorized", None, {"reason": "Unauthorized", "code": 401, "message": "Unauthorized"}),
]


class Refusals:
    """What a cluster answers that will not have a pod, now or ever: said in its own words; what may change is waited for."""

    def __init__(self, lab):
        self.lab, self.answer, self.wrong, self.lock = lab, None, [], threading.Lock()

    def fault(self, method, path):
        with self.lock:
            return self.answer if self.answer and method == "POST" and re.search(CALLS[2][2], path) else None

    def run(self):
        self.lab.proxy.fault = self.fault
        try:
            for number, (reason, code, answer) in enumerate(REFUSALS):
                self.one(f"refused{number}", reason, code, dict(answer, kind="Status", apiVersion="v1", status="Failure", metadata={}))
        finally:
            self.lab.proxy.fault = None
        eventually("everything is gone", lambda: not self.lab.sources() and not self.lab.left(), 60, 0.3)
        print(f"{len(REFUSALS)} refusals of a pod: {len(self.wrong)} told wrongly")
        for line in self.wrong:
            print(f"    {line}")
        return not self.wrong

    def one(self, name, reason, code, answer):
        with self.lock:
            self.answer = answer
        self.lab.submit(name, "exit 0", grace=1)

        def status():
            return self.lab.sources().get(name, {}).get("status", {})
        eventually(f"{name} says {reason}", lambda: status().get("reason") == reason and answer["message"] in status().get("message", ""), 60)
        with self.lock:
            self.answer = None  # what may change has changed
        if code:
            eventually(f"{name} failed", lambda: status().get("phase") == "Failed", 30)
            found = [c["state"].get("terminated", {}).get("exitCode") for c in status().get("containerStatuses", [])]
            if found != [code] or self.lab.lines(name):
                self.wrong.append(f"{name}, {reason}: exit codes {found}, begun {len(self.lab.lines(name))} times")
        else:
            eventually(f"{name} runs when it may", lambda: status().get("phase") == "Succeeded", 60)
            if self.lab.lines(name).count("begin") != 1:
                self.wrong.append(f"{name}, {reason}: begun {self.lab.lines(name).count('begin')} times")
        self.lab.withdraw(name, 0)


def absence(lab):
    """The agent is away for long: a pod that is deleted meanwhile leaves an orphan, another ends; both are seen to when it comes."""
    lab.submit("orphan", "sleep 1000", grace=1)
    lab.submit("ends", "sleep 1; exit 7", grace=1)
    for name in ("orphan", "ends"):
        eventually(f"{name} has begun", lambda name=name: lab.lines(name), 60)
    lab.bob.kill()
    lab.withdraw("orphan", 0)
    eventually("its object is gone", lambda: "orphan" not in lab.sources(), 30)

    def copy_of(name):
        return next((p for p in lab.pods().values() if p["metadata"].get("annotations", {}).get("kuscia.secretflow/pod-name") == name), None)
    eventually("the other has ended in the cluster", lambda: (copy_of("ends") or {}).get("status", {}).get("phase") == "Failed", 60)
    orphaned = copy_of("orphan") is not None
    lab.bob.start()
    eventually("its end is told", lambda: lab.sources()["ends"].get("status", {}).get("phase") == "Failed", 60)
    eventually("the orphan is gone", lambda: copy_of("orphan") is None, 60)
    code = lab.sources()["ends"]["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"]
    begun = [lab.lines(name).count("begin") for name in ("orphan", "ends")]
    lab.withdraw("ends", 0)
    eventually("everything is gone", lambda: not lab.sources() and not lab.left(), 60, 0.3)
    held = orphaned and code == 7 and begun == [1, 1]
    print(f"an absence: {'the orphan ended, the end was told' if held else f'wrong: orphan {orphaned}, code {code}, begun {begun}'}")
    return held


def away(lab):
    """A cluster that answers nothing but 503 is a condition of the node, with its reason; the node stays Ready, and it passes."""
    def condition(kind):
        conditions = lab.get(f"/api/v1/nodes/{NODE}").get("status", {}).get("conditions", [])
        return next((c for c in conditions if c["type"] == kind), {})
    lab.proxy.fault = lambda method, path: 503
    try:
        eventually("the node says that the cluster is away", lambda: condition("ClusterReachable").get("status") == "False", 120, 0.5)
        found, ready = condition("ClusterReachable"), condition("Ready")
        held = found.get("reason") == "ClusterFailing" and ready.get("status") == "True" and "ClusterReachable" in ready.get("message", "")
    finally:
        lab.proxy.fault = None
    eventually("and that it is back", lambda: condition("ClusterReachable").get("status") == "True", 120, 0.5)
    print(f"the cluster away: {'told' if held else f'not told: {found} {ready}'}")
    return held


def run(lab, short):
    try:
        held = Calls(lab).run()
        held = Refusals(lab).run() and held
        held = absence(lab) and held
        return held if short else away(lab) and held
    except Failed as failure:
        print(f"  {failure}")
        return False
