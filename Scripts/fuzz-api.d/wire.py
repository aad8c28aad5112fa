"""Raw HTTP/1.1 over TLS: sends bytes as they are, reads answers strictly, and judges them."""
import json
import re
import socket
import ssl
import time
import zlib

ANSWER_SECONDS = 10  # a whole request's answer must begin within this
INCOMPLETE_SECONDS = 0.15  # how long to listen when the server rightly waits for more
MAXIMUM_ANSWER = 64 << 20


class Answer:
    def __init__(self, status, headers, body, is_whole, closes):
        self.status, self.headers, self.body, self.is_whole, self.closes = status, headers, body, is_whole, closes


class BadAnswer(Exception):
    """What came back is no HTTP, or no Kubernetes answer."""


class Silence(Exception):
    """Nothing came within the bound."""


class Wire:
    """One connection; `exchange` sends bytes and reads one answer."""

    def __init__(self, port, context, timeout=ANSWER_SECONDS):
        raw = socket.create_connection(("127.0.0.1", port), timeout)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = context.wrap_socket(raw, server_hostname="localhost")
        self.buffer = b""

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def exchange(self, data, wait=ANSWER_SECONDS, head_only=False):
        """None when the server closed without a word."""
        self.socket.settimeout(max(wait, 1))
        try:
            self.send(data)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
            pass  # an early answer may be there all the same
        return self.answer(wait, head_only)

    def _more(self, deadline):
        left = deadline - time.monotonic()
        if left <= 0:
            raise Silence()
        self.socket.settimeout(left)
        try:
            chunk = self.socket.recv(65536)
        except (socket.timeout, ssl.SSLWantReadError):
            raise Silence() from None
        except (ConnectionResetError, BrokenPipeError, ssl.SSLError):
            return False
        self.buffer += chunk
        return bool(chunk)

    def answer(self, wait, head_only=False):
        deadline = time.monotonic() + wait
        while b"\r\n\r\n" not in self.buffer:
            if not self._more(deadline):
                if self.buffer:
                    raise BadAnswer(f"closed in the middle of a head: {self.buffer[:200]!r}")
                return None
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        lines = head.split(b"\r\n")
        words = lines[0].split(b" ", 2)
        if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1].isdigit():
            raise BadAnswer(f"status line {lines[0][:200]!r}")
        status = int(words[1])
        headers = {}
        for line in lines[1:]:
            name, separator, value = line.partition(b":")
            if not separator:
                raise BadAnswer(f"header {line[:200]!r}")
            headers[name.lower().decode("latin-1")] = value.strip().decode("latin-1")
        closes = headers.get("connection", "").lower() == "close"
        if 100 <= status < 200:
            return self.answer(wait, head_only)
        if status in (204, 304) or head_only:
            return Answer(status, headers, b"", True, closes)
        if "chunked" in headers.get("transfer-encoding", "").lower():
            return self._chunked(status, headers, closes, deadline)
        length = int(headers.get("content-length", "0"))
        while len(self.buffer) < length:
            if not self._more(deadline):
                raise BadAnswer(f"closed {length - len(self.buffer)} bytes before the end of the body")
        body, self.buffer = self.buffer[:length], self.buffer[length:]
        return Answer(status, headers, body, True, closes)

    def _chunked(self, status, headers, closes, deadline):
        """A stream (watch) may go on: what has come by the bound is looked at, and the connection is not used again."""
        body = b""
        stream_deadline = min(deadline, time.monotonic() + 0.5) if status == 200 else deadline
        try:
            while True:
                while b"\r\n" not in self.buffer:
                    if not self._more(stream_deadline):
                        return Answer(status, headers, body, False, True)
                line, self.buffer = self.buffer.split(b"\r\n", 1)
                size = int(line.split(b";")[0], 16)
                while len(self.buffer) < size + 2:
                    if not self._more(stream_deadline):
                        return Answer(status, headers, body, False, True)
                body, self.buffer = body + self.buffer[:size], self.buffer[size + 2:]
                if size == 0:
                    return Answer(status, headers, body, True, closes)
                if len(body) > MAXIMUM_ANSWER:
                    raise BadAnswer("an answer without end")
        except Silence:
            return Answer(status, headers, body, False, True)


def object_name(answer):
    """The name of the object that came back, when one did."""
    try:
        return json.loads(answer.body)["metadata"]["name"] if answer and answer.status in (200, 201) else None
    except (ValueError, KeyError, TypeError):
        return None


def start(data):
    """Where the request begins: empty lines before it count for nothing (RFC 9112, 2.2)."""
    return data.lstrip(b"\r\n")


def is_complete(data):
    """Whether the bytes are one whole request by their own words; None: cannot be said."""
    head, separator, body = start(data).partition(b"\r\n\r\n")
    if not separator:
        return False
    lines = head.split(b"\r\n")
    fields = [line.partition(b":") for line in lines[1:]]
    lengths = [value.strip() for name, _, value in fields if name.strip().lower() == b"content-length"]
    codings = [value.strip().lower() for name, _, value in fields if name.strip().lower() == b"transfer-encoding"]
    expects = any(name.strip().lower() == b"expect" for name, _, _ in fields)
    if lengths and codings or len(lengths) > 1 or len(codings) > 1 or expects:
        return None
    if codings:
        return True if codings == [b"chunked"] and are_chunks(body) else None
    if lengths:
        if not lengths[0].isdigit():
            return None
        return len(body) >= int(lengths[0])
    return True


def are_chunks(body):
    """Whether it is one well-formed chunked body."""
    while True:
        line, separator, body = body.partition(b"\r\n")
        if not separator or not re.fullmatch(rb"[0-9a-fA-F]{1,6}", line):
            return False
        size = int(line, 16)
        if body[size:size + 2] != b"\r\n":
            return False
        body = body[size + 2:]
        if size == 0:
            return not body


def verdict(answer, method=b"GET"):
    """What is wrong with an answer; None: nothing."""
    if answer is None:
        return None
    if answer.status == 503 and b"is not connected to this master" in answer.body:
        return status_problem(answer)  # a pod's log on a node that is away: the one thing that is nobody's mistake
    if answer.status >= 500:
        return f"status {answer.status}: {answer.body[:400]!r}"
    if answer.status < 200 or answer.status >= 400 and method != b"HEAD":
        return status_problem(answer)
    if answer.is_whole and answer.headers.get("content-type", "").startswith("application/json") and answer.body and method != b"HEAD":
        try:
            for document in documents(answer):
                json.loads(document)
        except (ValueError, RecursionError) as error:
            if not isinstance(error, RecursionError):
                return f"status {answer.status} with a body that is no JSON: {error}: {answer.body[:200]!r}"
    return None


def documents(answer):
    """The texts that must each be JSON: a watch that ended meanwhile has one a line, and is the only answer in chunks."""
    body = plain(answer)
    return body.splitlines() if "chunked" in answer.headers.get("transfer-encoding", "").lower() else [body]


def plain(answer):
    """The body without the coding that the request had allowed. Throws ValueError when it is not what the answer says."""
    if answer.headers.get("content-encoding", "") != "gzip":
        return answer.body
    try:
        inflater = zlib.decompressobj(zlib.MAX_WBITS | 16)
        body = inflater.decompress(answer.body, MAXIMUM_ANSWER)
    except zlib.error as error:
        raise ValueError(f"gzip: {error}") from None
    if not inflater.eof or inflater.unused_data:
        raise ValueError("gzip: not one whole member")
    return body


def status_problem(answer):
    if answer.status < 400:
        return f"status {answer.status}"
    try:
        status = json.loads(plain(answer))
    except ValueError:
        return f"status {answer.status} without a Status: {answer.body[:200]!r}"
    if status.get("kind") != "Status" or status.get("code") != answer.status or not status.get("reason") or not status.get("message"):
        return f"status {answer.status} with {answer.body[:300]!r}"
    return None
