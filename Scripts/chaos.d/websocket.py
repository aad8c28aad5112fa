"""A caller of exec, attach and port-forward over a WebSocket (RFC 6455): just enough of one for a test."""
import base64
import os
import socket
import struct


class Refused(Exception):
    """The server did not upgrade; its answer's head and beginning of body."""


class WebSocket:
    """`connection` is a fresh HTTPSConnection; messages are bytes whose first is the channel's number."""

    def __init__(self, connection, path, protocol="v4.channel.k8s.io", seconds=60):
        connection.connect()
        self.connection, self.socket, self.rest = connection, connection.sock, b""
        self.socket.settimeout(seconds)
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(
            (f"GET {path} HTTP/1.1\r\nHost: chaos\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
             f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Protocol: {protocol}\r\n\r\n").encode())
        while b"\r\n\r\n" not in self.rest:
            piece = self.socket.recv(65536)
            if not piece:
                break
            self.rest += piece
        head, _, self.rest = self.rest.partition(b"\r\n\r\n")
        if b" 101 " not in head.split(b"\r\n", 1)[0]:
            try:
                self.rest += self.socket.recv(65536)
            except OSError:
                pass  # the head says enough
            self.close()
            raise Refused((head + b"\n" + self.rest).decode(errors="replace"))

    def _take(self, count):
        while len(self.rest) < count:
            piece = self.socket.recv(65536)
            if not piece:
                return None
            self.rest += piece
        taken, self.rest = self.rest[:count], self.rest[count:]
        return taken

    def receive(self):
        """The next message; None at the end. OSError when it broke or nothing came in time."""
        while True:
            head = self._take(2)
            if head is None:
                return None
            length = head[1] & 0x7F
            if length in (126, 127):
                more = self._take(2 if length == 126 else 8)
                length = struct.unpack(">H" if length == 126 else ">Q", more)[0]
            content = self._take(length)
            code = head[0] & 0x0F
            if content is None or code == 8:
                return None
            if code == 9:
                self._send(10, content)
            elif code in (1, 2) and len(content) > 1:
                return content

    def _send(self, code, content):
        mask = os.urandom(4)
        masked = bytes(b ^ mask[i % 4] for i, b in enumerate(content))
        length = len(content)
        head = bytes([0x80 | code, 0x80 | length]) if length < 126 else bytes([0x80 | code, 0x80 | 126]) + struct.pack(">H", length)
        self.socket.sendall(head + mask + masked)

    def send(self, content):
        self._send(2, content)

    def everything(self):
        """All messages until the end, as one text per channel."""
        channels = {}
        while (message := self.receive()) is not None:
            channels[message[0]] = channels.get(message[0], b"") + message[1:]
        return channels

    def close(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it is closed already
        self.connection.close()
