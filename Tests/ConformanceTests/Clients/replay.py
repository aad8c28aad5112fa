"""Replays a recorded conversation against a master and checks it answer by answer.

A conversation is JSON lines. Each is one of
  {"say": WORDS}                                            what follows is about
  {"as": CALLER, "METHOD": PATH, "headers": {}, "body": VALUE, "status": N, "expect": SHAPE, "save": {NAME: POINTER}}
  {"as": CALLER, "watch": PATH, "called": NAME}             opens a watch; its list is a request of its own before
  {"on": NAME, "sees": TYPE, "expect": SHAPE, "save": ...}  the watch's next event that is no bookmark, within the bound
  {"on": NAME, "quiet": true}                               no further event has come
${NAME} stands for what an earlier line has saved, and for `node`, `now`. A SHAPE is what must be there: members may be more than it
names, arrays are as long as it says; "<any>", "<string>", "<number>", "<time>", "<uid>", "<absent>" stand for values of these kinds.

Usage: replay.py SERVER CA-FILE CERTIFICATE-DIRECTORY CONVERSATION     (CALLER.crt and CALLER.key are in the directory)
"""
import http.client
import json
import queue
import re
import ssl
import sys
import threading
import time
import urllib.parse

EVENT_SECONDS = 15
QUIET_SECONDS = 0.4
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
KINDS = {
    "<string>": lambda v: isinstance(v, str) and v, "<number>": lambda v: isinstance(v, (int, float)) and not isinstance(v, bool),
    "<time>": lambda v: isinstance(v, str) and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z", v),
    "<uid>": lambda v: isinstance(v, str) and re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", v), "<any>": lambda v: True,
}


class Difference(Exception):
    pass


def check(shape, value, place=""):
    if isinstance(shape, str) and shape in KINDS:
        if not KINDS[shape](value):
            raise Difference(f"{place or '.'}: expected {shape}, found {json.dumps(value)[:300]}")
    elif isinstance(shape, dict):
        if not isinstance(value, dict):
            raise Difference(f"{place or '.'}: expected an object, found {json.dumps(value)[:300]}")
        for key, member in shape.items():
            if member == "<absent>":
                if key in value:
                    raise Difference(f"{place}.{key}: expected nothing, found {json.dumps(value[key])[:300]}")
            elif key not in value:
                raise Difference(f"{place}.{key}: missing in {json.dumps(value)[:600]}")
            else:
                check(member, value[key], f"{place}.{key}")
    elif isinstance(shape, list):
        if not isinstance(value, list) or len(value) != len(shape):
            raise Difference(f"{place or '.'}: expected {len(shape)} elements, found {json.dumps(value)[:600]}")
        for index, member in enumerate(shape):
            check(member, value[index], f"{place}[{index}]")
    elif shape != value:
        raise Difference(f"{place or '.'}: expected {json.dumps(shape)}, found {json.dumps(value)[:300]}")


class Watch(threading.Thread):
    """Reads a watch's events; bookmarks are kept apart."""

    def __init__(self, connection, path, headers):
        super().__init__(daemon=True)
        self.events, self.bookmarks = queue.Queue(), []
        connection.request("GET", path, headers=headers)
        self.response = connection.getresponse()
        if self.response.status != 200:
            raise Difference(f"watch {path}: status {self.response.status}: {self.response.read()[:600]}")
        self.start()

    def run(self):
        try:
            while line := self.response.readline():
                event = json.loads(line)
                (self.bookmarks.append if event["type"] == "BOOKMARK" else self.events.put)(event)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.events.put({"type": f"broken: {error}", "object": {}})


class Replay:
    def __init__(self, server, authority, certificates):
        self.address = urllib.parse.urlsplit(server).netloc
        self.authority, self.certificates = authority, certificates
        self.connections, self.watches = {}, {}
        self.saved = {"now": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}

    def connect(self, caller):
        context = ssl.create_default_context(cafile=self.authority)
        context.load_cert_chain(f"{self.certificates}/{caller}.crt", f"{self.certificates}/{caller}.key")
        return http.client.HTTPSConnection(self.address, context=context, timeout=60)

    def filled(self, value):
        if isinstance(value, str):
            if whole := re.fullmatch(r"\$\{(\w+)\}", value):
                return self.saved[whole[1]]
            return re.sub(r"\$\{(\w+)\}", lambda match: str(self.saved[match[1]]), value)
        if isinstance(value, dict):
            return {self.filled(key): self.filled(member) for key, member in value.items()}
        return [self.filled(member) for member in value] if isinstance(value, list) else value

    def step(self, line):
        line = self.filled(line)
        if "say" in line:
            return None
        if "on" in line:
            return self.event(line)
        if "watch" in line:
            self.watches[line["called"]] = Watch(self.connect(line["as"]), line["watch"], self.headers(line))
            return None
        return self.request(line)

    def headers(self, line):
        return {"Accept": "application/json, */*", "User-Agent": f"{line['as']}/v1.33.0 (linux/amd64) kubernetes/replay", **line.get("headers", {})}

    def request(self, line):
        method = next(name for name in METHODS if name in line)
        headers = self.headers(line)
        body = None
        if "body" in line:
            body = json.dumps(line["body"])
            headers.setdefault("Content-Type", "application/json")
        connection = self.connections.get(line["as"]) or self.connections.setdefault(line["as"], self.connect(line["as"]))
        connection.request(method, line[method], body, headers)
        response = connection.getresponse()
        text = response.read()
        if response.status != line["status"]:
            raise Difference(f"expected status {line['status']}, found {response.status}: {text[:1500].decode(errors='replace')}")
        value = json.loads(text)
        check(line.get("expect", {}), value)
        self.save(line, value)
        return value

    def event(self, line):
        watch = self.watches[line["on"]]
        if line.get("quiet"):
            try:
                raise Difference(f"expected no event, found {json.dumps(watch.events.get(timeout=QUIET_SECONDS))[:600]}")
            except queue.Empty:
                return None
        try:
            event = watch.events.get(timeout=EVENT_SECONDS)
        except queue.Empty:
            raise Difference(f"no event within {EVENT_SECONDS} s") from None
        if event["type"] != line["sees"]:
            raise Difference(f"expected {line['sees']}, found {event['type']}: {json.dumps(event['object'])[:900]}")
        check(line.get("expect", {}), event["object"])
        self.save(line, event["object"])
        return event

    def save(self, line, value):
        for name, pointer in line.get("save", {}).items():
            found = value
            for step in pointer.split("."):
                found = found[int(step)] if isinstance(found, list) else found[step]
            self.saved[name] = found


def main(server, authority, certificates, path):
    replay, failures, number = Replay(server, authority, certificates), 0, 0
    said = ""
    with open(path) as file:
        for number, text in enumerate(file, 1):
            if not text.strip():
                continue
            line = json.loads(text)
            said = line.get("say", said)
            try:
                replay.step(line)
            except (Difference, KeyError, OSError, ValueError, IndexError) as error:
                failures += 1
                words = {key: line[key] for key in ("as", "on", "sees", "watch", *METHODS) if key in line}
                print(f"FAILED {path.rsplit('/', 1)[-1]}:{number} ({said}) {words}: {type(error).__name__}: {error}", flush=True)
    print(f"replayed {number} lines, {failures} failures", flush=True)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
