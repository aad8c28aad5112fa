"""Runs the campaigns against one master, keeps findings, and says what was seen."""
import base64
import os
import random
import sys
import threading
import time

import connections
import extremes
import mutate
import schema
import seeds
import wire
from master import Master

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
KEPT = f"{ROOT}/.build/fuzz-api"
WORKERS = 4
MAXIMUM_KINDS = 20
# What the master may hold more after a campaign of requests than before it: the objects that the inputs created, its history, its pools.
GROWTH_BYTES = 192 << 20
CAMPAIGNS = ["bytes", "json", "extremes", "authorization", "connections", "schema"]
LENGTHS = {"short": {"rounds": 1500}, "long": {"rounds": 60_000}}


class Findings:
    """Kept inputs, bounded, from several threads."""

    def __init__(self, seed):
        self.lock, self.count, self.seed, self.kinds = threading.Lock(), 0, seed, {}

    def add(self, campaign, problem, data=None):
        """`data`: the requests of one connection, the guilty one last."""
        with self.lock:
            kind = f"{campaign}: {problem[:60]}"
            self.kinds[kind] = self.kinds.get(kind, 0) + 1
            self.count += 1
            if self.kinds[kind] > 3 or len(self.kinds) > MAXIMUM_KINDS:
                return
            print(f"fuzz-api: {campaign}: FINDING: {problem}", file=sys.stderr)
            if data is None:
                print(f"fuzz-api:   repeat with: Scripts/fuzz-api --only {campaign} --seed {self.seed}", file=sys.stderr)
                return
            os.makedirs(KEPT, exist_ok=True)
            path = f"{KEPT}/{campaign}-{self.seed}-{self.count}.requests"
            with open(path, "wb") as file:
                file.writelines(base64.b64encode(one) + b"\n" for one in data)
            print(f"fuzz-api:   repeat with: Scripts/fuzz-api --replay {os.path.relpath(path, ROOT)}", file=sys.stderr)


class Worker:
    """Sends inputs over a connection that is used as long as the server allows."""

    def __init__(self, master, context):
        self.master, self.context, self.wire, self.sent = master, context, None, []
        self.name = None  # of the object in the last answer

    def send(self, data):
        """(problem or None, status or None)"""
        method = wire.start(data).split(b" ", 1)[0]
        whole = wire.is_complete(data)
        wait = wire.ANSWER_SECONDS if whole else wire.INCOMPLETE_SECONDS
        try:
            if self.wire is None:
                self.wire, self.sent = wire.Wire(self.master.port, self.context), []
            self.sent.append(data)
            answer = self.wire.exchange(data, wait, method == b"HEAD")
        except wire.Silence:
            self.drop()
            return (f"no answer within {wire.ANSWER_SECONDS} s", None) if whole else (None, None)
        except wire.BadAnswer as error:
            self.drop()
            return str(error), None
        except OSError as error:
            self.drop()
            return (None if self.master.is_alive() else f"the master is gone: {error}"), None
        self.name = wire.object_name(answer)
        if answer is None or answer.closes or not answer.is_whole or whole is not True or not exact(data):
            self.drop()
        return wire.verdict(answer, method), answer.status if answer else 0

    def drop(self):
        if self.wire:
            self.wire.close()
        self.wire = None


def exact(data):
    """One request and nothing after it: only then may the connection be used again."""
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [line.split(b":")[1].strip() for line in head.split(b"\r\n")[1:] if line.lower().startswith(b"content-length:")]
    return len(body) == (int(lengths[0]) if lengths else 0) and b"chunked" not in head.lower()


def input_of(campaign, seed, number):
    """The n-th input: the same for the same seed, whoever sends it."""
    source = random.Random(f"{campaign}-{seed}-{number}")
    every = seeds.all_seeds()
    request = every[source.randrange(len(every))].copy()
    if campaign == "bytes":
        if source.random() < 0.3:
            request = mutate.change_seed(request, source)
        return mutate.change_bytes(request.encode(), source)
    request = mutate.change_seed(request, source)
    if source.random() < 0.15:
        return request.encode(mutate.odd_payload(request, source))
    return request.encode()


def requests(campaign, master, findings, options):
    """`bytes` and `json`: many inputs from several threads, then a look at the master's health."""
    before, counter, lock, statuses = master.resident_bytes(), iter(range(options.rounds)), threading.Lock(), {}

    def work():
        worker = Worker(master, master.context())
        while master.is_alive() and len(findings.kinds) < MAXIMUM_KINDS:
            with lock:
                number = next(counter, None)
            if number is None:
                break
            try:
                data = input_of(campaign, options.seed, number)
            except Exception as error:  # a thread that ends here would leave its inputs unsent, and nobody would know
                findings.add(campaign, f"the fuzzer's own mistake at input {number}: {error!r}")
                continue
            problem, status = worker.send(data)
            if not master.is_alive():
                problem = f"the master died (status {master.process.poll()}); its last words:\n{master.log_text()}"
            if problem:
                findings.add(campaign, problem, worker.sent or [data])
            with lock:
                key = f"{status // 100}xx" if status else "closed" if status == 0 else "waiting"
                statuses[key] = statuses.get(key, 0) + 1
        worker.drop()

    threads = [threading.Thread(target=work) for _ in range(WORKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if master.is_alive():
        grown = master.resident_bytes() - before
        if grown > GROWTH_BYTES:
            findings.add(campaign, f"the master grew by {grown >> 20} MiB (bound {GROWTH_BYTES >> 20})")
        statuses["grown"] = f"{grown >> 20} MiB"
    return ", ".join(f"{key} {value}" for key, value in sorted(statuses.items(), key=str))


def healthy(master, campaign, findings):
    """After every campaign: it lives, answers at once, and lets go of connections."""
    if not master.is_alive():
        return False
    problem, _ = Worker(master, master.context()).send(seeds.Seed("GET", "/readyz").encode())
    if problem:
        findings.add(campaign, f"afterwards: {problem}")
    return True


def replay(path, master):
    worker, problem = Worker(master, master.context()), None
    with open(path, "rb") as file:
        for line in file:
            data = base64.b64decode(line)
            print(data[:2000])
            problem, status = worker.send(data)
            print(f"status {status}; {problem or 'nothing wrong'}; the master {'lives' if master.is_alive() else 'is gone: ' + master.log_text()}")
    return 1 if problem or not master.is_alive() else 0


def run(options):
    program = os.path.abspath(f"{options.bin or ROOT + '/.build/debug'}/swiftlet")
    if not os.access(program, os.X_OK):
        print(f"fuzz-api: {program} is not built", file=sys.stderr)
        return 2
    length = "long" if options.long else "short"
    options.is_long = options.long
    options.rounds = options.rounds or LENGTHS[length]["rounds"]
    wanted = options.only.split(",") if options.only else CAMPAIGNS
    if unknown := [name for name in wanted if name not in CAMPAIGNS]:
        print(f"fuzz-api: no campaign {unknown[0]}; there are {', '.join(CAMPAIGNS)}", file=sys.stderr)
        return 2
    master = Master(program)
    findings = Findings(options.seed)
    try:
        if options.replay:
            return replay(options.replay, master)
        for name in wanted:
            started = time.monotonic()
            action = {"extremes": extremes.run, "authorization": connections.authorization, "connections": connections.run, "schema": schema.run}.get(name)
            words = action(master, findings, options) if action else requests(name, master, findings, options)
            print(f"fuzz-api: {name}: {words} ({time.monotonic() - started:.1f} s)", flush=True)
            if not healthy(master, name, findings):
                findings.add(name, f"the master is gone:\n{master.log_text()}")
                break
    finally:
        problem = master.stop()
    if problem:
        findings.add(wanted[-1], problem)
    for kind, count in findings.kinds.items():
        print(f"fuzz-api: {count} x {kind}", file=sys.stderr)
    print(f"fuzz-api: {findings.count} findings" if findings.count else "fuzz-api: no finding")
    return 1 if findings.count else 0
