"""Every number, amount, time and duration of every kind, from the server's own OpenAPI documents, at the ends of what its type can say
and beyond: in objects that are stored, so that controllers and scheduler meet them too."""
import copy
import random
import threading

import schema
import seeds

WORKERS = 4
DEPTH = 14
# A definition's property is tried at so many of the places where it occurs.
PLACES = 4
# So many of the objects that were made are there at a time: what looks at them has time to, and the master's memory stays bounded.
KEPT = 200

INTEGERS = [0, -1, 1, 65536, 2**31 - 1, -(2**31), 2**31, 2**53, 2**63 - 1, -(2**63), 2**63, 1e300, -0.5]
AMOUNTS = [
    "1e-143", "-1e-30", "1e-200", "9" * 38, "-" + "9" * 38, "9" * 40 + "Ei", "9" * 60 + "e-9", "0." + "0" * 45 + "1Ki", "1e200", "0", "-0", "1n", "9223372036854775807Ei", 5e-324, 1.7e308, 2**63 - 1,
    -(2**63), "1e9223372036854775807", "1e-9223372036854775808",
]
PERCENTAGES = ["2147483647%", "999999999999999999999%", "-1%", "0%", "100%", "9223372036854775807%", "-9223372036854775808%"]
TIMES = [
    "0000-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59.999999999Z", "9999-12-31T23:59:59-23:59", "0000-01-01T00:00:00+23:59", "1970-01-01T00:00:00Z",
    "2016-12-31T23:59:60Z", "292277026596-12-04T15:30:08Z", "-0001-01-01T00:00:00Z", "2026-02-30T00:00:00Z",
]
DURATIONS = ["9223372036854775807ns", "-9223372036854775808ns", "2562047h47m16.854775807s", "2562048h", "-2562048h", "1e400s", "99999999999999999999h", "0.0000000000000000001s", "0", "-1ns"]

# A pod with one of everything that holds numbers: a neighbour that is missing would have the whole object refused.
def probe():
    return {"httpGet": {"port": 80, "path": "/"}}


POD = copy.deepcopy(seeds.POD)
POD["spec"]["containers"][0] |= {
    "livenessProbe": probe(), "readinessProbe": {"tcpSocket": {"port": 80}}, "startupProbe": {"grpc": {"port": 80}}, "securityContext": {"runAsUser": 1},
    "lifecycle": {"postStart": probe(), "preStop": {"sleep": {"seconds": 1}}}}
POD["spec"] |= {
    "initContainers": [{"name": "i", "image": "app:1", "restartPolicy": "Always", "startupProbe": probe()}], "securityContext": {"fsGroup": 1, "sysctls": []}, "topologySpreadConstraints": [
        {"maxSkew": 1, "topologyKey": "k", "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {"matchLabels": {"app": "web"}}}],
    "affinity": {
        "nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "preference": {"matchExpressions": [{"key": "k", "operator": "Exists"}]}}]},
        "podAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "podAffinityTerm": {"topologyKey": "k"}}]}},
    "nodeName": "n", "volumes": [{"name": "v", "emptyDir": {"sizeLimit": "1Mi"}}, {"name": "s", "secret": {"secretName": "s", "items": [{"key": "k", "path": "k"}]}}, {"name": "c", "configMap": {"name": "c"}},
                {"name": "p", "projected": {"sources": [{"serviceAccountToken": {"path": "t", "expirationSeconds": 3600}}]}}]}

# What other objects name.
FIRST = [("POST", "/apis/kuscia.secretflow/v1alpha1/domains", {"apiVersion": "kuscia.secretflow/v1alpha1", "kind": "Domain", "metadata": {"name": "alice"}, "spec": {}}),
         ("POST", "/apis/kuscia.secretflow/v1alpha1/appimages", seeds.IMAGE),
         ("POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "odd"}})]

BASES = {kind["kind"]: kind for kind in (
    POD, seeds.NODE, seeds.EVENT, seeds.LEASE, seeds.IMAGE, seeds.JOB, seeds.ROLE, seeds.REQUEST, seeds.QUOTA, seeds.SERVICE, seeds.CONFIG, seeds.SECRET, seeds.CLAIM, seeds.VOLUME, seeds.SLICE,
    seeds.LIMITS, seeds.TASK)}
OF_ALL_DOMAINS = {"KusciaJob", "KusciaTask", "KusciaDeployment"}
# In a namespace of their own, or their odd bounds would keep out every pod.
OF_ODD = {"ResourceQuota", "LimitRange"}
# Of each only one may be there.
EXCLUSIVE = [{"exec", "httpGet", "tcpSocket", "grpc", "sleep"}, {"value", "valueFrom"}]


def values_of(definition, name):
    """The ends of a type; None: it holds no number."""
    kind, form = definition.get("type"), definition.get("format", "")
    one_of = {one.get("type") for one in definition.get("oneOf", [])}
    if name.endswith(".Quantity") or one_of == {"string", "number"}:
        return AMOUNTS
    if name.endswith(".IntOrString") or form == "int-or-string" or one_of == {"string", "integer"}:
        return INTEGERS + PERCENTAGES
    if name.endswith(".Duration"):
        return DURATIONS
    if form == "date-time":
        return TIMES
    return INTEGERS if kind in ("integer", "number") else None


class Document:
    """One group version's definitions."""

    def __init__(self, document):
        self.paths, self.definitions = document["paths"], document["components"]["schemas"]

    def resolve(self, part):
        """(definition, its name): references are sometimes wrapped to carry a default."""
        for one in (part, *part.get("allOf", [])):
            if "$ref" in one:
                name = one["$ref"].rsplit("/", 1)[1]
                return self.definitions[name], name
        return part, ""

    def leaves(self, part, path=(), above=(), owner=""):
        """(path, owner, values) of whatever holds a number; 0 in a path is a list's first element, "x" a map's only member (and "cpu" one of
        amounts)."""
        definition, name = self.resolve(part)
        values = values_of(definition, name)
        if values:
            yield path, owner, values
            return
        if name and name in above or len(path) > DEPTH:
            return
        above = above + (name,)
        for member, inner in sorted(definition.get("properties", {}).items()):
            if path or member not in ("apiVersion", "kind"):
                yield from self.leaves(inner, path + (member,), above, f"{name or owner}.{member}")
        if "items" in definition:
            yield from self.leaves(definition["items"], path + (0,), above, owner)
        if isinstance(definition.get("additionalProperties"), dict):
            is_amount = values_of(*self.resolve(definition["additionalProperties"])) is AMOUNTS
            yield from self.leaves(definition["additionalProperties"], path + (("cpu" if is_amount else "x"),), above, owner)

    def least(self, part, depth=0):
        """The least that the type asks for."""
        definition, name = self.resolve(part)
        if values_of(definition, name) is TIMES:
            return "2026-01-01T00:00:00Z"
        if "enum" in definition:
            return definition["enum"][0]
        if definition.get("type") == "object" or "properties" in definition:
            required = definition.get("required", []) if depth < 6 else []
            return {member: self.least(definition["properties"][member], depth + 1) for member in required if member in definition.get("properties", {})}
        return {"array": [], "integer": 1, "number": 1, "boolean": True}.get(definition.get("type"), "x")

    def put(self, part, body, path, value):
        """Sets the place, and makes on the way there what its neighbours need."""
        definition, _ = self.resolve(part)
        step, rest = path[0], path[1:]
        inner = definition["items"] if step == 0 else definition["additionalProperties"] if "properties" not in definition else definition["properties"][step]
        for others in EXCLUSIVE:
            for other in others - {step} if step in others else ():
                body.pop(other, None)
        if not rest:
            if step == 0:
                body[:] = [value]
            else:
                body[step] = value
            return
        if step == 0 and not body:
            body.append(self.least(inner) | ({"image": "app:1"} if {"image", "terminationMessagePath"} <= self.resolve(inner)[0].get("properties", {}).keys() else {}))
        elif step != 0 and not isinstance(body.get(step), (dict, list)):
            body[step] = [] if rest[0] == 0 else self.least(inner)
        if step == "volumes":
            body[step] = [{"name": one["name"]} if index == 0 and rest[1] not in one else one for index, one in enumerate(body[step])]
        self.put(inner, body[step], rest, value)


def inputs(documents):
    """(method, path, body) of one object after the other, each with one number changed."""
    seen = {}
    for document in documents.values():
        for path, item in sorted(document.paths.items()):
            words = item.get("post", {}).get("x-kubernetes-group-version-kind")
            if not words or "{name}" in path:
                continue
            group = f"{words['group']}/{words['version']}" if words["group"] else words["version"]
            target = path.replace("{namespace}", "cross-domain" if words["kind"] in OF_ALL_DOMAINS else "odd" if words["kind"] in OF_ODD else "default")
            part = next(iter(item["post"]["requestBody"]["content"].values()))["schema"]
            base = copy.deepcopy(BASES.get(words["kind"])) or document.least(part) | {"apiVersion": group, "kind": words["kind"]}
            for place, owner, values in document.leaves(part):
                if place[0] == "metadata" and words["kind"] != "Pod":
                    continue
                of_status = place[0] == "status" and f"{path}/{{name}}/status" in document.paths
                key = (owner, of_status)
                seen[key] = seen.get(key, 0) + 1
                if seen[key] > PLACES:
                    continue
                if place[-1] == "cpu" and words["kind"].startswith("PersistentVolume"):
                    place = (*place[:-1], "storage")
                for value in values:
                    body = copy.deepcopy(base)
                    document.put(part, body, place, value)
                    if of_status:
                        body["metadata"] = {"name": "extreme"}
                        yield "PUT", f"{target}/extreme/status", body
                    else:
                        body["metadata"] = {**body.get("metadata", {}), "name": None, "generateName": "extreme-"}
                        del body["metadata"]["name"]
                        yield "POST", target, body
            # What statuses are put to.
            yield "POST", target, base | {"metadata": {"name": "extreme"}}


def ordered(every, options):
    """What statuses are put to comes first; the short run takes some of the rest."""
    first = [one for one in every if one[0] == "POST" and one[2]["metadata"].get("name") == "extreme"]
    rest = [one for one in every if one[2]["metadata"].get("name") != "extreme" or one[0] == "PUT"]
    random.Random(options.seed).shuffle(rest)
    return FIRST + first + (rest if options.is_long else rest[:options.rounds])


def run(master, findings, options):
    from driver import Worker
    try:
        index = schema.fetch(master, "/openapi/v3")["paths"]
        documents = {name: Document(schema.fetch(master, entry["serverRelativeURL"])) for name, entry in sorted(index.items())}
    except (ValueError, KeyError, OSError) as error:
        findings.add("extremes", f"the OpenAPI documents: {error}")
        return "no documents"
    every = list(inputs(documents))
    queue, lock, statuses, made, source = iter(ordered(every, options)), threading.Lock(), {}, [], random.Random(options.seed)

    def work():
        worker = Worker(master, master.context())
        while master.is_alive():
            with lock:
                request = next(queue, None)
                old, made[:] = (made[:2], made[2:]) if len(made) > 2 * KEPT else ([], made)
            if request is None:
                break
            for method, path, body in (request, *old):
                data = seeds.Seed(method, path, [], body).encode()
                problem, status = worker.send(data)
                if not master.is_alive():
                    problem = f"the master died (status {master.process.poll()}); its last words:\n{master.log_text()}"
                if problem:
                    findings.add("extremes", problem, worker.sent or [data])
                with lock:
                    if method != "DELETE":
                        statuses[f"{status // 100}xx" if status else "closed"] = statuses.get(f"{status // 100}xx" if status else "closed", 0) + 1
                    if method == "POST" and status == 201 and worker.name:
                        # Twice: with a grace at an end of its type first.
                        made.extend(("DELETE", f"{path}/{worker.name}", {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": grace})
                                    for grace in (source.choice(INTEGERS[:-2]), 0))
        worker.drop()

    def guarded():
        try:
            work()
        except Exception as error:  # its inputs would stay unsent, and nobody would know
            findings.add("extremes", f"the fuzzer's own mistake: {error!r}")

    threads = [threading.Thread(target=guarded) for _ in range(WORKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if not statuses.get("2xx"):
        findings.add("extremes", "the server took none of the objects: nothing was tried behind its checks")
    return ", ".join([f"{len(every)} inputs"] + [f"{key} {value}" for key, value in sorted(statuses.items())])
