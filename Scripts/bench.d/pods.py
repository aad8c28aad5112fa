"""Times pods from the moment their creation is asked for, as a client sees it over one watch: to Running, and to Succeeded."""
import base64
import http.client
import json
import os
import re
import ssl
import tempfile
import time
from urllib.parse import urlsplit

from wire import Wire


def connect(path):
    """What makes a connection to the one cluster of a kubeconfig, as the one user in it. Its keys are looked for by name: no YAML reader."""
    text = open(path).read()

    def field(name):
        found = re.search(rf'^[ "-]*{name}"?: *"?([^"\s,]+)', text, re.MULTILINE)
        return found and found.group(1)

    def material(name):
        if field(name):
            return os.path.join(os.path.dirname(path), field(name))
        handle = tempfile.NamedTemporaryFile(suffix=".pem", delete=False)
        handle.write(base64.b64decode(field(name + "-data")))
        handle.close()
        return handle.name

    files = [material(name) for name in ("certificate-authority", "client-certificate", "client-key")]
    context = ssl.create_default_context(cafile=files[0])
    context.load_cert_chain(*files[1:])
    for file in files:
        if file.startswith(tempfile.gettempdir()):
            os.unlink(file)
    at = urlsplit(field("server"))
    return lambda: http.client.HTTPSConnection(at.hostname, at.port, context=context, timeout=60)


def pod(name, namespace):
    return {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "restartPolicy": "Never", "terminationGracePeriodSeconds": 1,
            "tolerations": [{"key": "kuscia.secretflow/agent", "operator": "Exists", "effect": "NoSchedule"}],
            "containers": [{"name": "c", "image": "host:latest", "command": ["/bin/true"],
                            "resources": {"limits": {"memory": "64Mi", "cpu": "500m"}}}],
        },
    }


def measure(new, namespace, rounds):
    """(seconds to Running, seconds to Succeeded) of each pod, one after the other; the pods are removed."""
    base = f"/api/v1/namespaces/{namespace}/pods"
    calls, watch = Wire(new), Wire(new)
    _, listed = calls.exchange("GET", base)
    events = watch.watch(f"{base}?watch=true&resourceVersion={json.loads(listed)['metadata']['resourceVersion']}")
    figures = []
    for i in range(rounds):
        name = f"latency-{int(time.time())}-{i}"
        body = json.dumps(pod(name, namespace)).encode()
        begin = time.perf_counter()
        status, answer = calls.exchange("POST", base, body)
        if status != 201:
            raise RuntimeError(f"create {name}: HTTP {status} {answer[:300]!r}")
        figures.append(follow(events, name, begin))
        calls.exchange("DELETE", f"{base}/{name}", b'{"gracePeriodSeconds": 0}')
    calls.close()
    watch.close()
    return figures


def follow(events, name, begin):
    running = None
    for seen, phase in events:
        took = time.perf_counter() - begin
        if seen != name:
            continue
        if phase == "Running" and running is None:
            running = took
        if phase == "Failed":
            raise RuntimeError(f"{name}: Failed")
        if phase == "Succeeded":
            return running if running is not None else took, took
    raise RuntimeError(f"{name}: the watch ended")
