"""Logs, commands and ports of a pod that runs in the cluster, while the way there fails: each ends in bounded time with a reason, the next
one works, and nothing of them stays in the agent."""
import http.client
import os
import re
import threading

from lab import Failed, eventually, manifest
from websocket import Refused, WebSocket

NODE = "bob"
FAULTS = ["cut", "lost", "delay", "truncated", 410, 429, 500]
PORT = 18099
SCRIPT = f"echo first; cd /tmp; python3 -m http.server {PORT} --bind 127.0.0.1 & while :; do sleep 1; done"
PATHS = {"exec": r"/pods/[^/]+/exec\?", "log": r"/pods/[^/]+/log(\?|$)", "followed log": r"/pods/[^/]+/log\?.*follow", "port": r"/pods/[^/]+/portforward\?"}


class Streams:
    def __init__(self, lab):
        self.lab, self.wrong, self.lock, self.armed, self.met = lab, [], threading.Lock(), None, 0

    def fault(self, _, path):
        with self.lock:
            if self.armed and re.search(PATHS[self.armed[0]], path):
                fault, self.armed = self.armed[1], None
                self.met += 1
                return fault
            return None

    # ---- what a caller does; the text that proves that it worked

    def path(self, rest):
        return f"/api/v1/namespaces/{NODE}/pods/talk/{rest}"

    def ask(self, kind):
        if kind == "exec":
            session = WebSocket(self.lab.connect(), self.path("exec?command=/bin/echo&command=hello&stdout=true&stderr=true"))
            try:
                found = session.everything()
                if b"Success" not in found.get(3, b""):
                    raise Refused(found.get(3, b"").decode(errors="replace") or "the session ended without a status")
                return found.get(1, b"").decode()
            finally:
                session.close()
        if kind == "port":
            return self.forward()
        return self.log(kind == "followed log")

    def forward(self):
        session = WebSocket(self.lab.connect(), self.path(f"portforward?ports={PORT}"))
        try:
            session.send(b"\0GET / HTTP/1.0\r\n\r\n")
            found = session.everything()
            if 1 in found and found[1][2:]:
                raise Refused(found[1][2:].decode(errors="replace"))
            return found.get(0, b"").decode(errors="replace")
        finally:
            session.close()

    def log(self, follow):
        connection = self.lab.connect()
        try:
            connection.request("GET", self.path("log?follow=true" if follow else "log"))
            answer = connection.getresponse()
            if answer.status != 200:
                raise Refused(f"HTTP {answer.status} {answer.read().decode(errors='replace')}")
            return answer.readline().decode() if follow else answer.read().decode()
        finally:
            connection.close()

    PROOF = {"exec": "hello", "log": "first", "followed log": "first", "port": "200 OK"}

    # ---- the campaign

    def attempt(self, kind):
        """(worked, words): within the client's 60 s, else an OSError names the timeout."""
        try:
            text = self.ask(kind)
            return self.PROOF[kind] in text, text
        except TimeoutError:
            return None, "nothing within 60 s"
        except (Refused, OSError, http.client.HTTPException) as error:
            return False, f"{type(error).__name__} {error}"

    def works(self, kind):
        seen = []

        def tried():
            worked, words = self.attempt(kind)
            seen[:] = [words]
            return worked
        try:
            eventually(f"{kind} works", tried, 60, 0.5)
        except Failed as failure:
            status = self.lab.sources().get("talk", {}).get("status", {})
            raise Failed(f"{failure}: {seen[0][:500]!r}; {status.get('phase')} {status.get('containerStatuses')}") from None

    def run(self):
        lab = self.lab
        body = manifest("talk", SCRIPT, grace=1, nodeName=NODE)
        body["metadata"]["namespace"] = NODE
        body["spec"]["containers"][0]["ports"] = [{"containerPort": PORT}]  # it may listen there
        lab.call("POST", f"/api/v1/namespaces/{NODE}/pods", body)
        eventually("the pod that talks runs", lambda: lab.sources().get("talk", {}).get("status", {}).get("phase") == "Running", 60)
        lab.proxy.upgrades, lab.proxy.fault = True, self.fault
        for kind in PATHS:
            self.works(kind)
        before = self.descriptors()
        for kind in PATHS:
            for fault in FAULTS:
                with self.lock:
                    self.armed = (kind, fault)
                worked, words = self.attempt(kind)
                with self.lock:
                    isMet, self.armed = self.armed is None, None
                if not isMet:
                    self.wrong.append(f"{kind}, {fault}: the call was not made")
                if worked is None:
                    self.wrong.append(f"{kind}, {fault}: {words}")
                if fault == "delay" and not worked:
                    self.wrong.append(f"{kind}, {fault}: {words[:200]}")
                if isinstance(fault, int) and (worked or f"chaos answers {fault}" not in words):
                    self.wrong.append(f"{kind}, {fault}: its reason is not told: {words[:200]!r}")
                self.works(kind)
        self.break_open()
        self.leave_silent()
        lab.proxy.fault, lab.proxy.upgrades = None, False
        try:
            eventually("the agent has no connection more than before", lambda: self.descriptors() <= before + 4 and not lab.proxy.streams, 60, 0.5)
        except Failed as failure:
            self.wrong.append(f"{failure}: {before} then, {self.descriptors()} now, {len(lab.proxy.streams)} streams")
        lab.withdraw("talk", 0)
        eventually("it is gone", lambda: "talk" not in lab.sources(), 60)
        print(f"{self.met} streams of {len(PATHS)} kinds went wrong in {len(FAULTS)} ways, 4 were cut while they were open: {len(self.wrong)} wrong")
        for line in self.wrong:
            print(f"    {line}")
        return not self.wrong

    def break_open(self):
        """A session under way whose connection to the cluster is cut ends for its caller."""
        for _ in range(4):
            session = WebSocket(self.lab.connect(), self.path("exec?command=/bin/cat&stdin=true&stdout=true&stderr=true"))
            session.send(b"\0there\n")
            if session.receive() != b"\1there\n":
                self.wrong.append("exec of cat does not answer")
            self.lab.proxy.cut_streams()
            try:
                session.everything()
            except TimeoutError:
                self.wrong.append("an open command whose connection was cut does not end for its caller")
            except OSError:
                pass  # it broke: that is an end too
            session.close()

    def leave_silent(self):
        """Callers of a silent log who leave: more than the node answers at once."""
        for _ in range(70):
            connection = self.lab.connect()
            connection.request("GET", self.path("log?follow=true&tailLines=0"))
            connection.sock.settimeout(0.05)
            try:
                connection.getresponse()
            except OSError:
                pass  # silent, as it should be
            connection.close()
        self.works("log")

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.lab.bob.pid}/fd"))


def run(lab):
    try:
        return Streams(lab).run()
    except (Failed, Refused, OSError) as failure:
        print(f"  {failure}")
        return False
