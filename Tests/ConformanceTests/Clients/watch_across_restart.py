"""The official Python client against a master that is killed and started again while it watches.

Creates, lists, patches, watches and deletes with the typed and the dynamic client, as a certificate and as a token's holder.
The watch goes on from the last resourceVersion that it saw: no event may be missed, none may come twice.
Talks to the test that started it by lines: prints `KILL` and waits on a file until the master is back.

Usage: watch_across_restart.py KUBECONFIG DIRECTORY
"""
import json
import os
import sys
import threading
import time

import urllib3
from kubernetes import client, config, dynamic, watch
from kubernetes.client.exceptions import ApiException

NAMESPACE = "default"
ROUNDS = 3
WRITES = 60
DEADLINE = 60.0


class Failure(Exception):
    """A promise that did not hold."""


def fail(message):
    if threading.current_thread() is not threading.main_thread():
        print("FAILED: in a thread:", message, flush=True)
        os._exit(1)  # an exception would end the thread alone
    raise Failure(message)


def expect(condition, message):
    if not condition:
        fail(message)


def refused(call, status, reason):
    try:
        call()
    except ApiException as error:
        # A watch's ERROR event comes without a body: its words are the reason's.
        body = json.loads(error.body) if error.body else {"kind": "Status", "reason": (error.reason or "").split(":")[0], "message": error.reason}
        expect(error.status == status, f"expected {status}, found {error.status}: {error.body}")
        expect(body["kind"] == "Status" and body["reason"] == reason, f"expected reason {reason}: {error.body}")
        return body
    fail(f"expected a refusal: {status} {reason}")


class Recorder(threading.Thread):
    """Watches config maps with a label; keeps every event; goes on from the last revision whenever the connection breaks."""

    def __init__(self, api, revision):
        super().__init__(daemon=True)
        self.api, self.revision, self.events, self.breaks, self.done = api, revision, [], 0, False

    def run(self):
        while not self.done:
            stream = watch.Watch()
            try:
                for event in stream.stream(
                    self.api.list_namespaced_config_map, NAMESPACE, label_selector="suite=restart",
                    resource_version=self.revision, timeout_seconds=30, allow_watch_bookmarks=True, _request_timeout=40,
                ):
                    if event["type"] == "BOOKMARK":
                        self.revision = event["raw_object"]["metadata"]["resourceVersion"]
                        continue
                    expect(event["type"] in ("ADDED", "MODIFIED", "DELETED"), f"an event of type {event['type']}: {event}")
                    item = event["object"]
                    self.revision = item.metadata.resource_version
                    self.events.append((event["type"], item.metadata.name, (item.data or {}).get("n"), int(self.revision)))
                    if self.done:
                        return
            except ApiException as error:
                if error.status not in (429, 503):
                    fail(f"the watch was refused: {error.status} {error.body}")
                self.breaks += 1
            except (urllib3.exceptions.HTTPError, OSError):
                self.breaks += 1
            time.sleep(0.05)  # between two tries to connect


def again(call, what):
    """A call, repeated while the master is away; a write that was cut off may have happened: 409 and 404 then say so."""
    deadline = time.monotonic() + DEADLINE
    cut = False
    while True:
        try:
            return call()
        except (urllib3.exceptions.HTTPError, OSError) as error:
            cut = True
            if time.monotonic() > deadline:
                fail(f"{what}: {error}")
            time.sleep(0.05)  # between two tries
        except ApiException as error:
            if cut and error.status in (404, 409):
                return None
            if error.status not in (429, 503):
                fail(f"{what}: {error.status} {error.body}")
            time.sleep(0.05)


def restart_master(directory, number):
    print(f"KILL {number}", flush=True)
    path = f"{directory}/restarted-{number}"
    deadline = time.monotonic() + DEADLINE
    while not os.path.exists(path):
        expect(time.monotonic() < deadline, "the master did not come back")
        time.sleep(0.02)  # between two looks


def resumed_watch(api, directory):
    """The heart: writes before, during and after each restart; then every write is found once, in order."""
    first = api.list_namespaced_config_map(NAMESPACE, label_selector="suite=restart")
    recorder = Recorder(api, first.metadata.resource_version)
    recorder.start()
    for round_number in range(ROUNDS):
        killer = threading.Thread(target=restart_master, args=(directory, round_number))
        for n in range(WRITES):
            if n == WRITES // 3:
                killer.start()
            name = f"r{round_number}-{n % 20}"
            if n < 20:
                body = client.V1ConfigMap(metadata=client.V1ObjectMeta(name=name, labels={"suite": "restart"}), data={"n": str(n)})
                again(lambda: api.create_namespaced_config_map(NAMESPACE, body), f"create {name}")
            elif n < 40:
                again(lambda: api.patch_namespaced_config_map(name, NAMESPACE, {"data": {"n": str(n)}}), f"patch {name}")
            else:
                again(lambda: api.delete_namespaced_config_map(name, NAMESPACE), f"delete {name}")
        killer.join()
    total = ROUNDS * WRITES
    deadline = time.monotonic() + DEADLINE
    while len(recorder.events) < total and time.monotonic() < deadline:
        time.sleep(0.02)  # between two looks
    time.sleep(0.5)  # room for an event that should not come
    recorder.done = True
    check_events(recorder.events, total)
    print(f"OK watch: {len(recorder.events)} events over {ROUNDS} restarts, {recorder.breaks} broken connections", flush=True)


def check_events(events, total):
    revisions = [event[3] for event in events]
    expect(revisions == sorted(revisions), f"revisions go backwards: {revisions}")
    expect(len(set(revisions)) == len(revisions), f"an event came twice: {events}")
    wanted = []
    for round_number in range(ROUNDS):
        for n in range(WRITES):
            kind = "ADDED" if n < 20 else "MODIFIED" if n < 40 else "DELETED"
            wanted.append((kind, f"r{round_number}-{n % 20}", str(n) if n < 40 else str(n - 20)))
    seen = [event[:3] for event in events]
    missing = [event for event in wanted if event not in seen]
    surplus = [event for event in seen if event not in wanted]
    expect(not missing and not surplus and len(seen) == total, f"missing {missing[:5]}, surplus {surplus[:5]}, {len(seen)} of {total}")
    expect(seen == wanted, "the events came in another order than the writes")


def informer(api):
    """List in pages, then watch from the list's revision, as an informer does: the cache equals the server's state."""
    for n in range(25):
        again(lambda: api.create_namespaced_secret(NAMESPACE, client.V1Secret(
            metadata=client.V1ObjectMeta(name=f"page-{n:02}", labels={"suite": "informer"}), string_data={"n": str(n)})), "create")
    cache, token = {}, None
    pages = 0
    while True:
        page = api.list_namespaced_secret(NAMESPACE, label_selector="suite=informer", limit=10, _continue=token)
        pages += 1
        for item in page.items:
            expect(item.metadata.name not in cache, f"{item.metadata.name} is on two pages")
            cache[item.metadata.name] = item.metadata.resource_version
        token = page.metadata._continue
        if not token:
            break
    expect(pages == 3 and len(cache) == 25, f"{pages} pages with {len(cache)} objects")
    api.patch_namespaced_secret("page-03", NAMESPACE, {"metadata": {"annotations": {"changed": "yes"}}})
    api.delete_namespaced_secret("page-04", NAMESPACE)
    api.patch_namespaced_secret("page-05", NAMESPACE, {"metadata": {"labels": {"suite": "other"}}})
    kinds = []
    stream = watch.Watch()
    for event in stream.stream(
        api.list_namespaced_secret, NAMESPACE, label_selector="suite=informer", resource_version=page.metadata.resource_version, timeout_seconds=20,
    ):
        kinds.append((event["type"], event["object"].metadata.name))
        if event["type"] == "DELETED":
            cache.pop(event["object"].metadata.name, None)
        else:
            cache[event["object"].metadata.name] = event["object"].metadata.resource_version
        if len(kinds) == 3:
            stream.stop()
    # What leaves a selection by its labels is DELETED for that watch.
    expect(kinds == [("MODIFIED", "page-03"), ("DELETED", "page-04"), ("DELETED", "page-05")], f"{kinds}")
    now = {item.metadata.name: item.metadata.resource_version for item in api.list_namespaced_secret(NAMESPACE, label_selector="suite=informer").items}
    expect(now == cache, "the informer's cache is not what the server holds")
    status = api.delete_collection_namespaced_secret(NAMESPACE, label_selector="suite=informer")
    expect(status is not None, "deletecollection answered nothing")
    expect(not api.list_namespaced_secret(NAMESPACE, label_selector="suite=informer").items, "deletecollection left objects")
    expect(api.read_namespaced_secret("page-05", NAMESPACE).data == {"n": "NQ=="}, "deletecollection took more than it selected")
    print("OK informer: pages, changes, label moves", flush=True)


def gone(api):
    """A revision that is no longer kept: 410 for a watch and for a page, then a new list goes on."""
    # The history holds superseded states up to a bound of bytes: so many large changes push out what is older.
    body = client.V1ConfigMap(metadata=client.V1ObjectMeta(name="large", labels={"suite": "gone"}), data={"k": "x" * 700_000})
    old = api.create_namespaced_config_map(NAMESPACE, body).metadata.resource_version
    api.create_namespaced_config_map(NAMESPACE, client.V1ConfigMap(metadata=client.V1ObjectMeta(name="small", labels={"suite": "gone"})))
    token = api.list_namespaced_config_map(NAMESPACE, label_selector="suite=gone", limit=1).metadata._continue
    expect(token, "no second page")
    for n in range(60):
        api.patch_namespaced_config_map("large", NAMESPACE, {"data": {"n": str(n)}})
    expired = refused(lambda: watched(api, old), 410, "Expired")
    expect("too old resource version" in expired["message"], expired["message"])
    expired = refused(lambda: api.list_namespaced_config_map(NAMESPACE, label_selector="suite=gone", limit=1, _continue=token), 410, "Expired")
    expect(expired["metadata"].get("continue"), "a 410 for a page gives a token to go on with")
    page = api.list_namespaced_config_map(NAMESPACE, label_selector="suite=gone", limit=5, _continue=expired["metadata"]["continue"])
    expect([item.metadata.name for item in page.items] == ["small"], "the inconsistent continuation goes on after the last name")
    now = api.list_namespaced_config_map(NAMESPACE, label_selector="suite=gone")
    expect(len(now.items) == 2, "the new list")
    api.delete_namespaced_config_map("large", NAMESPACE)
    expect(watched(api, now.metadata.resource_version) == ("DELETED", "large"), "the watch after the new list")
    api.delete_namespaced_config_map("small", NAMESPACE)
    refused(lambda: api.list_namespaced_config_map(NAMESPACE, _continue="nonsense"), 400, "BadRequest")
    print("OK gone", flush=True)


def watched(api, revision):
    """The first event after a revision."""
    stream = watch.Watch()
    for event in stream.stream(
        api.list_namespaced_config_map, NAMESPACE, label_selector="suite=gone", resource_version=revision, timeout_seconds=10,
    ):
        stream.stop()
        return event["type"], event["object"].metadata.name


def verbs(api):
    body = client.V1ConfigMap(metadata=client.V1ObjectMeta(name="one"), data={"a": "1"})
    made = api.create_namespaced_config_map(NAMESPACE, body)
    expect(made.metadata.uid and made.metadata.creation_timestamp, "metadata is missing")
    status = refused(lambda: api.create_namespaced_config_map(NAMESPACE, body), 409, "AlreadyExists")
    expect(status["message"] == 'configmaps "one" already exists', status["message"])
    stale = made.metadata.resource_version
    made.data["a"] = "2"
    made = api.replace_namespaced_config_map("one", NAMESPACE, made)
    made.metadata.resource_version = stale
    refused(lambda: api.replace_namespaced_config_map("one", NAMESPACE, made), 409, "Conflict")
    patched = api.patch_namespaced_config_map("one", NAMESPACE, [{"op": "replace", "path": "/data/a", "value": "3"}])
    expect(patched.data == {"a": "3"}, f"JSON patch: {patched.data}")
    dry = api.patch_namespaced_config_map("one", NAMESPACE, {"data": {"a": "4"}}, dry_run="All")
    expect(dry.data == {"a": "4"} and api.read_namespaced_config_map("one", NAMESPACE).data == {"a": "3"}, "a dry run was stored")
    refused(lambda: api.delete_namespaced_config_map("one", NAMESPACE, body=client.V1DeleteOptions(
        preconditions=client.V1Preconditions(uid="00000000-0000-0000-0000-000000000000"))), 409, "Conflict")
    api.delete_namespaced_config_map("one", NAMESPACE)
    refused(lambda: api.read_namespaced_config_map("one", NAMESPACE), 404, "NotFound")
    invalid = refused(lambda: api.create_namespaced_config_map(NAMESPACE, {"metadata": {"name": "Upper"}}), 422, "Invalid")
    expect(invalid["details"]["causes"][0]["field"] == "metadata.name", f"{invalid}")
    print("OK verbs", flush=True)


def dynamic_client(api_client):
    """Discovery by the dynamic client, then a kind of ours through it."""
    client_ = dynamic.DynamicClient(api_client)
    images = client_.resources.get(api_version="kuscia.secretflow/v1alpha1", kind="AppImage")
    body = {
        "apiVersion": "kuscia.secretflow/v1alpha1", "kind": "AppImage", "metadata": {"name": "dynamic"},
        "spec": {"image": {"name": "e", "tag": "1"}, "deployTemplates": [
            {"name": "main", "spec": {"restartPolicy": "Never", "containers": [{"name": "main", "command": ["true"]}]}}]},
    }
    images.create(body=body)
    expect(images.get(name="dynamic").spec.image.tag == "1", "the kind's own fields")
    images.patch(name="dynamic", body={"spec": {"image": {"tag": "2"}}}, content_type="application/merge-patch+json")
    expect(images.get(name="dynamic").metadata.generation == 2, "generation")
    images.delete(name="dynamic")
    pods = client_.resources.get(api_version="v1", kind="Pod")
    expect(pods.subresources.get("status") is not None, "pods/status is not discovered")
    print("OK dynamic", flush=True)


def token(api, kubeconfig_client):
    """A service account's token: may do what its role says, and nothing else."""
    rbac = client.RbacAuthorizationV1Api(kubeconfig_client)
    api.create_namespaced_service_account(NAMESPACE, client.V1ServiceAccount(metadata=client.V1ObjectMeta(name="reader")))
    rbac.create_namespaced_role(NAMESPACE, {
        "metadata": {"name": "reader"}, "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list", "watch"]}]})
    rbac.create_namespaced_role_binding(NAMESPACE, {
        "metadata": {"name": "reader"}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"},
        "subjects": [{"kind": "ServiceAccount", "name": "reader", "namespace": NAMESPACE}]})
    answer = api.create_namespaced_service_account_token(
        "reader", NAMESPACE, client.AuthenticationV1TokenRequest(spec=client.V1TokenRequestSpec(audiences=[], expiration_seconds=3600)))
    expect(answer.status.token.count(".") == 2, "no JWT")
    configuration = client.Configuration()
    configuration.host = kubeconfig_client.configuration.host
    configuration.ssl_ca_cert = kubeconfig_client.configuration.ssl_ca_cert
    configuration.api_key = {"authorization": f"Bearer {answer.status.token}"}
    reader = client.CoreV1Api(client.ApiClient(configuration))
    reader.list_namespaced_config_map(NAMESPACE)
    denied = refused(lambda: reader.list_namespaced_secret(NAMESPACE), 403, "Forbidden")
    expect('secrets is forbidden: User "system:serviceaccount:default:reader" cannot list resource "secrets"' in denied["message"], denied["message"])
    configuration.api_key = {"authorization": "Bearer " + answer.status.token[:-4] + "AAAA"}
    refused(lambda: client.CoreV1Api(client.ApiClient(configuration)).list_namespaced_config_map(NAMESPACE), 401, "Unauthorized")
    print("OK token", flush=True)


def main(kubeconfig, directory):
    api_client = config.new_client_from_config(kubeconfig)
    api = client.CoreV1Api(api_client)
    steps = {
        "verbs": lambda: verbs(api), "informer": lambda: informer(api), "dynamic": lambda: dynamic_client(api_client),
        "gone": lambda: gone(api), "token": lambda: token(api, api_client), "watch": lambda: resumed_watch(api, directory),
    }
    failed = []
    for name, step in steps.items():
        try:
            step()
        except Exception as error:  # a step's own words, then the next step
            failed.append(name)
            print(f"FAILED: {name}: {type(error).__name__}: {error}", flush=True)
    if failed:
        sys.exit(1)
    print("OK all", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
