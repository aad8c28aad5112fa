"""What connections can do to a server: weird credentials, slow and half-closed peers, many idle watches, a watcher that never reads."""
import base64
import json
import os
import resource
import socket
import ssl
import subprocess
import threading
import time

import seeds
import wire

# A watch that waits may cost the master so much, whatever the build; TARGETS.md's bound of a release build is the benchmark's to check.
WATCH_BYTES = 64 << 10
# A watcher that never reads may hold at most so much of what it has been sent.
UNREAD_BYTES = 64 << 20
HALF_CLOSED_SECONDS = 10
# A head that comes byte by byte is cut off after this (long campaign).
SLOW_SECONDS = 120
OPEN_PATHS = ["/healthz", "/livez", "/readyz", "/version"]


def token(header, payload, signature=b"x"):
    part = lambda data: base64.urlsafe_b64encode(data if isinstance(data, bytes) else json.dumps(data).encode()).rstrip(b"=").decode()
    return f"{part(header)}.{part(payload)}.{part(signature)}"


def strange_credentials():
    """Headers that must identify nobody."""
    admin = {"iss": "https://kubernetes.default.svc", "sub": "system:serviceaccount:kube-system:admin", "groups": ["system:masters"], "exp": 99999999999, "aud": ["https://kubernetes.default.svc"]}
    tokens = [
        "", " ", "x", "null", "a.b.c", "..", "a..b", "." * 1000, "é", "x" * 60_000, "%00", "\t", "x y", "Bearer x", "\u202e", "AAAA" * 100, "=", "😀",
        token({"alg": "none"}, admin, b""), token({"alg": "HS256"}, admin), token({"alg": "ES256"}, admin, b"\0" * 64), token({"alg": "ES256"}, admin, b"\0" * 63), token({"alg": "ES256", "kid": "../../etc/passwd"}, admin),
        token({"alg": "ES256", "jwk": {"kty": "EC"}}, admin), token({}, {}), token([], []), token({"alg": ["ES256"]}, admin), token({"alg": "ES256"}, {"exp": "never"}), token({"alg": "ES256"}, {"exp": 1e400}),
        token(b"{", b"}"), token(b"\xff", b"\xff"), token({"alg": "ES256"}, b"[" * 10_000), token({"alg": "RS256", "typ": "JWT"}, admin, b"\1" * 256), token({"alg": "es256"}, admin), token({"alg": "ES256"}, admin, b""),
    ]
    headers = [[("Authorization", f"{scheme} {one}")] for scheme in ("Bearer", "bearer", "BEARER") for one in tokens]
    headers += [[("Authorization", value)] for value in ("Basic YWRtaW46YWRtaW4=", "Basic", "Bearer", "Digest x", "Negotiate x", ",", "Bearer a, Bearer b", "\x01", "AWS4 x", "Token x")]
    headers += [[("Authorization", "Bearer x"), ("Authorization", "Bearer y")], [("X-Remote-User", "admin"), ("X-Remote-Group", "system:masters")]]
    headers += [[("Impersonate-User", "kubernetes-admin"), ("Impersonate-Group", "system:masters")], [("X-Forwarded-Client-Cert", "Subject=\"CN=kubernetes-admin,O=system:masters\"")], [("SSL_CLIENT_S_DN", "O=system:masters")]]
    return headers


def authorization(master, findings, options):
    """Nobody gets in by strange credentials: 401 or 403, but for the open paths."""
    statuses = {}
    paths = ["/api/v1/secrets", "/api/v1/namespaces/default/pods", "/apis", "/metrics", "/openapi/v3", *OPEN_PATHS]
    for headers in strange_credentials():
        for path in paths:
            request = seeds.Seed("GET", path, headers=headers).encode()
            try:
                connection = wire.Wire(master.port, master.context(None))
                answer = connection.exchange(request)
                connection.close()
            except (wire.BadAnswer, wire.Silence, OSError) as error:
                findings.add("authorization", f"{path} with {str(headers)[:100]}: {type(error).__name__} {error}", [request])
                continue
            problem = wire.verdict(answer)
            if problem:
                findings.add("authorization", problem, [request])
            elif answer and answer.status < 400 and path not in OPEN_PATHS:
                findings.add("authorization", f"{path} answered {answer.status} to {str(headers)[:200]}", [request])
            key = answer.status if answer else "closed"
            statuses[key] = statuses.get(key, 0) + 1
    for path in OPEN_PATHS:
        connection = wire.Wire(master.port, master.context(None))
        answer = connection.exchange(seeds.Seed("GET", path).encode())
        connection.close()
        if answer is None or answer.status != 200:
            findings.add("authorization", f"{path} without credentials: expected 200, found {answer and answer.status}")
    certificates = strange_certificates(master, findings)
    return ", ".join(f"{value} x {key}" for key, value in sorted(statuses.items(), key=str)) + f"; {certificates} certificates of others"


def strange_certificates(master, findings):
    """A certificate of another authority with our administrator's name, an expired one, our own server's: none may be anybody."""
    place, count = master.directory, 0
    other = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/O=system:masters/CN=kubernetes-admin", "-keyout", f"{place}/other.key", "-out", f"{place}/other.crt"]
    made = subprocess.run(other + ["-days", "1"], capture_output=True).returncode == 0
    pairs = [(f"{place}/other.crt", f"{place}/other.key")] if made else []
    pairs.append((f"{master.pki}/server.crt", f"{master.pki}/server.key"))
    for certificate, key in pairs:
        context = master.context(None)
        context.load_cert_chain(certificate, key)
        try:
            connection = wire.Wire(master.port, context)
            answer = connection.exchange(seeds.Seed("GET", "/api/v1/secrets").encode())
            connection.close()
        except (OSError, ssl.SSLError, wire.BadAnswer):
            answer = None  # refused in the handshake
        count += 1
        if answer and (answer.status < 400 or answer.status >= 500):
            findings.add("authorization", f"{os.path.basename(certificate)} was answered {answer.status}")
    return count


def run(master, findings, options):
    raise_file_limit()
    words = [half_closed(master, findings), silent(master, findings, options), idle_watches(master, findings, options), never_reads(master, findings, options)]
    if options.is_long:
        words.append(slow_heads(master, findings))
    return "; ".join(words)


def raise_file_limit():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def serves(master, findings, what, limit=5):
    """Somebody else is still served in time."""
    started = time.monotonic()
    try:
        connection = wire.Wire(master.port, master.context(), limit)
        answer = connection.exchange(seeds.Seed("GET", "/api/v1/namespaces").encode(), limit)
        connection.close()
        if answer is None or answer.status != 200:
            findings.add("connections", f"{what}: others get {answer and answer.status}")
    except (wire.Silence, wire.BadAnswer, OSError) as error:
        findings.add("connections", f"{what}: others are not served: {type(error).__name__} {error}")
    return time.monotonic() - started


def eventually(condition, seconds):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.1)  # between two looks
    return condition()


def half_closed(master, findings):
    """Peers that stop sending at every stage: the master answers or closes, and keeps no descriptor."""
    before = master.open_files()
    request = seeds.Seed("GET", "/api/v1/namespaces").encode()
    watch = seeds.Seed("GET", "/api/v1/namespaces", [("watch", "true")]).encode()
    post = seeds.Seed("POST", "/api/v1/namespaces/default/configmaps", [], seeds.CONFIG).encode()
    stages = [None, b"", b"\x16\x03", b"\x16\x03\x01\x02\x00\x01", request, request[:30], watch, post[:-20], post + request[:10], request * 50]
    count = 0
    for stage in stages:
        for _ in range(5):
            count += 1
            raw = socket.create_connection(("127.0.0.1", master.port), 10)
            if stage is None or stage[:1] == b"\x16":
                raw.sendall(stage or b"")  # before TLS is up
                raw.shutdown(socket.SHUT_WR)
                finish(raw, findings, f"half closed in the handshake after {len(stage or b'')} bytes")
                continue
            tls = master.context().wrap_socket(raw, server_hostname="localhost")
            tls.sendall(stage)
            os_socket = socket.socket(fileno=os.dup(tls.fileno()))
            os_socket.shutdown(socket.SHUT_WR)
            finish(os_socket, findings, f"half closed after {len(stage)} bytes of a request")
            tls.close()
    if not eventually(lambda: master.open_files() <= before + 4, 15):
        findings.add("connections", f"half-closed connections are kept: {master.open_files()} descriptors, {before} before")
    serves(master, findings, "after half-closed connections")
    return f"{count} half-closed"


def finish(raw, findings, what):
    """Reads until the master closes its half."""
    raw.settimeout(HALF_CLOSED_SECONDS)
    try:
        while raw.recv(65536):
            pass
    except socket.timeout:
        findings.add("connections", f"{what}: not closed within {HALF_CLOSED_SECONDS} s")
    except OSError:
        pass
    raw.close()


def silent(master, findings, options):
    """Peers that connect and say nothing, or send a head's beginning: others are served meanwhile."""
    count = 400 if options.is_long else 100
    peers = []
    for number in range(count):
        raw = socket.create_connection(("127.0.0.1", master.port), 10)
        if number % 3 == 1:
            raw.sendall(b"\x16\x03\x01")
        if number % 3 == 2:
            raw = master.context(None).wrap_socket(raw, server_hostname="localhost")
            raw.sendall(b"GET /api/v1/pods HTTP/1.1\r\nX-A: ")
        peers.append(raw)
    took = serves(master, findings, f"with {count} silent connections")
    for peer in peers:
        peer.close()
    return f"{count} silent (others wait {took * 1000:.0f} ms)"


def idle_watches(master, findings, options):
    """Thousands of watches that wait: bounded memory each, all see one change, and all are let go."""
    count = 10_000 if options.is_long else 500
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = min(count, files - 200)
    before, descriptors = master.resident_bytes(), master.open_files()
    context, watches, lock = master.context(), [], threading.Lock()
    request = seeds.Seed("GET", "/api/v1/namespaces/default/configmaps", [("watch", "true"), ("fieldSelector", "metadata.name=seen-by-all"), ("resourceVersion", "0")]).encode()

    def open_some(number):
        for _ in range(number):
            try:
                connection = wire.Wire(master.port, context, 30)
                connection.send(request)
                with lock:
                    watches.append(connection)
            except OSError as error:
                findings.add("connections", f"watch {len(watches)} of {count} was not opened: {error}")
                return

    threads = [threading.Thread(target=open_some, args=(count // 4,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    refused = sum(1 for connection in watches if not head_of_watch(connection))
    if refused:
        findings.add("connections", f"{refused} of {len(watches)} watches were not answered with 200")
    each = (master.resident_bytes() - before) / max(1, len(watches))
    if each > WATCH_BYTES:
        findings.add("connections", f"an idle watch costs {each / 1024:.1f} KiB (bound {WATCH_BYTES >> 10})")
    started = time.monotonic()
    body = dict(seeds.CONFIG, metadata={"name": "seen-by-all"})
    change = wire.Wire(master.port, context)
    change.exchange(seeds.Seed("POST", "/api/v1/namespaces/default/configmaps", [], body).encode())
    missed = sum(1 for connection in watches if not sees_change(connection))
    took = time.monotonic() - started
    if missed:
        findings.add("connections", f"{missed} of {len(watches)} idle watches did not see the change")
    for connection in watches:
        connection.close()
    change.exchange(seeds.Seed("DELETE", "/api/v1/namespaces/default/configmaps/seen-by-all").encode())
    change.close()
    if not eventually(lambda: master.open_files() <= descriptors + 8, 30):
        findings.add("connections", f"closed watches are kept: {master.open_files()} descriptors, {descriptors} before")
    return f"{len(watches)} idle watches ({each / 1024:.1f} KiB each, all told in {took:.1f} s)"


def head_of_watch(connection):
    try:
        connection.socket.settimeout(30)
        while b"\r\n\r\n" not in connection.buffer:
            chunk = connection.socket.recv(65536)
            if not chunk:
                return False
            connection.buffer += chunk
        return connection.buffer.startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def sees_change(connection):
    try:
        connection.socket.settimeout(30)
        while b"seen-by-all" not in connection.buffer:
            chunk = connection.socket.recv(65536)
            if not chunk:
                return False
            connection.buffer += chunk
        return True
    except OSError:
        return False


def never_reads(master, findings, options):
    """A watcher whose peer takes nothing while 100 MB of changes go by: it is cut off or told 410, and costs no more than its bound."""
    size, count = 200_000, 500 if options.is_long else 150
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.connect(("127.0.0.1", master.port))
    lazy = master.context().wrap_socket(raw, server_hostname="localhost")
    lazy.sendall(seeds.Seed("GET", "/api/v1/namespaces/default/configmaps", [("watch", "true")]).encode())
    eager = wire.Wire(master.port, master.context())
    body = dict(seeds.CONFIG, metadata={"name": "large"}, data={"k": "x" * size})
    eager.exchange(seeds.Seed("POST", "/api/v1/namespaces/default/configmaps", [], body).encode())
    before, top, slowest = master.resident_bytes(), 0, 0.0
    merge = "application/merge-patch+json"
    for number in range(count):
        started = time.monotonic()
        answer = eager.exchange(seeds.Seed("PATCH", "/api/v1/namespaces/default/configmaps/large", [], {"data": {"n": str(number)}}, merge).encode(), 20)
        slowest = max(slowest, time.monotonic() - started)
        if answer is None or answer.status != 200:
            findings.add("connections", f"a write beside a watcher that never reads: {answer and (answer.status, answer.body[:300])}")
            break
        top = max(top, master.resident_bytes())
    serves(master, findings, "with a watcher that never reads")
    eager.exchange(seeds.Seed("DELETE", "/api/v1/namespaces/default/configmaps/large").encode())
    eager.close()
    if slowest > 5:
        findings.add("connections", f"a write took {slowest:.1f} s beside a watcher that never reads")
    # The history may hold its own bound of superseded states beside the watcher's.
    if top - before > UNREAD_BYTES + history_bytes():
        findings.add("connections", f"a watcher that never reads cost {(top - before) >> 20} MiB (bound {(UNREAD_BYTES + history_bytes()) >> 20})")
    lazy.close()
    return f"a watcher that never reads beside {count * size >> 20} MiB of changes (+{(top - before) >> 20} MiB, slowest write {slowest * 1000:.0f} ms)"


def history_bytes():
    return 64 << 20


def slow_heads(master, findings):
    """A byte every two seconds, for ever: cut off within the bound."""
    peers = []
    for number in range(20):
        tls = master.context().wrap_socket(socket.create_connection(("127.0.0.1", master.port), 10), server_hostname="localhost")
        tls.sendall(b"GET /api/v1/pods HTTP/1.1\r\n" if number % 2 else b"POST /api/v1/namespaces/default/configmaps HTTP/1.1\r\nContent-Length: 100000\r\n\r\n")
        tls.setblocking(False)
        peers.append(tls)
    deadline, open_ = time.monotonic() + SLOW_SECONDS, peers
    while open_ and time.monotonic() < deadline:
        left = []
        for tls in open_:
            try:
                tls.send(b"X")
                if tls.recv(4096):
                    left.append(tls)
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                left.append(tls)
            except OSError:
                tls.close()
        open_ = left
        time.sleep(2)  # the pace of a slow peer
    if open_:
        findings.add("connections", f"{len(open_)} of {len(peers)} peers that send a byte every two seconds are still served after {SLOW_SECONDS} s")
    for tls in open_:
        tls.close()
    return f"{len(peers)} slow peers"
