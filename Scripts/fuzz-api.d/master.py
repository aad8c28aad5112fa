"""A real master in a directory of its own, watched for its life, memory and open files."""
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time

CONFIGURATION = """mode: master
domainID: kuscia-master
logLevel: WARN
swiftlet:
  stateDirectory: state
  listenAddress: 127.0.0.1
  port: {port}
"""
START_SECONDS = 30
STOP_SECONDS = 20


class Master:
    def __init__(self, program):
        self.program = program
        self.directory = tempfile.mkdtemp(prefix="swiftlet-fuzz-api-")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        with open(f"{self.directory}/kuscia.yaml", "w") as file:
            file.write(CONFIGURATION.format(port=self.port))
        self.log = open(f"{self.directory}/log", "wb")
        self.process = None
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [self.program, "master", "--config", f"{self.directory}/kuscia.yaml"], stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + START_SECONDS
        while True:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"fuzz-api: the master did not start:\n{self.log_text()}")
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.05)  # between two tries

    @property
    def pki(self):
        return f"{self.directory}/state/pki"

    @property
    def kubeconfig(self):
        return f"{self.directory}/state/admin.kubeconfig"

    def context(self, certificate="admin"):
        """TLS as a client: with the administrator's certificate, another of the master's, or (None) without one."""
        context = ssl.create_default_context(cafile=f"{self.pki}/ca.crt")
        context.check_hostname = False
        if certificate:
            context.load_cert_chain(f"{self.pki}/{certificate}.crt", f"{self.pki}/{certificate}.key")
        return context

    def is_alive(self):
        return self.process.poll() is None

    def resident_bytes(self):
        with open(f"/proc/{self.process.pid}/status") as file:
            for line in file:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) * 1024
        return 0

    def open_files(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def log_text(self, lines=30):
        self.log.flush()
        with open(f"{self.directory}/log", errors="replace") as file:
            return "".join(file.readlines()[-lines:])

    def stop(self):
        """Stops in order; returns what was wrong with that, or None."""
        problem = None
        if self.is_alive():
            self.process.send_signal(signal.SIGTERM)
            try:
                code = self.process.wait(STOP_SECONDS)
                problem = None if code == 0 else f"the master ended with {code} on SIGTERM"
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                problem = f"the master had not stopped {STOP_SECONDS} s after SIGTERM"
        self.log.close()
        shutil.rmtree(self.directory, ignore_errors=True)
        return problem
