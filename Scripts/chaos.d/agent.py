"""Area `agent`: pods run, come and go, while the agent is killed again and again at random moments."""
import os
import random
import signal
import threading
import time

from lab import DOMAIN, Failed, Lab, Witness, eventually
from node import is_alive, names, start_time

SHORT, LONG = (40, 12), (200, 100)  # running pods, kills
COMERS = 24  # at a time, beside those that stay
BATCH = 8  # pods that are made side by side
HOARDERS = 4  # every so manieth pod has what the node keeps outside its records: a working directory and a Secret
SECRET = "shared"


class Traffic(threading.Thread):
    """Makes pods that end by themselves, fail, or are deleted while they start or run; seeded."""

    def __init__(self, lab, seed):
        super().__init__(daemon=True)
        self.lab, self.random, self.over = lab, random.Random(seed), False
        self.expected, self.deleted, self.problems = {}, set(), []

    def run(self):
        while not self.over:
            try:
                self._step()
            except Exception as failure:  # without comers nothing can be lost
                self.problems.append(f"traffic ended early: {type(failure).__name__} {failure}")
                return
            time.sleep(self.random.uniform(0.02, 0.25))

    def _step(self):
        alive = [name for name, pod in self.lab.pods().items()
                 if name in self.expected and name not in self.deleted and pod["status"].get("phase") in ("Pending", "Running")]
        if alive and (len(alive) >= COMERS or self.random.random() < 0.25):
            victim = self.random.choice(alive)
            self.deleted.add(victim)
            return self.lab.delete(victim, self.random.choice([0, 1, None]))
        code = self.random.choice([0, 0, 3, 7])
        seconds = self.random.choice([0, 0.2, 1, 3])
        name = f"comer{len(self.expected)}"
        self.expected[name] = code
        init = "true" if self.random.random() < 0.2 else None
        # Some do not end when they are told to.
        script = ("trap '' TERM; " if self.random.random() < 0.2 else "") + f"sleep {seconds}; echo end >> $L; exit {code}"
        self.lab.create(script, name=name, init=init, grace=1, **hoard(len(self.expected)))


def hoard(number):
    return {"work": "/work", "secret": SECRET} if number % HOARDERS == 0 else {}


class Campaign:
    def __init__(self, lab, stay, kills, seed):
        self.lab, self.count, self.kills, self.seed = lab, stay, kills, seed
        self.random = random.Random(seed)
        self.stay = [f"stay{i}" for i in range(stay)]
        self.witness, self.traffic = Witness(lab), Traffic(lab, seed)
        self.identities, self.instances, self.seconds = {}, 0, 0.0

    def run(self):
        self._make_staying()
        self.witness.start()
        self.traffic.start()
        begun = time.monotonic()
        for number in range(self.kills):
            # From while it reads its records to while it is at rest.
            time.sleep(self.random.uniform(0.02, 0.4) if number % 2 else self.random.uniform(0.4, 2.0))
            self.lab.lite.kill()
            self.lab.lite.start()
        self.seconds = time.monotonic() - begun
        self.traffic.over = True
        self.traffic.join(60)
        self.lab.wait_ready()
        self._wait_for_comers()
        self._expect_eyes()
        return self._verdict()

    def _make_staying(self):
        self.lab.call("POST", f"/api/v1/namespaces/{DOMAIN}/secrets", {"metadata": {"name": SECRET}, "stringData": {"WORD": "x"}})
        for start in range(0, self.count, BATCH):
            for number, name in enumerate(self.stay[start:start + BATCH], start):
                self.lab.create("exec sleep 100000", name=name, limits={"cpu": "100m", "memory": "32Mi"}, **hoard(number))
        eventually("every staying pod runs", lambda: all(self.lab.lines(name) for name in self.stay), 120)
        eventually("the master knows", lambda: self._phases("Running") >= set(self.stay), 60)
        uids = {name: pod["metadata"]["uid"] for name, pod in self.lab.pods().items()}
        self.identities = {name: self.lab.node.task(uids[name]) for name in self.stay}
        for place in ("runp/pods", "runp/scratch", "memory"):  # or a leak there could not be found
            found, wanted = set(names(f"{self.lab.node.state}/{place}")), {uids[name] for name in self.stay[::HOARDERS]}
            if not wanted <= found:
                raise Failed(f"{place}: holds {len(wanted & found)} of the {len(wanted)} pods that keep something there")

    def _phases(self, *phases):
        return {name for name, pod in self.lab.pods().items() if pod["status"].get("phase") in phases}

    def _expect_eyes(self):
        """What makes pods and what watches them did so until the end: "0 restarted" must not mean that nobody looked."""
        problems = self.traffic.problems
        if self.traffic.is_alive():
            problems.append("traffic has not ended 60 s after it was told to")
        comers, deleted = len(self.traffic.expected), len(self.traffic.deleted)
        if comers < self.kills or not deleted:
            problems.append(f"traffic made {comers} pods and deleted {deleted}, expected at least {self.kills} and 1")
        if not self.witness.is_alive():
            problems.append("witness ended before it was told to")
        try:
            eventually("the witness has seen all", lambda: not self.witness.blind(self.lab.pods()), 20)
        except Failed:
            problems += [f"witness: {line}" for line in self.witness.blind(self.lab.pods())[:5]]
        # It lists again after each connection that ends: of those that came and went meanwhile it may miss some.
        if len(self.witness.last) < self.count + comers / 2:
            problems.append(f"witness: saw {len(self.witness.last)} pods, expected most of {self.count} and {comers} comers")

    def _wait_for_comers(self):
        """Every comer has ended at the master, or its object is gone."""
        def unsettled():
            known = self.lab.pods()
            return {name for name in self.traffic.expected
                    if name in known and (name in self.traffic.deleted or known[name]["status"].get("phase") not in ("Succeeded", "Failed"))}
        try:
            eventually("every comer has ended", lambda: not unsettled(), 60)
        except Failed:
            pass  # counted as lost below
        self.unsettled = unsettled()

    def _verdict(self):
        lab, known = self.lab, self.lab.pods()
        lost = [f"{name} is {known.get(name, {}).get('status', {}).get('phase', 'gone')}" for name in self.stay
                if name not in known or known[name]["status"].get("phase") != "Running"]
        lost += [f"{name} did not end" for name in self.unsettled]
        for name, code in self.traffic.expected.items():
            if name in self.traffic.deleted or name not in known or name in self.unsettled:
                if name not in known and name not in self.traffic.deleted:
                    lost.append(f"{name} is gone")
                continue
            statuses = known[name]["status"].get("containerStatuses", [{}])
            seen = statuses[0].get("state", {}).get("terminated", {}).get("exitCode")
            if seen != code:
                lost.append(f"{name} ended with {code}, the master says {seen}: {known[name]['status'].get('message', '')}")
        restarted = [f"{name}: another process" for name, identity in self.identities.items() if identity is None or not is_alive(identity)]
        restarted += self.witness.wrong
        twice = [f"{name}: begun {lab.lines(name).count('begin')} times" for name in self.stay + list(self.traffic.expected)
                 if lab.lines(name).count("begin") > 1]
        uids = {pod["metadata"]["uid"] for pod in known.values()}
        running = {lab.node.task(known[name]["metadata"]["uid"]) for name in self.stay if name in known}
        orphans = [f"process {pid} of no running pod" for pid in lab.node.members() if not self._belongs(pid, running)]
        return {"lost": lost, "restarted": restarted, "run twice": twice, "orphans": orphans, "leaks": self._leaks(uids)}

    def _belongs(self, pid, running):
        """Its cgroup is that of a pod that should run."""
        uids = {pod["metadata"]["uid"] for name, pod in self.lab.pods().items() if name in self.stay}
        path = "".join(open(f"/proc/{pid}/cgroup").read()) if start_time(pid) else ""
        return not path or any(uid in path for uid in uids)

    def _leaks(self, uids):
        lab = self.lab
        try:
            eventually("", lambda: not lab.node.remains(uids), 20)
        except Failed:
            pass
        found = lab.node.remains(uids)
        if len(lab.node.launchers()) > 1:
            found.append(f"{len(lab.node.launchers())} resident launchers")
        return found

    def finish(self):
        """Everything is deleted: what is left now is a leak, whatever it is."""
        self.witness.over = True
        self.lab.remove_pods(120)
        try:
            self.lab.wait_clean(60)
        except Failed as failure:
            return [f"{failure}"]
        code = self.lab.lite.stop()
        left = [words for words in self.lab.node.processes().values() if " lite " not in words] if code == 0 else [f"the agent ended with {code}"]
        return [f"process stays: {words}" for words in left]


def run(options):
    stay, kills = LONG if options.long else SHORT
    stay, kills = options.pods or stay, options.kills or kills
    lab = Lab(options.program, capacity=stay + 8 * COMERS + 400, parent=options.directory)
    print(f"chaos: {stay} running pods, {kills} kills of the agent, seed {options.seed}", flush=True)
    good = False
    try:
        lab.start()
        campaign = Campaign(lab, stay, kills, options.seed)
        verdict = campaign.run()
        verdict["leaks"] += campaign.finish()
        comers = len(campaign.traffic.expected)
        print(f"chaos: {kills} times kill -9 in {campaign.seconds:.0f} s over {stay} running pods; {comers} pods came and went "
              f"({len(campaign.traffic.deleted)} deleted on the way)")
        print("chaos: " + ", ".join(f"{len(found)} {name}" for name, found in verdict.items()))
        for name, found in verdict.items():
            for line in found[:10]:
                print(f"  {name}: {line}")
        problems = campaign.traffic.problems + campaign.witness.problems
        for line in problems[:10]:
            print(f"  {line}")
        good = not any(verdict.values()) and not problems
        if not good:
            print(f"chaos: repeat with Scripts/chaos agent --pods {stay} --kills {kills} --seed {options.seed}")
    except Failed as failure:
        print(f"chaos: {failure}\n{lab.lite.tail()}")
    finally:
        lab.close(keep=options.keep)
    return 0 if good else 1
