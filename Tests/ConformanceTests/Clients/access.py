"""Reaches into a Lite that nobody can dial: logs, exec, cp, port-forward, attach and more, by kubectls of several ages and by the
official Python client. The Lite lives in a network namespace whose firewall lets no connection in.

usage: access.py --swiftlet PROGRAM --directory EMPTY --kubectl PATH [--kubectl PATH ...] [--python PYTHON]

Prints one line per promise and ends with "ok: N of N"; exit status 0 when all held. Needs root, ip and iptables.
"""
import argparse, concurrent.futures, hashlib, json, os, pty, re, select, signal, socket, subprocess, sys, threading, time, urllib.request

arguments = argparse.ArgumentParser()
arguments.add_argument("--swiftlet", required=True)
arguments.add_argument("--directory", required=True)
arguments.add_argument("--kubectl", action="append", default=[])
arguments.add_argument("--python")
arguments.add_argument("--client-only", action="store_true", help=argparse.SUPPRESS)
options = arguments.parse_args()

DOMAIN, POD, NETPOD = "alice", "reach", "closed"
kubeconfig = f"{options.directory}/admin.conf"
results = []


def check(name, body):
    began = time.monotonic()
    try:
        body()
        results.append(True)
        print(f"ok      {name} ({time.monotonic() - began:.1f} s)", flush=True)
    except Exception as error:  # each promise is judged by itself
        results.append(False)
        print(f"FAILED  {name}: {type(error).__name__}: {error}", flush=True)


def expect(condition, what):
    if not condition:
        raise AssertionError(str(what)[-1500:])


def run(*command, input=None, timeout=60, status=0, text=True):
    result = subprocess.run(command, input=input, capture_output=True, timeout=timeout, text=text, env=environment())
    if status is not None:
        expect(result.returncode == status, f"{command}: exit {result.returncode}: {result.stdout[-600:]} {result.stderr[-900:]}")
    return result


def environment():
    return {"PATH": os.environ["PATH"], "HOME": options.directory, "KUBECONFIG": kubeconfig, "PYTHONDONTWRITEBYTECODE": "1"}


def eventually(what, condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        expect(time.monotonic() < deadline, f"not within {seconds} s: {what}")
        time.sleep(0.05)


# The cluster: master here, Lite behind the wall.

class Wall:
    """A namespace with one cable to here. Its firewall drops whatever did not begin inside."""

    def __init__(self):
        number = os.getpid() % 16000
        self.name, self.outer, self.inner = f"swl-{os.getpid()}", f"swo{os.getpid() % 100000}", f"swi{os.getpid() % 100000}"
        base = f"10.{213 + number // 8000}.{number % 8000 // 64}.{number % 64 * 4}"
        prefix, last = base.rsplit(".", 1)
        self.here, self.there = f"{prefix}.{int(last) + 1}", f"{prefix}.{int(last) + 2}"

    def __enter__(self):
        inside = ["ip", "netns", "exec", self.name]
        rule = ["iptables", "-A", "INPUT"]
        for command in [
            ["ip", "netns", "add", self.name],
            ["ip", "link", "add", self.outer, "type", "veth", "peer", "name", self.inner, "netns", self.name],
            ["ip", "addr", "add", f"{self.here}/30", "dev", self.outer],
            ["ip", "link", "set", self.outer, "up"],
            inside + ["ip", "link", "set", "lo", "up"],
            inside + ["ip", "addr", "add", f"{self.there}/30", "dev", self.inner],
            inside + ["ip", "link", "set", self.inner, "up"],
            inside + rule + ["-i", "lo", "-j", "ACCEPT"],
            inside + rule + ["-m", "conntrack", "--ctstate", "ESTABLISHED,RELATED", "-j", "ACCEPT"],
            inside + ["iptables", "-P", "INPUT", "DROP"],
        ]:
            subprocess.run(command, check=True, capture_output=True)
        return self

    def __exit__(self, *_):
        subprocess.run(["ip", "netns", "del", self.name], capture_output=True)
        subprocess.run(["ip", "link", "del", self.outer], capture_output=True)


def start(name, command):
    log = open(f"{options.directory}/{name}.log", "wb")
    return subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment())


def stop(process):
    if process and process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


def configuration(name, mode, domain, extra, settings):
    text = run(options.swiftlet, "init", "--mode", mode, "--domain", domain, *extra).stdout
    head = text[:text.index("\nswiftlet:")]
    path = f"{options.directory}/{name}/kuscia.yaml"
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(head + "\nswiftlet:\n" + "".join(f"  {key}: {json.dumps(value)}\n" for key, value in settings.items()))
    return path


def free_port(address):
    with socket.socket() as probe:
        probe.bind((address, 0))
        return probe.getsockname()[1]


def manifest(name, script, port, network):
    return json.dumps({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": DOMAIN, "annotations": {"kuscia.secretflow/network": network}},
        "spec": {
            "restartPolicy": "Never", "terminationGracePeriodSeconds": 1,
            "tolerations": [{"operator": "Exists"}], "nodeName": DOMAIN,
            "containers": [{"name": "main", "image": "host:latest", "command": ["/bin/sh", "-c", script], "ports": [{"containerPort": port}]}]}})


SERVER = r"""
import socket, threading
def serve(c):
    d = b''
    while True:
        p = c.recv(65536)
        if not p: break
        if p.startswith(b'GET '):
            c.sendall(b'HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\nhello\n'); break
        c.sendall(p)
    c.close()
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(('127.0.0.1', PORT)); s.listen(64)
print('listening', flush=True)
while True: threading.Thread(target=serve, args=(s.accept()[0],), daemon=True).start()
"""


# What kubectl does.

class Kubectl:
    def __init__(self, path, port):
        self.path, self.port = path, port
        version = json.loads(run(path, "version", "--client", "-o", "json").stdout)["clientVersion"]
        self.version = f"{version['major']}.{version['minor']}"

    def __call__(self, *command, **named):
        return run(self.path, "-n", DOMAIN, *command, **named)

    def all(self):
        for name in [n for n in dir(self) if n.startswith("test_")]:
            body = getattr(self, name)
            check(f"kubectl {self.version}: {body.__doc__}", body)

    def test_logs(self):
        "logs, also of the last lines"
        expect("listening" in self("logs", POD).stdout, "the log")
        expect(self("logs", POD, "--tail=1").stdout.count("\n") == 1, "one line")

    def test_exec(self):
        "exec returns output, errors and the exit code"
        result = self("exec", POD, "--", "sh", "-c", "echo out; echo err >&2; exit 7", status=7)
        expect(result.stdout == "out\n" and result.stderr.startswith("err\n"), result)

    def test_exec_missing(self):
        "exec of a program that is not there says so"
        result = self("exec", POD, "--", "no-such-program", status=1)
        expect("no-such-program" in result.stderr and "not found" in result.stderr, result)

    def test_exec_wrong(self):
        "exec in what is not there is refused"
        expect("not found" in self("exec", "nobody", "--", "true", status=1).stderr, "the pod")
        expect("not valid for pod" in self("exec", POD, "-c", "nothing", "--", "true", status=1).stderr, "the container")

    def test_exec_input(self):
        "exec -i passes input to its end, megabytes unchanged"
        data = os.urandom(3_000_000)
        result = self("exec", "-i", POD, "--", "sh", "-c", "cat", input=data, text=False)
        expect(hashlib.sha256(result.stdout).digest() == hashlib.sha256(data).digest(), f"{len(result.stdout)} bytes came back")

    def test_exec_output(self):
        "exec delivers 20 MB of output whole"
        result = self("exec", POD, "--", "sh", "-c", "head -c 20000000 /dev/zero", text=False)
        expect(len(result.stdout) == 20_000_000, len(result.stdout))

    def test_tty(self):
        "exec -it has a terminal, its size, and its resizing"
        primary, secondary = pty.openpty()
        set_size(secondary, 33, 101)
        script = ("test -t 0 || exit 1; while [ \"$(stty size)\" = '0 0' ]; do sleep 0.1; done; stty size; "
                  "trap 'stty size; exit 9' WINCH; echo waiting; while :; do sleep 0.1; done")
        process = subprocess.Popen(
            [self.path, "-n", DOMAIN, "exec", "-it", POD, "--", "sh", "-c", script], stdin=secondary, stdout=secondary, stderr=secondary,
            env=environment(), start_new_session=True, preexec_fn=lambda: take_terminal(secondary))
        os.close(secondary)
        text, deadline, resized = "", time.monotonic() + 40, False
        while time.monotonic() < deadline:
            if select.select([primary], [], [], 0.2)[0]:
                try:
                    piece = os.read(primary, 4096).decode(errors="replace")
                except OSError:
                    break
                if not piece:
                    break
                text += piece
            if "waiting" in text and not resized:
                resized = True
                set_size(primary, 41, 87)
                process.send_signal(signal.SIGWINCH)
        code = process.wait(20)
        os.close(primary)
        expect("33 101" in text and "41 87" in text and code == 9, f"{code}: {text}")

    def test_cp(self):
        "cp moves a tree there and back"
        base = f"{options.directory}/cp-{self.version}"
        os.makedirs(f"{base}/tree/sub", exist_ok=True)
        data = os.urandom(1_500_000)
        for name in ["tree/a", "tree/sub/b"]:
            with open(f"{base}/{name}", "wb") as file:
                file.write(data)
        self("cp", f"{base}/tree", f"{DOMAIN}/{POD}:/tmp/tree-{self.version}")
        self("cp", f"{DOMAIN}/{POD}:/tmp/tree-{self.version}", f"{base}/back")
        for name in ["a", "sub/b"]:
            with open(f"{base}/back/{name}", "rb") as file:
                expect(file.read() == data, name)

    def test_port_forward(self):
        "port-forward carries many connections at once, to a port that only the pod's loopback has"
        self.forwarded(POD, self.port)

    def test_port_forward_closed(self):
        "port-forward reaches a pod that has no network of its own"
        self.forwarded(NETPOD, 7000)

    def forwarded(self, pod, port):
        process = subprocess.Popen(
            [self.path, "-n", DOMAIN, "port-forward", f"pod/{pod}", f":{port}"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env=environment())
        try:
            line = process.stdout.readline()
            found = re.search(r"127.0.0.1:(\d+)", line)
            expect(found, line)
            drain = threading.Thread(target=lambda: process.stdout.read(), daemon=True)
            drain.start()
            local = int(found.group(1))
            with urllib.request.urlopen(f"http://127.0.0.1:{local}/", timeout=30) as answer:
                expect(answer.read() == b"hello\n", "the page")
            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                sizes = list(pool.map(lambda n: echo(local, 100_000 + n * 1000), range(16)))
            expect(sizes == [100_000 + n * 1000 for n in range(16)], sizes)
        finally:
            process.terminate()
            process.wait(20)

    def test_attach(self):
        "attach shows what the container writes from now on"
        process = subprocess.Popen(
            [self.path, "-n", DOMAIN, "attach", POD], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment())
        try:
            mark = f"mark-{self.version}-{time.time_ns()}"
            seen = threading.Event()
            threading.Thread(target=lambda: [seen.set() for line in process.stdout if mark in line], daemon=True).start()
            deadline = time.monotonic() + 40
            while not seen.is_set() and time.monotonic() < deadline and process.poll() is None:
                self("exec", POD, "--", "sh", "-c", f"echo {mark} >> /tmp/say")
                seen.wait(1)
            expect(seen.is_set(), f"exit {process.poll()}: {process.stderr.read() if process.poll() is not None else ''}")
        finally:
            process.terminate()
            process.wait(20)

    def test_run_input(self):
        "run -i types into a pod of its own, megabytes unchanged, to the end; the pod's exit code is kubectl's"
        data = "".join(f"{n} {'x' * 90}\n" for n in range(12_000))
        result = self(
            *self.run_words("typed"), "-i", "--rm", "--quiet", "--command", "--", "sh", "-c", "cat; exit 3", input=data, status=3, timeout=120)
        expect(data in result.stdout, f"{len(result.stdout)} of {len(data)} bytes came back; {result.stderr[-300:]}")

    def test_run_terminal(self):
        "run -it is a shell in a pod of its own, with the caller's terminal size, and its exit code"
        code, text = converse(
            [self.path, "-n", DOMAIN, *self.run_words("shell"), "-it", "--rm", "--quiet", "--command", "--", "sh"], (33, 101),
            [(b"\n", b"", 2), (b"stty size; tty; echo e''nd\n", b"end", 60), (b"exit 5\n", b"", 60)])
        expect("33 101" in text and "/dev/" in text and code == 5, f"{code}: {text}")

    def test_attach_input(self):
        "attach -i types into what runs, and leaves it running"
        name = self.run_words("words")[1]
        self(*self.run_words("words"), "--stdin", "--leave-stdin-open", "--attach=false", "--command", "--", "sh", "-c", "while read word; do echo got $word; done")
        try:
            eventually("it runs", lambda: self("get", "pod", name, "-o", "jsonpath={.status.phase}").stdout == "Running")
            for word in ("one", "two"):
                # It looks on until the container's end, so it is ended here.
                process = subprocess.Popen(
                    [self.path, "-n", DOMAIN, "attach", "-i", name], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                    text=True, env=environment())
                try:
                    process.stdin.write(f"{word}\n")
                    process.stdin.close()
                    eventually(f"{word} was read", lambda: f"got {word}\n" in self("logs", name).stdout)
                finally:
                    process.terminate()
                    process.wait(20)
            expect(self("get", "pod", name, "-o", "jsonpath={.status.phase}").stdout == "Running", "it runs on")
        finally:
            self("delete", "pod", name, "--grace-period=0", "--force", status=None)

    def run_words(self, name):
        spec = {"spec": {"tolerations": [{"operator": "Exists"}], "nodeName": DOMAIN, "terminationGracePeriodSeconds": 1}}
        return ["run", f"{name}-{self.version.replace('.', '-')}", "--image=host:latest", "--restart=Never", f"--overrides={json.dumps(spec)}"]

    def test_top(self):
        "top shows the node and the pod"
        eventually("metrics", lambda: POD in self("top", "pods", status=None).stdout and DOMAIN in self("top", "nodes", status=None).stdout, 90)

    def test_rights(self):
        "exec needs the right to: who may only read is refused"
        self("create", "serviceaccount", "reader", status=None)
        self("create", "rolebinding", "reader", "--clusterrole=view", f"--serviceaccount={DOMAIN}:reader", status=None)
        user = f"--as=system:serviceaccount:{DOMAIN}:reader"
        eventually("the binding holds", lambda: self("get", "pods", user, status=None).returncode == 0, 30)
        for command in (["exec", POD, "--", "true"], ["port-forward", f"pod/{POD}", ":80"], ["attach", POD]):
            expect("orbidden" in self(user, *command, status=1).stderr, command)


def set_size(terminal, rows, columns):
    import fcntl, struct, termios
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def converse(command, size, steps):
    """Runs it on a terminal; each step is (what to type, what to wait for behind it, within so many seconds). Its exit code, and all it showed."""
    primary, secondary = pty.openpty()
    set_size(secondary, *size)
    process = subprocess.Popen(
        command, stdin=secondary, stdout=secondary, stderr=secondary, env=environment(), start_new_session=True,
        preexec_fn=lambda: take_terminal(secondary))
    os.close(secondary)
    text = b""

    def read(seconds, until):
        nonlocal text
        begun, deadline = len(text), time.monotonic() + seconds
        while time.monotonic() < deadline and (not until or until not in text[begun:]):
            if not select.select([primary], [], [], 0.2)[0]:
                continue
            try:
                piece = os.read(primary, 4096)
            except OSError:
                return
            if not piece:
                return
            text += piece

    for typed, awaited, seconds in steps:
        if process.poll() is not None:
            break
        os.write(primary, typed)
        read(seconds, awaited)
    try:
        code = process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        code = f"none, killed after a minute ({process.wait(10)})"
    os.close(primary)
    return code, text.decode(errors="replace")


def take_terminal(terminal):
    import fcntl, termios
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)


def echo(port, size):
    data = os.urandom(size)
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        threading.Thread(target=lambda: connection.sendall(data), daemon=True).start()
        received = b""
        while len(received) < size:
            piece = connection.recv(65536)
            if not piece:
                break
            received += piece
    return size if received == data else -len(received)


# What the official Python client does; runs under the interpreter that has it.

def python_client():
    from kubernetes import client, config
    from kubernetes.stream import portforward, stream
    config.load_kube_config(kubeconfig)
    core = client.CoreV1Api()

    def command():
        "exec returns output, errors and the exit code"
        response = stream(
            core.connect_get_namespaced_pod_exec, POD, DOMAIN, command=["sh", "-c", "echo out; echo err >&2; exit 5"], stderr=True, stdin=False,
            stdout=True, tty=False, _preload_content=False)
        response.run_forever(timeout=30)
        expect(response.read_stdout() == "out\n" and response.read_stderr() == "err\n" and response.returncode == 5, response.returncode)

    def conversation():
        "exec with input is a conversation"
        response = stream(
            core.connect_get_namespaced_pod_exec, POD, DOMAIN, command=["sh"], stderr=True, stdin=True, stdout=True, tty=False,
            _preload_content=False)
        for number in range(20):
            response.write_stdin(f"echo line {number}\n")
            expect(response.readline_stdout(timeout=20) == f"line {number}", number)
        response.write_stdin("exit 3\n")
        response.run_forever(timeout=20)
        expect(response.returncode == 3, response.returncode)

    def forward():
        "port-forward speaks with the pod's loopback"
        port = int(os.environ["ACCESS_PORT"])
        forwarded = portforward(core.connect_get_namespaced_pod_portforward, POD, DOMAIN, ports=str(port))
        connection = forwarded.socket(port)
        connection.setblocking(True)
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        answer = b""
        while b"hello" not in answer:
            piece = connection.recv(1024)
            expect(piece, forwarded.error(port) or answer)
            answer += piece
        connection.close()

    def log():
        "logs"
        expect("listening" in core.read_namespaced_pod_log(POD, DOMAIN), "the log")

    for body in (command, conversation, forward, log):
        check(f"Python client: {body.__doc__}", body)


def main():
    master = lite = None
    with Wall() as wall:
        try:
            port = free_port(wall.here)
            inner_port = 20000 + os.getpid() % 10000
            path = configuration("master", "master", "master", [], {
                "stateDirectory": f"{options.directory}/master", "listenAddress": "0.0.0.0", "port": port,
                "certificateNames": [wall.here, "127.0.0.1", "localhost"]})
            master = start("master", [options.swiftlet, "master", "--config", path])
            state = f"{options.directory}/master"
            eventually("the master's kubeconfig", lambda: os.path.exists(f"{state}/admin.kubeconfig"), 30)
            os.link(f"{state}/admin.kubeconfig", kubeconfig)
            eventually("the master", lambda: run(options.swiftlet, "get", "namespaces", status=None).returncode == 0, 30)
            token = run(options.swiftlet, "token", DOMAIN, "--create").stdout.strip()
            path = configuration(
                "lite", "lite", DOMAIN, ["--deploy-token", token, "--master-endpoint", f"https://{wall.here}:{port}"], {
                    "stateDirectory": f"{options.directory}/lite", "masterCAFile": f"{state}/pki/ca.crt",
                    "nodeName": DOMAIN, "nodeAddress": wall.there, "dataDirectory": f"{options.directory}/lite/data",
                    "cgroupParent": f"swiftlet.access.{os.getpid()}"})
            os.makedirs(f"{options.directory}/lite/data", exist_ok=True)
            lite = start("lite", ["nsenter", f"--net=/run/netns/{wall.name}", options.swiftlet, "lite", "--config", path, "--stop-tasks-on-exit"])
            with open(f"{options.directory}/pods.json", "w") as file:
                say = "touch /tmp/say; tail -f /tmp/say & "
                file.write(manifest(POD, say + f"exec python3 -c \"{SERVER.replace('PORT', str(inner_port))}\"", inner_port, "host"))
            with open(f"{options.directory}/closed.json", "w") as file:
                file.write(manifest(NETPOD, f"exec python3 -c \"{SERVER.replace('PORT', '7000')}\"", 7000, "none"))
            kubectl = options.kubectl[0]
            eventually("the node", lambda: " Ready" in run(kubectl, "get", "nodes", status=None).stdout, 60)
            for name in ("pods", "closed"):
                run(kubectl, "apply", "-f", f"{options.directory}/{name}.json")
            for name in (POD, NETPOD):
                eventually(f"{name} runs", lambda: "listening" in run(kubectl, "-n", DOMAIN, "logs", name, status=None).stdout, 60)

            def unreachable():
                with socket.socket() as probe:
                    probe.settimeout(1)
                    for target in (22, 10250, inner_port):
                        expect(probe.connect_ex((wall.there, target)) != 0, f"port {target} answers")
            check("nobody can dial the Lite", unreachable)
            for path in options.kubectl:
                Kubectl(path, inner_port).all()
            if options.python:
                result = subprocess.run(
                    [options.python, __file__, "--client-only", "--swiftlet", options.swiftlet, "--directory", options.directory],
                    env=environment() | {"ACCESS_PORT": str(inner_port)}, capture_output=True, text=True, timeout=180)
                print(result.stdout, end="")
                lines = [line for line in result.stdout.splitlines() if line.startswith(("ok ", "FAILED "))]
                results.extend(line.startswith("ok ") for line in lines)
                if result.returncode not in (0, 1) or not lines:
                    results.append(False)
                    print("FAILED  Python client:", result.stderr[-1500:])
            check("drain empties the node and cordon stays", lambda: drain(options.kubectl[-1]))
        except Exception as error:
            results.append(False)
            print(f"FAILED  {type(error).__name__}: {error}")
            if os.path.exists(kubeconfig):
                print(run(options.kubectl[0], "-n", DOMAIN, "describe", "pods", status=None).stdout[-5000:])
        finally:
            stop(lite)
            stop(master)
            if not all(results):
                for name in ("master", "lite"):
                    with open(f"{options.directory}/{name}.log", errors="replace") as file:
                        print(f"--- {name}\n" + "".join(file.readlines()[-40:]))


def drain(kubectl):
    run(kubectl, "drain", DOMAIN, "--force", "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=60s", timeout=90)
    expect("SchedulingDisabled" in run(kubectl, "get", "nodes").stdout, "cordoned")
    expect(POD not in run(kubectl, "-n", DOMAIN, "get", "pods").stdout, "pods are left")
    run(kubectl, "uncordon", DOMAIN)


if options.client_only:
    python_client()
else:
    main()
print(f"{'ok' if all(results) and results else 'FAILED'}: {sum(results)} of {len(results)}")
sys.exit(0 if all(results) and results else 1)
