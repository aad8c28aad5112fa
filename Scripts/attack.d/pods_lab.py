"""A master and a Lite of their own that hostile pods are given to: through the API, and as files on the node, where no master has checked them."""
import glob
import json
import os
import re
import sys
import threading
import time

import sandboxes

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(os.path.dirname(HERE), "chaos.d"))
import lab as cluster  # noqa: E402

SENTINELS = ["host-file", "proc-root-walk", "chroot-escape", "mount-tmpfs", "capabilities", "no_new_privs", "seccomp-mode", "setuid-binary", "dev-nodes", "core_pattern",
             "ptrace-host-pid", "kill-host-pid", "signal-supervisor", "leaked-fd", "env-leak", "cgroup-write", "host-root-uid"]
LITE = cluster.LITE + """    podManifests: {directory}/manifests
    hostPaths: ["{programs}", "{directory}/open"]
"""
HOST_FACTS = ["/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname", "/proc/sys/kernel/domainname", "/proc/sys/kernel/shm_rmid_forced", "/proc/sys/vm/overcommit_memory",
              "/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv4/ip_local_port_range", "/etc/passwd", "/etc/hosts", "/etc/resolv.conf", "/etc/ld.so.preload"]
FILES = 90  # at a time: a directory with more than a hundred counts as a mistake
QUIET = 5  # s


def file_uid(text):
    """The uid that a node gives the pod of a file (AgentCore/StaticPod.swift)."""
    def hashed(basis):
        for byte in text.encode() + cluster.DOMAIN.encode():
            basis = (basis ^ byte) * 0x100000001B3 % (1 << 64)
        return f"{basis:016x}"
    digits = hashed(0xCBF29CE484222325) + hashed(0x9E3779B97F4A7C15)
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


class PodLab(cluster.Lab):
    def __init__(self, lab):
        super().__init__(lab.swiftlet, capacity=400)
        self.targets, self.items, self.listed_at = lab.targets, [], 0
        self.open, self.manifests = f"{self.directory}/open", f"{self.directory}/manifests"
        os.makedirs(self.open)
        os.makedirs(self.manifests)
        # Started as carelessly as any sandbox here: with a secret in its environment and descriptors of host files left open.
        self.lite.words = ["/bin/sh", "-c", f'exec "$@" 7<{self.targets.secret} 8<{self.targets.canary}', "sh", *self.lite.words]
        self.lite.environment["SWIFTLET_ATTACK_SECRET"] = self.targets.magic
        # What tasks of this node wrote into a directory that it shares with them.
        for name, target in (("root", "/"), ("canary", self.targets.canary), ("proc", "/proc/1/root"), ("up", ".."), ("loop", "loop")):
            os.symlink(target, f"{self.open}/{name}")

    def configure_lite(self, port=None):
        self._write("lite.yaml", LITE.format(directory=self.directory, port=self.port, domain=cluster.DOMAIN, token=self.token(), pods=self.capacity,
                                             cgroup=self.cgroup, programs=self.targets.programs))

    # What the node's own files say of a pod, whichever way it came.

    def knows(self, uid):
        return any(os.path.exists(f"{self.directory}/lite/{place}/{uid}") for place in ("pods", "records", "runp/pods")) or self.status(uid)

    def ended(self, uid):
        """Of a harmless pod: it has said what it says."""
        return "harmless" in self.log(uid)

    def standing(self, uid):
        return len(self.log(uid)), [os.path.exists(f"{self.directory}/lite/{place}/{uid}") for place in ("pods", "records", "runp/pods")], self.status(uid).get("phase")

    def status(self, uid):
        """What the API shows; empty for a pod from a file."""
        return next((pod.get("status", {}) for pod in self.listed() if pod["metadata"]["uid"] == uid), {})

    def listed(self):
        """At most twice a second."""
        if time.monotonic() - self.listed_at > 0.5:
            self.items, self.listed_at = list(self.pods().values()), time.monotonic()
        return self.items

    def reason(self, uid, status):
        records = "".join(cluster.text(f"{self.directory}/lite/records/{uid}/{name}.json") for name in ("record", "settled"))
        said = re.findall(r'"message":"((?:[^"\\\\]|\\\\.)*)"', json.dumps(status, separators=(",", ":")) + records)
        return max(said, key=len, default=status.get("phase"))

    def log(self, uid, container="*"):
        """What a pod's containers printed, without the log's own prefix."""
        rows = []
        for path in sorted(glob.glob(f"{self.directory}/lite/logs/pods/*{uid}/{container}/*.log")):
            with open(path, "rb") as file:
                rows += [row.split(" ", 3)[3] for row in file.read(1 << 20).decode(errors="replace").splitlines() if row.count(" ") >= 3]
        return "\n".join(rows)


def facts():
    found = {}
    for path in HOST_FACTS:
        try:
            with open(path) as file:
                found[path] = file.read()
        except OSError:
            found[path] = None
    return found


def manifest(name, programs, script=None):
    """A pod that is watched from inside: `script`, then the sentinels."""
    probe = ["/attack/probe", "/attack/context", "sandbox", *SENTINELS]
    return {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": cluster.DOMAIN},
        "spec": {
            "restartPolicy": "Never", "terminationGracePeriodSeconds": 1, "tolerations": [{"operator": "Exists"}],
            "containers": [{"name": "c", "image": "host:latest", "command": ["/bin/sh", "-c", f"{script}\nexec {' '.join(probe)}"] if script else probe,
                            "resources": {"limits": {"memory": "128Mi", "cpu": "1"}},
                            "volumeMounts": [{"name": "attack", "mountPath": "/attack", "readOnly": True}]}],
            "volumes": [{"name": "attack", "hostPath": {"path": programs}}],
        },
    }


class Batch:
    """All hostile pods at once, each by both ways; what became of them, by key."""

    def __init__(self, entries):
        self.entries, self.lock, self.answers, self.wrong = entries, threading.Lock(), None, ["the trial failed"]

    def answer(self, lab, key, way):
        self.try_all(lab)
        return self.answers.get((key, way), (False, "was not tried"))

    def try_all(self, lab):
        """Once; a failure of the trial itself is every attack's."""
        with self.lock:
            if self.answers is None:
                self.answers = {}
                self.answers = self.run(lab)

    def afterwards(self, lab):
        """Whether the node came through all of them."""
        self.try_all(lab)
        return not self.wrong, "; ".join(self.wrong) or "the agent lives and serves, the host is as it was, nothing stayed"

    def run(self, lab):
        answers, wrong = {}, []
        pods = PodLab(lab)
        before = facts()
        try:
            pods.start()
            agent = pods.lite.pid
            for start in range(0, len(self.entries), FILES):
                part = list(self.entries.items())[start:start + FILES]
                answers.update(self.round(pods, part))
                wrong += self.aftermath(pods, agent, before, facts())
        finally:
            pods.close(keep=bool(os.environ.get("ATTACK_KEEP")))
        self.wrong = wrong
        return answers

    def round(self, pods, part):
        answers, uids = {}, {}
        for key, entry in part:
            for way in ("api", "file"):
                pods.counter += 1
                pod = manifest(f"{way}-{pods.counter}", pods.targets.programs, entry.script)
                entry.change(pod, pods)
                answers[key, way] = self.give(pods, pod, way, pods.counter, uids, (key, way))
        self.follow(pods, uids)
        for identity, uid in uids.items():
            answers[identity] = self.judge(pods, self.entries[identity[0]], uid)
        return answers

    @staticmethod
    def give(pods, pod, way, number, uids, identity):
        text = json.dumps(pod)
        if way == "file":
            with open(f"{pods.manifests}/{number}.json", "w") as file:
                file.write(text)
            uids[identity] = file_uid(text)
            return None
        try:
            uids[identity] = pods.call("POST", pods.base, pod)["metadata"]["uid"]
        except (cluster.Failed, ConnectionError) as failure:  # of a body that is too large it reads no more
            return True, f"refused by the master: {str(failure).split('message')[-1][3:150]}"
        return None

    @staticmethod
    def follow(pods, uids):
        """Until a harmless pod has gone each way and nothing has happened to the others for a while."""
        # Another one each round: what ended never runs again.
        name = f"control-{pods.counter}"
        control = manifest(name, pods.targets.programs)
        control["spec"]["containers"][0]["command"] = ["/bin/echo", "harmless"]
        with open(f"{pods.manifests}/{name}.json", "w") as file:
            file.write(json.dumps(control))
        controls = [pods.call("POST", pods.base, control)["metadata"]["uid"], file_uid(json.dumps(control))]
        cluster.eventually("the harmless pods have ended", lambda: pods.ended(controls[0]) and pods.knows(controls[1]), 60)
        seen, since = None, time.monotonic()
        while time.monotonic() - since < QUIET:
            now = [pods.standing(uid) for uid in uids.values()]
            if now != seen:
                seen, since = now, time.monotonic()
            time.sleep(0.3)
        pods.delete(name, 0)

    @staticmethod
    def judge(pods, entry, uid):
        if not pods.knows(uid):
            return True, "refused by the node: nothing came of it"
        text, status = pods.log(uid), pods.status(uid)
        if "the host's own: " + pods.targets.magic in json.dumps(status) + text:
            return False, "a host file's content was read"
        done = sandboxes.Run(text, 0, 0, 0, False)
        bad = {name: line for name, line in done.lines.items() if line[0] in ("open", "error")}
        if bad:
            name, (verdict, detail) = next(iter(bad.items()))
            return False, f"{name} {verdict}: {detail}"
        if entry.check and (complaint := entry.check(text, status)):
            return False, complaint
        if done.lines:
            return True, f"ran, {len(done.lines)} sentinels held"
        return True, f"did not run: {pods.reason(uid, status)}"

    @staticmethod
    def aftermath(pods, agent, before, after):
        """What no pod may do, whichever it was: the agent lives and serves, the host is as it was, nothing stays."""
        wrong = [f"{path} was changed" for path in before if before[path] != after[path]]
        if not pods.lite.lives or pods.lite.pid != agent:
            return wrong + [f"the agent died: {pods.lite.tail(3)}"]
        if not pods.master.lives:
            return wrong + [f"the master died: {pods.master.tail(3)}"]
        name = pods.create("true")
        try:
            pods.wait_phase(name, "Succeeded", seconds=60)
            for file in os.listdir(pods.manifests):
                os.unlink(f"{pods.manifests}/{file}")
            pods.remove_pods(90)
            pods.wait_clean(60)
        except cluster.Failed as failure:
            wrong.append(f"afterwards: {failure}")
        return wrong
