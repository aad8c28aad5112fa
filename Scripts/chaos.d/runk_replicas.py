"""Two agents of one node, of which one leads: the leader is killed, or stopped for longer than its lease, while pods come and go."""
import random
import signal
import time

from lab import DOMAIN, Failed, Process, eventually

NODE = "bob"
LEASE = f"/apis/coordination.k8s.io/v1/namespaces/{DOMAIN}/leases/{NODE}-agent"


class Replicas:
    def __init__(self, lab, rounds):
        self.lab, self.rounds, self.codes, self.wrong = lab, rounds, {}, []

    def start(self):
        """As two replicas of a Deployment: one configuration, one shared state directory."""
        lab = self.lab
        lab.bob.kill()
        text = open(f"{lab.directory}/bob.yaml").read()
        lab._write("replica.yaml", text + "    leaderElection: true\n")
        self.all = [Process([lab.program, "lite", "--config", f"{lab.directory}/replica.yaml"], f"{lab.directory}/bob{i}.log") for i in (1, 2)]
        for replica in self.all:
            replica.start()
        eventually("one of them leads", self.leader, 60)

    def holder(self):
        answer = self.lab.call("GET", LEASE, accept=(200, 404))
        return answer.get("spec", {}).get("holderIdentity") or None

    def leader(self):
        """Who said that it leads under the name that holds the lease; None while nobody that lives did."""
        holder = self.holder()
        return next((r for r in self.all if r.lives and holder and holder in open(r.log, errors="replace").read()), None)

    def submit(self, prefix, count):
        for i in range(count):
            name, code = f"{prefix}-{i}", (0, 3, 7)[i % 3]
            self.codes[name] = code
            self.lab.submit(name, f"sleep {0.3 * (i % 4)}; echo end >> $L; exit {code}", grace=1)

    def run(self):
        self.start()
        chance = random.Random(1)
        # The lease's own calls fail too; never so often that a leader cannot renew it.
        self.lab.proxy.fault = lambda method, path: chance.choice([429, 500, "cut", "lost", "truncated"]) if chance.random() < 0.05 else None
        for number in range(self.rounds):
            self.submit(f"r{number}a", 5)
            old, former = self.leader(), self.holder()
            if number % 2 == 0:
                old.kill()
            else:
                old.signal(signal.SIGSTOP)
            self.submit(f"r{number}b", 5)
            eventually("another leads", lambda: self.holder() not in (None, former), 90)
            self.submit(f"r{number}c", 5)
            if number % 2 == 0:
                old.start()
            else:
                old.signal(signal.SIGCONT)
                # It was away for longer than its lease: it sees that, and ends.
                eventually("who lost the lease ends", lambda: not old.lives, 60)
                old.start()
        self.check()
        self.lab.proxy.fault = None
        waiting = [r for r in self.all if r is not self.leader()]
        for replica in waiting + [self.leader()]:
            begun = time.monotonic()
            status = replica.stop()
            if status != 0:
                self.wrong.append(f"a replica ends at SIGTERM with {status} after {time.monotonic() - begun:.0f} s")
        if self.holder():
            self.wrong.append(f"the lease was not given back by {self.holder()}")
        print(f"{self.rounds} leaders taken away, {len(self.codes)} pods: {len(self.wrong)} lost, doubled or wrong")
        for line in self.wrong[:10]:
            print(f"    {line}")
        return not self.wrong

    def check(self):
        def ended():
            known = self.lab.sources()
            return all(known.get(n, {}).get("status", {}).get("phase") in ("Succeeded", "Failed") for n in self.codes)
        eventually("every pod has ended", ended, 120, 0.3)
        known = self.lab.sources()
        for name, code in self.codes.items():
            status = known[name]["status"]
            found = (status.get("containerStatuses") or [{}])[0].get("state", {}).get("terminated", {}).get("exitCode")
            if found != code:
                self.wrong.append(f"{name}: ends with {code}, its status says {found}")
            if self.lab.lines(name).count("begin") != 1:
                self.wrong.append(f"{name}: begun {self.lab.lines(name).count('begin')} times")
            self.lab.withdraw(name, 0)
        eventually("everything is gone", lambda: not self.lab.sources() and not self.lab.left(), 120, 0.3)

    def close(self):
        for replica in getattr(self, "all", []):
            if replica.lives:
                replica.signal(signal.SIGCONT)
            replica.kill(may_be_dead=True)  # those that were stopped are


def run(lab, rounds):
    replicas = Replicas(lab, rounds)
    try:
        return replicas.run()
    except Failed as failure:
        print(f"  {failure}")
        for replica in getattr(replicas, "all", []):
            print(f"--- {replica.log}\n{replica.tail(30)}")
        return False
    finally:
        lab.proxy.fault = None
        replicas.close()
