"""Requests as real clients send them, as values; every mutation begins with one of them."""
import base64
import json

POD = {
    "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "labels": {"app": "web"}, "annotations": {"a": "b"}},
    "spec": {"containers": [{
        "name": "c", "image": "app:1", "command": ["sleep", "1"], "env": [{"name": "A", "value": "b"}],
        "ports": [{"containerPort": 80, "name": "http", "protocol": "TCP"}],
        "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"cpu": "1", "memory": "1Gi"}},
        "volumeMounts": [{"name": "v", "mountPath": "/v"}]}],
        "volumes": [{"name": "v", "emptyDir": {}}], "nodeSelector": {"a": "b"}, "terminationGracePeriodSeconds": 1,
        "tolerations": [{"key": "k", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5}]},
}
NODE = {
    "apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}, "spec": {"taints": [{"key": "k", "effect": "NoSchedule"}]},
    "status": {"conditions": [{"type": "Ready", "status": "True"}], "capacity": {"cpu": "4"}, "addresses": [{"type": "InternalIP", "address": "1.2.3.4"}]},
}
EVENT = {
    "apiVersion": "v1", "kind": "Event", "metadata": {"generateName": "e."}, "involvedObject": {"kind": "Pod", "name": "web", "namespace": "default"},
    "reason": "R", "message": "m", "type": "Normal", "count": 1, "firstTimestamp": "2026-01-01T00:00:00Z", "lastTimestamp": "2026-01-01T00:00:00Z",
}
LEASE = {
    "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "l"},
    "spec": {"holderIdentity": "n", "leaseDurationSeconds": 40, "renewTime": "2026-01-01T00:00:00.000000Z"},
}
IMAGE = {
    "apiVersion": "kuscia.secretflow/v1alpha1", "kind": "AppImage", "metadata": {"name": "e"},
    "spec": {"image": {"name": "e", "tag": "1"}, "deployTemplates": [
        {"name": "m", "spec": {"restartPolicy": "Never", "containers": [{"name": "m", "command": ["true"]}]}}]},
}
JOB = {
    "apiVersion": "kuscia.secretflow/v1alpha1", "kind": "KusciaJob", "metadata": {"name": "j"},
    "spec": {"initiator": "alice", "maxParallelism": 2, "scheduleMode": "Strict", "tasks": [
        {"taskID": "t", "alias": "t", "appImage": "e", "parties": [{"domainID": "alice"}], "taskInputConfig": "{}", "dependencies": []}]},
}
ROLE = {
    "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "r"},
    "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}],
}
REQUEST = {
    "apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": {"name": "c"},
    "spec": {"request": base64.b64encode(b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n").decode(),
             "signerName": "kubernetes.io/kube-apiserver-client", "usages": ["client auth"], "expirationSeconds": 3600},
}
QUOTA = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q"}, "spec": {"hard": {"pods": "1000", "requests.cpu": "1000"}}}
CLAIM = {
    "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "p"},
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "storageClassName": "local"},
}
VOLUME = {
    "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "p"},
    "spec": {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}, "hostPath": {"path": "/data"}},
}
SLICE = {
    "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": {"name": "s"}, "addressType": "IPv4",
    "endpoints": [{"addresses": ["1.2.3.4"]}], "ports": [{"port": 80, "name": "http"}],
}
LIMITS = {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "l"}, "spec": {"limits": [{"type": "Container", "default": {"cpu": "1"}, "max": {"cpu": "2"}}]}}
TASK = {
    "apiVersion": "kuscia.secretflow/v1alpha1", "kind": "KusciaTask", "metadata": {"name": "t"},
    "spec": {"initiator": "alice", "taskInputConfig": "{}", "parties": [{"domainID": "alice", "appImageRef": "e"}]},
}
ACCESS = {
    "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
    "spec": {"resourceAttributes": {"verb": "get", "resource": "pods", "namespace": "default"}},
}
SERVICE = {
    "apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"},
    "spec": {"selector": {"a": "b"}, "ports": [{"port": 80, "targetPort": "http", "protocol": "TCP"}], "clusterIP": "None"},
}
CONFIG = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m", "finalizers": [], "ownerReferences": []}, "data": {"k": "v"}, "binaryData": {"b": "AAEC"}}
SECRET = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "type": "Opaque", "data": {"k": "dg=="}, "stringData": {"x": "y"}}
PATCH_SETS = {
    "metadata": {"labels": {"$retainKeys": ["a"], "x": None}, "annotations": {"$patch": "replace", "y": "z"}},
    "spec": {"$setElementOrder/containers": [{"name": "c"}], "containers": [{"name": "c", "image": "app:2"}, {"$patch": "delete", "name": "d"}],
             "$deleteFromPrimitiveList/finalizers": ["x"]},
}
JSON_PATCH = [
    {"op": "test", "path": "/metadata/name", "value": "web"}, {"op": "add", "path": "/metadata/labels/~1a~0b", "value": "c"},
    {"op": "copy", "from": "/metadata/labels/app", "path": "/metadata/annotations/x"}, {"op": "move", "from": "/metadata/annotations/x", "path": "/metadata/annotations/y"},
    {"op": "remove", "path": "/spec/containers/0/env/0"}, {"op": "add", "path": "/spec/containers/-", "value": {"name": "z", "image": "z"}},
]
PROTOBUF = b"k8s\x00" + bytes.fromhex("0a0f0a02763112094e616d6573706163651214") + bytes.fromhex("0a120a0474656d701200") + b"\x1a\x00\x22\x00"

PODS = "/api/v1/namespaces/default/pods"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
DISCOVERY = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"


class Seed:
    """A request before it becomes bytes: `body` is a value (JSON) or bytes."""

    def __init__(self, method, path, query=(), body=None, media="application/json", accept="application/json", headers=()):
        self.method, self.path, self.query, self.body = method, path, list(query), body
        self.media, self.accept, self.headers = media, accept, list(headers)

    def copy(self):
        seed = Seed(self.method, self.path, self.query, self.body, self.media, self.accept, self.headers)
        if isinstance(self.body, (dict, list)):
            seed.body = json.loads(json.dumps(self.body))
        return seed

    def payload(self):
        if self.body is None or isinstance(self.body, bytes):
            return self.body or b""
        return json.dumps(self.body, allow_nan=True).encode("utf-8", "surrogatepass")

    def encode(self, payload=None):
        payload = self.payload() if payload is None else payload
        target = self.path + ("?" + "&".join(f"{name}={value}" for name, value in self.query) if self.query else "")
        lines = [f"{self.method} {target} HTTP/1.1", "Host: 127.0.0.1", f"Accept: {self.accept}", "User-Agent: fuzz-api"]
        if payload or self.method in ("POST", "PUT", "PATCH"):
            lines += [f"Content-Type: {self.media}", f"Content-Length: {len(payload)}"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        return "\r\n".join(lines).encode("utf-8", "surrogatepass") + b"\r\n\r\n" + payload


def all_seeds():
    merge, strategic, operations = "application/merge-patch+json", "application/strategic-merge-patch+json", "application/json-patch+json"
    strict = [("fieldManager", "kubectl"), ("fieldValidation", "Strict")]
    return [
        Seed("GET", "/healthz"), Seed("GET", "/version"), Seed("GET", "/metrics"), Seed("GET", "/api", accept=DISCOVERY), Seed("GET", "/apis", accept=DISCOVERY),
        Seed("GET", "/api/v1"), Seed("GET", "/openapi/v3"), Seed("GET", "/openapi/v2"), Seed("GET", "/apis/coordination.k8s.io/v1"),
        Seed("GET", PODS, [("limit", "500"), ("labelSelector", "app%3Dweb,a%20in%20(b,c)"), ("fieldSelector", "status.phase!=Failed")], accept=TABLE),
        Seed("GET", "/api/v1/pods", [("limit", "1"), ("continue", "eyJ2IjoibWV0YSJ9"), ("resourceVersion", "1"), ("resourceVersionMatch", "NotOlderThan")]),
        Seed("GET", "/api/v1/events", [("watch", "true"), ("resourceVersion", "1"), ("allowWatchBookmarks", "true"), ("timeoutSeconds", "1")]),
        Seed("GET", "/api/v1/namespaces", [("watch", "1"), ("sendInitialEvents", "true"), ("resourceVersionMatch", "NotOlderThan"), ("allowWatchBookmarks", "true"), ("timeoutSeconds", "1")]),
        Seed("GET", PODS + "/web"), Seed("GET", PODS + "/web/log", [("container", "c"), ("tailLines", "5")]), Seed("GET", PODS + "/web/status"),
        Seed("POST", PODS, strict, POD), Seed("PUT", PODS + "/web", strict, POD), Seed("PUT", PODS + "/web/status", [], POD), Seed("POST", PODS, [("dryRun", "All")], POD),
        Seed("PATCH", PODS + "/web", strict, {"metadata": {"labels": {"x": "y", "z": None}}}, merge), Seed("PATCH", PODS + "/web", [], PATCH_SETS, strategic),
        Seed("PATCH", PODS + "/web", [], JSON_PATCH, operations),
        Seed("PATCH", PODS + "/web/status", [], {"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}, strategic),
        Seed("POST", PODS + "/web/binding", [], {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "web"}, "target": {"kind": "Node", "name": "n"}}),
        Seed("POST", PODS + "/web/eviction", [], {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "web"}, "deleteOptions": {"gracePeriodSeconds": 1}}),
        Seed("DELETE", PODS + "/web", [], {"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0, "propagationPolicy": "Background", "preconditions": {"uid": "x"}}),
        Seed("DELETE", PODS, [("labelSelector", "app%3Dnone")], {"kind": "DeleteOptions", "apiVersion": "v1"}),
        Seed("POST", "/api/v1/nodes", [], NODE), Seed("PATCH", "/api/v1/nodes/n/status", [], {"status": NODE["status"]}, strategic),
        Seed("POST", "/api/v1/namespaces/default/events", [], EVENT), Seed("POST", "/apis/coordination.k8s.io/v1/namespaces/default/leases", [], LEASE),
        Seed("PUT", "/apis/coordination.k8s.io/v1/namespaces/default/leases/l", [], LEASE),
        Seed("POST", "/apis/kuscia.secretflow/v1alpha1/appimages", [], IMAGE), Seed("POST", "/apis/kuscia.secretflow/v1alpha1/namespaces/cross-domain/kusciajobs", [], JOB),
        Seed("POST", "/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles", [], ROLE),
        Seed("POST", "/apis/certificates.k8s.io/v1/certificatesigningrequests", [], REQUEST),
        Seed("PUT", "/apis/certificates.k8s.io/v1/certificatesigningrequests/c/approval", [], REQUEST),
        Seed("POST", "/api/v1/namespaces/default/resourcequotas", [], QUOTA), Seed("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", [], ACCESS),
        Seed("POST", "/apis/authentication.k8s.io/v1/tokenreviews", [], {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": "a.b.c"}}),
        Seed("POST", "/api/v1/namespaces/default/serviceaccounts/default/token", [], {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": [], "expirationSeconds": 600}}),
        Seed("POST", "/api/v1/namespaces/default/services", [], SERVICE), Seed("POST", "/api/v1/namespaces/default/configmaps", [], CONFIG),
        Seed("PATCH", "/api/v1/namespaces/default/configmaps/m", [], {"data": {"k": "w"}}, merge), Seed("POST", "/api/v1/namespaces/default/secrets", [], SECRET),
        Seed("POST", "/api/v1/namespaces", [], PROTOBUF, "application/vnd.kubernetes.protobuf"), Seed("PUT", "/api/v1/namespaces/default/finalize", [], {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}, "spec": {"finalizers": []}}),
        Seed("GET", "/apis/metrics.k8s.io/v1beta1/nodes"), Seed("HEAD", "/api/v1/pods"), Seed("OPTIONS", "/api/v1/pods"), Seed("GET", "/"),
        Seed("GET", PODS + "/web/exec", [("command", "date"), ("container", "c")], headers=[("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="), ("Sec-WebSocket-Version", "13")]),
    ]
