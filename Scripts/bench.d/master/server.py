"""A master of this run, or a server that was there before: where it is, what its process uses, its life."""
import collections
import ctypes
import json
import os
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import threading
import time
import urllib.error
import urllib.request

CONFIGURATION = """mode: master
domainID: kuscia-system
logLevel: WARN
swiftlet:
  stateDirectory: {state}
  listenAddress: 127.0.0.1
  port: {port}
  certificateNames: []
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Master:
    """`swiftlet master` as a process of its own, with a state directory of its own."""

    def __init__(self, program, directory):
        self.program, self.directory, self.process = program, directory, None
        self.port = free_port()
        self.state = os.path.join(directory, "state")
        self.kubeconfig = os.path.join(self.state, "admin.kubeconfig")
        os.makedirs(directory)
        with open(os.path.join(directory, "kuscia.yaml"), "w") as file:
            file.write(CONFIGURATION.format(state=self.state, port=self.port))

    def start(self):
        """Seconds from the start of the process to its first answer to /readyz."""
        began = time.monotonic()
        with open(os.path.join(self.directory, "log"), "ab") as log:
            self.process = subprocess.Popen(
                [self.program, "master", "--config", os.path.join(self.directory, "kuscia.yaml")], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        while time.monotonic() - began < 120 and self.process.poll() is None:
            try:
                with urllib.request.urlopen(f"https://127.0.0.1:{self.port}/readyz", timeout=10, context=context) as answer:
                    if answer.status == 200:
                        return time.monotonic() - began
            except (urllib.error.URLError, OSError):
                time.sleep(0.002)
        log = open(os.path.join(self.directory, "log")).read()[-600:]
        self.stop()
        raise RuntimeError(f"the master did not serve within 120 s: {log}")

    @property
    def pid(self):
        return self.process.pid

    def resident_mib(self):
        for line in open(f"/proc/{self.pid}/smaps_rollup"):
            if line.startswith("Rss:"):
                return int(line.split()[1]) / 1024
        raise RuntimeError("smaps_rollup has no Rss")

    def settled_mib(self, seconds=12):
        """At rest: some seconds after work a master gives back what the work has left behind."""
        time.sleep(seconds)
        return self.resident_mib()

    def stop(self):
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None

    def remove(self):
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)


class Given:
    """A server that somebody else runs, e.g. a stock kube-apiserver."""
    pid = None

    def __init__(self, kubeconfig):
        self.kubeconfig = kubeconfig


class Client:
    """The load client's program, aimed at one server."""

    def __init__(self, program, server):
        self.program, self.server = program, server

    def __call__(self, command, timeout=600, **options):
        words = [self.program, command, "--kubeconfig", self.server.kubeconfig]
        if self.server.pid:
            words += ["--pid", str(self.server.pid)]
        return run(words, options, timeout)


class Punctual:
    """Lets a program run for a tenth of a millisecond at a time, but soon after it wakes (sched_setattr(2); Linux 6.12). The load client
    shares the cores with the server: a stop-watch that waits for its turn measures its own waiting."""
    SCHED_SETATTR = {"x86_64": 314, "aarch64": 274}.get(os.uname().machine)
    NANOSECONDS = 100_000

    def __init__(self):
        self.libc = ctypes.CDLL(None)
        # struct sched_attr of 48 bytes: size, SCHED_OTHER, flags, nice, priority, runtime, deadline, period
        self.attributes = struct.pack("=IIQiIQQQ", 48, 0, 0, os.getpriority(os.PRIO_PROCESS, 0), 0, self.NANOSECONDS, 0, 0)

    def __call__(self):
        """In the child, before its program. An older kernel does not heed it."""
        if self.SCHED_SETATTR:
            self.libc.syscall(self.SCHED_SETATTR, 0, self.attributes, 0)


PUNCTUAL = Punctual()


def run(words, options, timeout=600):
    """What the program says on standard error is passed on as it comes; its answer is one line of JSON on standard output."""
    for name, value in options.items():
        words += [f"--{name}", str(value)]
    said = collections.deque(maxlen=4)
    overdue = threading.Event()
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=PUNCTUAL) as process:
        late = threading.Timer(timeout, lambda: (overdue.set(), process.kill()))
        late.start()
        try:
            for line in process.stderr:
                said.append(line.strip())
                print(f"  {line.strip()}", flush=True)
            answer = process.stdout.read()
            process.wait()
        finally:
            late.cancel()
            process.kill()
    if process.returncode:
        reason = f"not done within {timeout} s" if overdue.is_set() else f"ended with status {process.returncode}"
        raise RuntimeError(f"{' '.join(words[:2])}: {reason}; {' | '.join(said)[-800:]}")
    return json.loads(answer)
