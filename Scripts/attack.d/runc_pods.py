"""The column `runc-pod`: the attack programs as pods of RuntimeClass runc, on a master and a Lite of their own."""
import glob
import json
import os
import time

import pods_lab
import sandboxes

LIMITS = {"memory": "96Mi", "cpu": "500m", "ephemeral-storage": "32Mi"}
BEGIN = 60  # s: a pod is placed, fetched and begun on a machine that has much to do
GONE = 60  # s


class Node(pods_lab.PodLab):
    """A node that shares the programs and the read-only place of the attacks, with small logs and few processes a container."""

    def configure_lite(self, port=None):
        super().configure_lite(port)
        with open(f"{self.directory}/lite.yaml") as file:
            text = file.read()
        text = text.replace(f'hostPaths: ["{self.targets.programs}"', f'hostPaths: ["{self.targets.readonly}", "{self.targets.programs}"')
        text += f"    podPidsLimit: {sandboxes.TASKS}\n"
        self._write("lite.yaml", "logrotate: {maxFiles: 2, maxFileSizeMB: 1}\n" + text)

    def kept(self, uid):
        """Bytes on disk of a pod's logs."""
        return sum(os.path.getsize(name) for name in glob.glob(f"{self.directory}/lite/logs/pods/*{uid}/*/*"))


class RunCPod(sandboxes.Sandbox):
    """A pod without network or privileges under RunC with runc; nothing but the runtime class says so."""

    name, ours, limited = "runc-pod", True, True

    def __init__(self, lab):
        super().__init__(lab)
        self.node = None

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

    def manifest(self, number, words, limit):
        targets = self.lab.targets
        mounts = {"attack": ("/attack", targets.programs), "readonly": ("/readonly", targets.readonly)}
        return {
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": f"attack-{number}", "namespace": pods_lab.cluster.DOMAIN, "annotations": {"kuscia.secretflow/network": "none"}},
            "spec": {
                "runtimeClassName": "runc", "restartPolicy": "Never", "terminationGracePeriodSeconds": 1, "tolerations": [{"operator": "Exists"}],
                **({"activeDeadlineSeconds": limit} if limit else {}),
                "containers": [{"name": "c", "image": "host:latest", "command": ["/attack/probe", "/attack/context", "sandbox", *words],
                                "resources": {"limits": LIMITS},
                                "volumeMounts": [{"name": name, "mountPath": path, "readOnly": True} for name, (path, _) in mounts.items()]}],
                "volumes": [{"name": name, "hostPath": {"path": source}} for name, (_, source) in mounts.items()],
            },
        }

    def run(self, words, seconds=90, limit=None):
        node, number = self.start()
        name = node.call("POST", node.base, self.manifest(number, words, limit))["metadata"]["name"]
        uid = node.pod(name)["metadata"]["uid"]
        status, begun, deadline = {}, None, time.monotonic() + BEGIN
        while status.get("phase") not in ("Succeeded", "Failed") and time.monotonic() < deadline:
            time.sleep(0.1)
            status = node.pod(name)["status"]
            if begun is None and status.get("phase") == "Running":
                begun = time.monotonic()
                deadline = begun + seconds
        end, printed, kept = time.monotonic(), node.log(uid), node.kept(uid)
        late = status.get("phase") not in ("Succeeded", "Failed")
        node.delete(name)
        try:
            node.wait_gone(name, GONE)
        except pods_lab.cluster.Failed:
            late = True
        state = next((row.get("state", {}) for row in status.get("containerStatuses", [])), {})
        done = sandboxes.Run(printed, state.get("terminated", {}).get("exitCode", -1), end - (begun or end), kept, late)
        done.text += " " + json.dumps({key: status.get(key) for key in ("phase", "reason", "message")} | state)
        return done

    def places(self):
        return [self.node.directory] if self.node else []

    def clean(self):
        if self.node:
            self.node.close(keep=bool(os.environ.get("ATTACK_KEEP")))
