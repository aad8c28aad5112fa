"""The column `runc-pod`: the attack programs as pods of RuntimeClass runc, on a master and a Lite of their own, given as files of the node."""
import json
import os
import threading
import time

import pods_lab
import sandboxes

LIMITS = {"memory": "96Mi", "cpu": "500m", "ephemeral-storage": "32Mi"}


class Node(pods_lab.PodLab):
    """A node that shares the programs and the read-only place of the attacks, with small logs."""

    def configure_lite(self, port=None):
        super().configure_lite(port)
        with open(f"{self.directory}/lite.yaml") as file:
            text = file.read()
        text = text.replace(f'hostPaths: ["{self.targets.programs}"', f'hostPaths: ["{self.targets.readonly}", "{self.targets.programs}"')
        self._write("lite.yaml", "logrotate: {maxFiles: 2, maxFileSizeMB: 1}\n" + text)

    def records(self, uid):
        return [json.loads(pods_lab.cluster.text(path) or "{}") for path in sorted(pods_lab.glob.glob(f"{self.directory}/lite/runc/pods/{uid}/*/state.json"))]


class RunCPod(sandboxes.Sandbox):
    """A pod without network or privileges under RunC with runc; nothing but the runtime class says so."""

    name, ours, limited = "runc-pod", True, True

    def __init__(self, lab):
        super().__init__(lab)
        self.node, self.guard = None, threading.Lock()

    def available(self):
        if not sandboxes.shutil.which("runc"):
            return "runc is not installed"
        return None if self.lab.swiftlet else "no swiftlet"

    def start(self):
        with self.guard:
            if self.node is None:
                self.node = Node(self.lab)
                self.node.start()
            self.count += 1
            return self.node, self.count

    def manifest(self, number, words):
        targets = self.lab.targets
        mounts = {"attack": ("/attack", targets.programs), "readonly": ("/readonly", targets.readonly)}
        return {
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": f"attack-{number}", "namespace": pods_lab.cluster.DOMAIN, "annotations": {"kuscia.secretflow/network": "none"}},
            "spec": {
                "runtimeClassName": "runc", "restartPolicy": "Never", "terminationGracePeriodSeconds": 1, "tolerations": [{"operator": "Exists"}],
                "containers": [{"name": "c", "image": "host:latest", "command": ["/attack/probe", "/attack/context", "sandbox", *words],
                                "resources": {"limits": LIMITS},
                                "volumeMounts": [{"name": name, "mountPath": path, "readOnly": True} for name, (path, _) in mounts.items()]}],
                "volumes": [{"name": name, "hostPath": {"path": source}} for name, (_, source) in mounts.items()],
            },
        }

    def run(self, words, seconds=90, limit=None):
        node, number = self.start()
        text = json.dumps(self.manifest(number, words))
        uid, path, begun = pods_lab.file_uid(text), f"{node.manifests}/{number}.json", time.monotonic()
        with open(path + ".part", "w") as file:
            file.write(text)
        os.rename(path + ".part", path)
        deadline = begun + (limit or seconds) + 5  # it is found, and its runtime begins
        while not node.ended(uid) and time.monotonic() < deadline:
            time.sleep(0.05)
        late = not node.ended(uid)
        record = (node.records(uid) or [{}])[-1]
        printed = node.log(uid)
        kept = sum(os.path.getsize(name) for name in pods_lab.glob.glob(f"{node.directory}/lite/logs/pods/*{uid}/*/*"))
        os.unlink(path)
        while late and not node.ended(uid) and os.path.exists(f"{node.directory}/lite/runc/pods/{uid}") and time.monotonic() < deadline + 20:
            time.sleep(0.05)
        done = sandboxes.Run(printed, record.get("exitCode", -1), time.monotonic() - begun, kept, late)
        done.text += json.dumps(record.get("error", "")) if record else f"no record of pod {uid}: see {node.directory}/lite.log"
        return done

    def clean(self):
        if self.node:
            self.node.close(keep=bool(os.environ.get("ATTACK_KEEP")))
