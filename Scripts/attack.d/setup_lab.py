"""What the attacks on the set-up share: a launcher with a changed plan, and the judgement of what came of it."""
import itertools
import json
import os
import subprocess
import tempfile
import time

import plan as plans
import sandboxes

COUNTER = itertools.count()
PATIENCE = 4  # deadlines are for a machine of its own; under load everything takes longer, and a wait ends when its condition holds
# Inside, these must not be open, whatever the set-up was.
SENTINELS = ["host-file", "proc-root-walk", "chroot-escape", "mount-tmpfs", "capabilities", "setuid-binary", "dev-nodes", "core_pattern"]


class Setup(sandboxes.Launcher):
    """One launch with a plan of the attack's own making."""

    def __init__(self, lab, name, golden="network-none.plan"):
        super().__init__(lab)
        self.name, self.golden = f"setup-{name}-{next(COUNTER)}", golden
        self.state = self.scratch()
        self.tag = os.path.basename(self.state)
        os.makedirs(os.path.join(self.state, "rootfs"), exist_ok=True)
        self.plan_path = os.path.join(self.state, "plan")
        self.image = None

    def with_image(self):
        """A root file system of its own, writable and under the attacker's control."""
        self.golden = "image.plan"
        self.image = os.path.join(self.state, "image")
        for name in ("bin", "etc", "tmp", "dev", "proc", "attack", "readonly", "data"):
            os.makedirs(os.path.join(self.image, name))
        return self

    def base(self, state):
        plan = super().base(state)
        if self.image:
            plan.replace("root-bind ", plans.line("root-bind", self.image, os.path.join(state, "rootfs"), "rw,nosuid,nodev,idmap"))
        return plan

    def write(self, words=SENTINELS, change=None, text=None):
        if text is None:
            plan = self.plan(self.state, words)
            if change:
                change(plan)
            text = plan.text()
        with open(self.plan_path, "w") as file:
            file.write(text)
        return self

    def argv(self):
        return [self.lab.launcher, "supervise", "--plan", self.plan_path, "--state-dir", self.state, "--foreground"]

    def go(self, seconds=20, **options):
        """Runs to the end: a Run with `record`."""
        started = time.monotonic()
        late = False
        with tempfile.TemporaryFile() as output:  # not a pipe: whatever is left behind would hold it
            process = subprocess.Popen(self.argv(), stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, **options)
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                late = True
                process.kill()
                process.wait()
            output.seek(0)
            text = output.read(1 << 20)
        done = sandboxes.Run(text.decode(errors="replace"), process.returncode, time.monotonic() - started, 0, late)
        return self.collect(self.state, done)

    def start(self, **options):
        """Starts it in the background; the record says `running` then."""
        process = subprocess.Popen(self.argv(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)
        wait_for(lambda: self.record().get("phase") in ("running", "failed", "exited"), 10)
        return process

    def record(self):
        try:
            with open(os.path.join(self.state, "state.json")) as file:
                return json.load(file)
        except (OSError, ValueError):
            return {}


def outside():
    """Of the places where a destination with dots or through a magic link would come to, those that exist on the host."""
    return {path for path in ("/var/tmp/x", "/x") if os.path.lexists(path)}


def wait_for(condition, seconds):
    seconds *= PATIENCE
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.01)
    return bool(condition())


def judge(done, must_run=False):
    """Good: refused with a stage, or ran and every sentinel held."""
    if done.late:
        return False, f"hung: {done.text[-80:]}"
    error = getattr(done, "record", {}).get("error")
    if error:
        return not must_run, f"refused: {error['stage']}: {error['message']}"
    bad = {n: v for n, v in done.lines.items() if v[0] in ("open", "error")}
    if bad:
        name, (verdict, detail) = next(iter(bad.items()))
        return False, f"{name} {verdict}: {detail}"
    if not done.lines:
        return done.code in (1, 2, 126, 127, 128) and not must_run, f"status {done.code}: {done.text[-120:]}"
    return True, f"ran, {len(done.lines) - 1} sentinels held"
