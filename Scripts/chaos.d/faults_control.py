"""Faults between the agent and its master, and of the agent itself: killed, stopped, cut off, answered wrongly, told twice."""
import json
import signal
import time

from faults import Watched, expect, fault, finish, works
from lab import Lab, eventually
from proxy import Server, Wire


def ending(lab, seconds, code):
    """A pod that ends by itself in some seconds, running now."""
    name = lab.create(f"sleep {seconds}; echo end >> $L; exit {code}")
    lab.wait_running(name)
    return name


@fault("agent-kill", "kill -9 of the agent: tasks go on, what ended meanwhile is reported once with its code")
def agent_kill(lab, options):
    stay, soon = Watched(lab), ending(lab, 1, 7)
    lab.lite.kill()
    eventually("the task ended without an agent", lambda: lab.node.container(lab.pod(soon)["metadata"]["uid"])["phase"] == "exited", 10)
    lab.lite.start()
    finish(lab, soon, 7)
    lab.wait_ready()
    stay.check()


@fault("agent-stop", "an agent that stood still (SIGSTOP, 60 s in the long run) knows afterwards what happened meanwhile")
def agent_stop(lab, options):
    stay, soon = Watched(lab), ending(lab, 1, 7)
    lab.lite.signal(signal.SIGSTOP)
    late = lab.create("exit 3")
    time.sleep(60 if options.long else 8)
    lab.lite.signal(signal.SIGCONT)
    finish(lab, soon, 7)
    finish(lab, late, 3)
    lab.wait_ready()
    stay.check()


@fault("master-kill", "kill -9 of the master: nodes go on, and ends that happened meanwhile arrive")
def master_kill(lab, options):
    stay, soon = Watched(lab), ending(lab, 2, 7)
    lab.master.kill()
    time.sleep(3)
    lab.master.start()
    eventually("the master serves", lab.serves)
    finish(lab, soon, 7, 60)
    lab.wait_ready()
    stay.check()
    works(lab)


@fault("master-away", "the master is away for 10 min (20 s in the short run): tasks run on and end, everything is told when it is back")
def master_away(lab, options):
    stay, several = Watched(lab), [ending(lab, 2 + i % 3, i) for i in range(6)]
    lab.master.stop()
    if not options.long:
        lab.lite.kill()  # and the agent has nobody to ask when it starts
        lab.lite.start()
    time.sleep(600 if options.long else 20)
    expect(lab.lite.lives, f"the agent ended while the master was away:\n{lab.lite.tail()}")
    lab.master.start()
    eventually("the master serves", lab.serves)
    for code, name in enumerate(several):
        finish(lab, name, code, 90)
    lab.wait_ready()
    stay.check()
    works(lab)


@fault("partition", "the network between agent and master loses everything, or one direction: nothing restarts, ends arrive when it heals", own_lab=True)
def partition(options):
    with_wire = WithProxy(options, lambda lab: Wire(lab.port))
    with with_wire as (lab, wire):
        stay = Watched(lab)
        for up, down in ((False, False), (True, False), (False, True)):
            soon = ending(lab, 1, 7)
            held = wire.held
            wire.set(up, down)
            time.sleep(600 if options.long and not up and not down else 30 if options.long else 6)
            eventually(f"{soon} has ended while the way is cut", lambda: "end" in lab.lines(soon), 30)
            known = lab.pod(soon)["status"].get("phase")
            # Towards the master a report still arrives; that its answer does not, the wire has seen.
            expect(up or known == "Running", f"{soon}: the master says {known} though nothing reaches it, expected Running")
            expect(wire.held > held, f"the wire (up {up}, down {down}) held nothing back")
            wire.set(True, True)
            finish(lab, soon, 7, 120)
            works(lab, 60)
        lab.wait_ready()
        stay.check()


class WithProxy:
    """A lab whose Lite, once registered, reaches the master through a proxy."""

    def __init__(self, options, make):
        self.options, self.make = options, make

    def __enter__(self):
        self.lab = Lab(self.options.program, parent=self.options.directory).start()
        try:
            self.proxy = self.make(self.lab)
            self.lab.lite.kill()
            self.lab.configure_lite(self.proxy.port)
            self.lab.lite.start()
            self.lab.wait_ready()
            works(self.lab, 60)
        except BaseException:
            self.lab.close(keep=self.options.keep)
            raise
        return self.lab, self.proxy

    def __exit__(self, *failure):
        try:
            if failure[0] is None:
                self.lab.remove_pods()
                self.lab.wait_clean()
        finally:
            self.proxy.close()
            self.lab.close(keep=self.options.keep)


def through_server(options, misbehave, heal_seconds=60):
    """Pods live through a server that misbehaves; afterwards all is told rightly."""
    with WithProxy(options, Server) as (lab, server):
        stay, soon = Watched(lab), ending(lab, 1, 7)
        misbehave(server)
        later = []
        for number in range(6):
            later.append(lab.create(f"exit {number % 3}"))
            time.sleep((10 if options.long else 5) / 6)  # they come all the time that it lasts: a watch without events is not cut
        expect(lab.lite.lives, f"the agent ended:\n{lab.lite.tail()}")
        server.fault, server.delay, server.cut, server.watch = None, 0, None, None
        finish(lab, soon, 7, heal_seconds)
        for number, name in enumerate(later):
            finish(lab, name, number % 3, heal_seconds)
        lab.wait_ready()
        stay.check()
        return server


@fault("api-500", "an API that answers 500: nothing is lost, nothing is done twice", own_lab=True)
def api_500(options):
    server = through_server(options, lambda server: setattr(server, "fault", lambda method, path: 500))
    expect(server.refused > 0, "nothing was refused")


@fault("api-429", "an API that is too busy (429, Retry-After 1): the agent waits as it is told", own_lab=True)
def api_429(options):
    server = through_server(options, lambda server: setattr(server, "fault", lambda method, path: 429))
    expect(0 < server.refused < 400, f"{server.refused} requests in 5 s of 429")


@fault("api-slow", "an API that takes 2 s for each answer: everything comes, only later", own_lab=True)
def api_slow(options):
    server = through_server(options, lambda server: setattr(server, "delay", 2))
    expect(server.delayed > 0, f"{server.delayed} answers were delayed, expected some")


@fault("api-cut-watch", "watches that are cut again and again in the middle of a body: no change is missed", own_lab=True)
def api_cut_watch(options):
    server = through_server(options, lambda server: setattr(server, "cut", 0.2))
    expect(server.cuts > 2, f"{server.cuts} watches were cut, expected more than 2")


def repeated(line):
    return [line] * 3


class Reordering:
    """After each change of an object, its former state once more, as if it came late."""

    def __init__(self):
        self.former = {}

    def __call__(self, line):
        event = json.loads(line)
        metadata = event["object"].get("metadata", {})
        key = (event["object"].get("kind"), metadata.get("uid"))
        late = self.former.get(key)
        self.former[key] = line
        return [line, late] if late and event["type"] == "MODIFIED" else [line]


@fault("duplicate", "every change is delivered three times: it is done once", own_lab=True)
def duplicate(options):
    with WithProxy(options, Server) as (lab, server):
        server.watch = repeated
        lived_through(lab)
        expect(server.added > 0, f"{server.added} changes were delivered again, expected some")


@fault("reordered", "former states of objects arrive after newer ones: nothing that ended begins again", own_lab=True)
def reordered(options):
    with WithProxy(options, Server) as (lab, server):
        server.watch = Reordering()
        lived_through(lab)
        expect(server.added > 0, f"{server.added} former states were delivered late, expected some")


def lived_through(lab):
    lab.lite.kill()  # so that its watches begin anew
    lab.lite.start()
    lab.wait_ready()
    stay = Watched(lab)
    for code in range(5):
        finish(lab, lab.create(f"sleep 0.{code}; exit {code}"), code)
    gone = [ending(lab, 600, 0) for _ in range(3)]
    for name in gone:
        lab.delete(name, 1)
    for name in gone:
        lab.wait_gone(name)
        expect(lab.lines(name).count("begin") == 1, f"{name} was begun {lab.lines(name).count('begin')} times")
    stay.check()


@fault("delete-during-start", "pods that are deleted at any moment of their start go without a trace, and none is begun twice")
def delete_during_start(lab, options):
    stay, names = Watched(lab, 1), []
    for number in range(100 if options.long else 30):
        name = lab.create("sleep 600", init="true" if number % 3 == 0 else None, grace=number % 2)
        time.sleep(0.002 * (number % 15))
        lab.delete(name, None if number % 2 else 0)
        names.append(name)
    for name in names:
        lab.wait_gone(name, 60)
        expect(lab.lines(name).count("begin") <= 1, f"{name} was begun {lab.lines(name).count('begin')} times")
    uids = {stay.uids[name] for name in stay.names}
    eventually(f"nothing of them is left: {lab.node.remains(uids)[:4]}", lambda: not lab.node.remains(uids), 30)
    stay.check()


@fault("start-during-drain", "a pod that comes while the node drains does not run on unseen: it is begun at most once, and told of", own_lab=True)
def start_during_drain(options):
    lab = Lab(options.program, parent=options.directory)
    lab.lite.words.append("--stop-tasks-on-exit")
    try:
        lab.start()
        slow = lab.create("trap 'sleep 2; exit 9' TERM; while :; do sleep 0.05; done", grace=10)
        lab.wait_running(slow)
        lab.lite.signal(signal.SIGTERM)
        late = []
        for _ in range(8):
            late.append(lab.create("exit 5"))
            time.sleep(0.2)
        eventually("the agent has drained", lambda: not lab.lite.lives, 40)
        expect(not lab.node.members(), f"processes run on after the drain: {lab.node.members()}")
        lab.lite.start()
        lab.wait_ready()
        finish(lab, slow, 9)
        for name in late:
            pod = lab.wait_phase(name, "Succeeded", "Failed")
            begun = lab.lines(name).count("begin")
            expect(begun <= 1, f"{name} was begun {begun} times")
            expect(pod["status"]["phase"] == "Failed", f"{name} is {pod['status']['phase']}, its task ends with 5")
        lab.remove_pods()
        lab.wait_clean()
    finally:
        lab.close(keep=options.keep)
