"""What stands between an agent and its master and misbehaves: a wire that can be cut, and a server that answers wrongly."""
import http.client
import http.server
import json
import select
import socket
import socketserver
import ssl
import threading
import time
from urllib.parse import parse_qs, urlsplit


class Wire:
    """Relays bytes of TCP connections; each direction can be stopped without a word, as a broken network would. `held`: how often
    bytes or a connection were found that wait because of that."""

    def __init__(self, port):
        self.to, self.over, self.held = port, False, 0
        self.up = self.down = True  # towards the master, towards the node
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def set(self, up, down):
        self.up, self.down = up, down

    def _accept(self):
        while not self.over:
            try:
                node, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._relay, args=(node,), daemon=True).start()

    def _relay(self, node):
        try:
            while not (self.up and self.down) and not self.over:  # a lost SYN
                self.held += 1
                time.sleep(0.05)
            master = socket.create_connection(("127.0.0.1", self.to), 10)
        except OSError:
            return node.close()
        with node, master:
            while not self.over:
                wanted = [end for end, flows in ((node, self.up), (master, self.down)) if flows]
                stopped = [end for end in (node, master) if end not in wanted]
                if stopped and select.select(stopped, [], [], 0)[0]:
                    self.held += 1
                ready, _, _ = select.select(wanted, [], [], 0.05)
                for end in ready:
                    try:
                        content = end.recv(65536)
                        if not content:
                            return
                        (master if end is node else node).sendall(content)
                    except OSError:
                        return

    def close(self):
        self.over = True
        self.listener.close()


class Server:
    """Ends TLS with the master's own certificate and asks the real master as the administrator. `fault(method, path)` gives None, or
    a status to answer with, or a word: "cut" before the call, "lost" behind it, "delay", "truncated" in the middle of the answer,
    or a Status;
    `delay` seconds before each answer (`delayed` counts them); `watch(line)` turns an event of a watch into others (`added`: how
    many more). Streams into pods are relayed by threads; `cut_streams()` breaks those that are open. `upgrades` False: they are
    refused."""

    LONG = 3  # seconds of a call that is delayed

    def __init__(self, lab, upgrades=False):
        self.lab, self.fault, self.delay, self.watch, self.cut, self.upgrades = lab, None, 0, None, None, upgrades
        self.refused = self.cuts = self.events = self.delayed = self.added = 0
        self.streams, self.lock = set(), threading.Lock()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def relay(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                time.sleep(outer.delay)
                outer.delayed += outer.delay > 0
                fault = outer.fault(self.command, self.path) if outer.fault else None
                if self.headers.get("Upgrade") and not outer.upgrades:
                    fault = 503
                if isinstance(fault, int):
                    outer.refused += 1
                    return self.answer(fault, refusal(fault), {"Retry-After": "1"} if fault == 429 else {})
                if isinstance(fault, dict):
                    outer.refused += 1
                    return self.answer(fault["code"], json.dumps(fault).encode(), {})
                if fault == "cut":
                    self.close_connection = True
                    return None
                if fault == "delay":
                    time.sleep(outer.LONG)
                upstream = outer.lab.connect()
                try:
                    if self.headers.get("Upgrade"):
                        return self.upgrade(upstream, fault)
                    headers = {name: self.headers[name] for name in ("Content-Type", "Accept") if self.headers[name]}
                    upstream.request(self.command, self.path, body or None, headers)
                    answer = upstream.getresponse()
                    query = parse_qs(urlsplit(self.path).query)
                    if ("true" in query.get("watch", []) or "true" in query.get("follow", [])) and answer.status == 200:
                        return self.stream(answer, fault)
                    content = answer.read()
                    if fault in ("lost", "truncated"):
                        self.close_connection = True
                        if fault == "truncated":
                            self.send_response(answer.status)
                            self.send_header("Content-Length", str(len(content)))
                            self.end_headers()
                            self.wfile.write(content[:len(content) // 2])
                        return None
                    self.answer(answer.status, content, {"Content-Type": answer.getheader("Content-Type") or "application/json"})
                except (OSError, http.client.HTTPException):
                    self.close_connection = True
                finally:
                    upstream.close()

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = relay

            def answer(self, status, content, headers):
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def upgrade(self, upstream, fault):
                self.close_connection = True
                upstream.connect()
                head = f"{self.command} {self.path} HTTP/1.1\r\n"
                head += "".join(f"{name}: {value}\r\n" for name, value in self.headers.items() if name.lower() != "authorization")
                upstream.sock.sendall(f"{head}\r\n".encode())
                ends = (self.connection, upstream.sock)
                with outer.lock:
                    outer.streams.add(ends)
                threading.Thread(target=copy, args=(self.connection, upstream.sock, None), daemon=True).start()
                copy(upstream.sock, self.connection, 100 if fault in ("lost", "truncated") else None)
                with outer.lock:
                    outer.streams.discard(ends)

            def stream(self, answer, fault=None):
                if fault == "lost":
                    self.close_connection = True
                    return
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                begun = time.monotonic()
                while line := answer.readline():
                    outer.events += 1
                    if fault == "truncated":
                        half = line[:len(line) // 2 or 1]
                        self.wfile.write(b"%x\r\n%s" % (len(line), half))
                        self.close_connection = True
                        return
                    told = outer.watch(line) if outer.watch else [line]
                    outer.added += len(told) - 1
                    for event in told:
                        self.wfile.write(b"%x\r\n%s\r\n" % (len(event), event))
                    self.wfile.flush()
                    if outer.cut and time.monotonic() - begun > outer.cut:
                        outer.cuts += 1
                        self.close_connection = True
                        return  # in the middle of a chunked body
                self.wfile.write(b"0\r\n\r\n")

        class Threads(socketserver.ThreadingMixIn, http.server.HTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def get_request(self):
                connection, address = self.socket.accept()
                connection.settimeout(30)
                return outer.context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), address

            def handle_error(self, *_):
                pass

        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        pki = f"{lab.directory}/master/pki"
        self.context.load_cert_chain(f"{pki}/server.crt", f"{pki}/server.key")
        self.server = Threads(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def cut_streams(self):
        with self.lock:
            streams = list(self.streams)
        for ends in streams:
            for end in ends:
                shut(end)

    def close(self):
        self.cut_streams()
        self.server.shutdown()
        self.server.server_close()


def shut(connection):
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # it is closed already


def copy(source, sink, limit):
    """Bytes of one direction until either side ends; `limit`: breaks off behind so many."""
    sent = 0
    try:
        source.settimeout(None)
        while content := source.recv(65536):
            sink.sendall(content[:limit - sent] if limit is not None else content)
            sent += len(content)
            if limit is not None and sent >= limit:
                break
    except OSError:
        pass  # the other direction broke it
    shut(source)
    shut(sink)


def refusal(status):
    reason = {429: "TooManyRequests", 500: "InternalError", 503: "ServiceUnavailable", 410: "Expired"}.get(status, "Unknown")
    return json.dumps({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": status,
                       "message": f"chaos answers {status}"}).encode()
