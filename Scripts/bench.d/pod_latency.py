"""Times pods from the moment their creation is asked for, as a client sees it over one watch: to Running, and to Succeeded.

usage: pod_latency.py KUBECONFIG NAMESPACE [ROUNDS]
Prints one line a figure: name, median, 90th percentile, worst (milliseconds), and removes its pods.
Only the standard library and PyYAML's subset that a Swiftlet kubeconfig uses (JSON is YAML too) are needed.
"""
import base64
import http.client
import json
import ssl
import statistics
import sys
import tempfile
import time
from urllib.parse import urlsplit

import yaml


def connect(path):
    config = yaml.safe_load(open(path))
    cluster = config["clusters"][0]["cluster"]
    user = config["users"][0]["user"]

    def material(section, name):
        if name in section:
            return section[name]
        handle = tempfile.NamedTemporaryFile(suffix=".pem", delete=False)
        handle.write(base64.b64decode(section[name + "-data"]))
        handle.close()
        return handle.name

    context = ssl.create_default_context(cafile=material(cluster, "certificate-authority"))
    context.load_cert_chain(material(user, "client-certificate"), material(user, "client-key"))
    at = urlsplit(cluster["server"])
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


def main():
    new = connect(sys.argv[1])
    namespace = sys.argv[2]
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 30
    base = f"/api/v1/namespaces/{namespace}/pods"
    calls, watch = new(), new()
    calls.request("GET", base)
    revision = json.load(calls.getresponse())["metadata"]["resourceVersion"]
    watch.request("GET", f"{base}?watch=true&resourceVersion={revision}")
    events = watch.getresponse()
    figures = {"create to Running": [], "create to Succeeded": []}
    for i in range(rounds):
        name = f"latency-{int(time.time())}-{i}"
        body = json.dumps(pod(name, namespace))
        begin = time.perf_counter()
        calls.request("POST", base, body, {"Content-Type": "application/json"})
        answer = calls.getresponse()
        text = answer.read()
        if answer.status != 201:
            sys.exit(f"create {name}: HTTP {answer.status} {text[:300]!r}")
        running = None
        while True:
            line = events.readline()
            if not line:
                sys.exit("the watch ended")
            event = json.loads(line)
            seen = event["object"]
            if seen.get("metadata", {}).get("name") != name:
                continue
            phase = seen.get("status", {}).get("phase")
            if phase == "Running" and running is None:
                running = time.perf_counter() - begin
            if phase in ("Succeeded", "Failed"):
                took = time.perf_counter() - begin
                if phase == "Failed":
                    sys.exit(f"{name}: {json.dumps(seen['status'])[:500]}")
                figures["create to Running"].append(running if running is not None else took)
                figures["create to Succeeded"].append(took)
                break
        calls.request("DELETE", f"{base}/{name}", json.dumps({"gracePeriodSeconds": 0}), {"Content-Type": "application/json"})
        calls.getresponse().read()
    for name, seconds in figures.items():
        ms = sorted(s * 1000 for s in seconds)
        print(f"{name:22} median {statistics.median(ms):8.1f} ms   p90 {ms[int(len(ms) * 0.9)]:8.1f} ms   worst {ms[-1]:8.1f} ms   n={len(ms)}")


main()
