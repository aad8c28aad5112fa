"""The reference for durable writes: Debian's etcd, one member, its data beside ours on the same file system."""
import os
import shutil
import subprocess
import time
import urllib.error
import urllib.request

from master.server import free_port, run

# Where Scripts/setup --peers puts Debian's etcd, whose package would start a server.
UNPACKED = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", ".peers", "usr", "bin")


def measure(program, directory, connections, seconds):
    """Figures of `swiftlet-bench etcd`; None when there is no etcd."""
    etcd = shutil.which("etcd") or shutil.which("etcd", path=UNPACKED)
    if etcd is None:
        return None
    data, client, peer = os.path.join(directory, "etcd"), free_port(), free_port()
    url = f"http://127.0.0.1:{client}"
    words = [etcd, "--data-dir", data, "--listen-client-urls", url, "--advertise-client-urls", url, "--listen-peer-urls", f"http://127.0.0.1:{peer}",
             "--initial-advertise-peer-urls", f"http://127.0.0.1:{peer}", "--initial-cluster", f"default=http://127.0.0.1:{peer}"]
    with open(os.path.join(directory, "etcd.log"), "wb") as log:
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 30
        while not healthy(url):
            if time.monotonic() > deadline or process.poll() is not None:
                raise RuntimeError("etcd did not start: " + open(os.path.join(directory, "etcd.log")).read()[-300:])
            time.sleep(0.05)
        return run([program, "etcd"], {"endpoint": url, "connections": connections, "seconds": seconds, "pid": process.pid})
    finally:
        process.terminate()
        process.wait(timeout=30)
        shutil.rmtree(data, ignore_errors=True)


def healthy(url):
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=2) as answer:
            return b"true" in answer.read()
    except (urllib.error.URLError, OSError):
        return False
