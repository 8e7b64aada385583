"""The bytes: WebSocket frames by hand, raw sockets, raw HTTP requests.

Written out here rather than taken from a library, because a library won't send what it holds to be wrong.
"""
import base64
import hashlib
import os
import socket
import struct
from dataclasses import dataclass, field

from .daemon import patience

TEXT, BINARY, CLOSE, PING, PONG, CONTINUATION = 1, 2, 8, 9, 10, 0


def frame(payload=b"", opcode=TEXT, fin=True, rsv=0, mask=True, length_form=None, claim=None):
    """One frame from a client. `rsv`: the three reserved bits; `length_form`: 7, 16 or 64 bits though fewer
    would do; `claim`: the length that the header states."""
    if isinstance(payload, str):
        payload = payload.encode()
    size = len(payload) if claim is None else claim
    form = length_form or (7 if size < 126 else 16 if size < 65536 else 64)
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    bit = 0x80 if mask else 0
    if form == 7:
        head = bytes([first, bit | size])
    elif form == 16:
        head = bytes([first, bit | 126]) + struct.pack(">H", size)
    else:
        head = bytes([first, bit | 127]) + struct.pack(">Q", size)
    if not mask:
        return head + payload
    key = os.urandom(4)
    return head + key + masked(payload, key)


def masked(payload, key):
    stretched = (key * (len(payload) // 4 + 1))[:len(payload)]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(stretched, "big")).to_bytes(len(payload), "big")


def close_payload(code=1000, reason=b""):
    return struct.pack(">H", code) + reason


def websocket_key():
    return base64.b64encode(os.urandom(16)).decode()


def accept_for(key):
    digest = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
    return base64.b64encode(digest).decode()


def upgrade_request(path="/", host="localhost", key=None, headers=(), version="13"):
    """The head of a WebSocket handshake; a header given here replaces none of the usual ones."""
    lines = [f"GET {path} HTTP/1.1", f"Host: {host}", "Upgrade: websocket", "Connection: Upgrade",
             f"Sec-WebSocket-Key: {key or websocket_key()}", f"Sec-WebSocket-Version: {version}"]
    lines += [f"{name}: {value}" for name, value in headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


# ---------------------------------------------------------------------- raw sockets


def dial(daemon, timeout=20):
    sock = socket.create_connection((daemon.host, daemon.port), patience(timeout))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def reset(sock):
    """Closes without a goodbye: the peer sees a RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def read_to_end(sock):
    """Everything until the server closes. A reset counts as an end, a timeout doesn't."""
    pieces = []
    try:
        while True:
            piece = sock.recv(65536)
            if not piece:
                break
            pieces.append(piece)
    except ConnectionError:
        pass
    return b"".join(pieces)


def read_until(sock, mark):
    data = b""
    while mark not in data:
        piece = sock.recv(4096)
        if not piece:
            raise AssertionError(f"closed before {mark!r}: {data!r}")
        data += piece
    return data


# ---------------------------------------------------------------------- HTTP


@dataclass
class Response:
    status: int
    headers: dict = field(default_factory=dict)
    body: bytes = b""
    raw: bytes = b""

    @property
    def type(self):
        return self.headers.get("content-type", "")

    @property
    def text(self):
        return self.body.decode()


def parse_response(raw):
    assert raw, "closed without an answer"
    head, end, body = raw.partition(b"\r\n\r\n")
    assert end, f"no end of the head: {raw[:300]!r}"
    first, *lines = head.decode("latin-1").split("\r\n")
    version, status = first.split(" ")[:2]
    assert version in ("HTTP/1.1", "HTTP/1.0"), first
    headers = {}
    for line in lines:
        name, colon, value = line.partition(":")
        assert colon and name and name.strip() == name, f"a malformed field: {line!r}"
        assert name.lower() not in headers, f"sent twice: {name}"
        headers[name.lower()] = value.strip()
    return Response(int(status), headers, body, raw)


def exchange(daemon, request, timeout=20):
    """Sends these bytes, reads to the end, parses the answer."""
    with dial(daemon, timeout) as sock:
        sock.sendall(request)
        return parse_response(read_to_end(sock))


def http(daemon, path="/", method="GET", host="localhost:3000", headers=(), minor=1):
    """One request, its path sent as it is. The body's length is checked against Content-Length. (A head that is
    refused as malformed may not have been understood as HEAD.)"""
    if isinstance(path, str):
        path = path.encode("latin-1")
    fields = [("Host", host)] if host is not None else []
    fields += headers.items() if isinstance(headers, dict) else headers
    head = method.encode() + b" " + path + f" HTTP/1.{minor}\r\n".encode()
    head += "".join(f"{n}: {v}\r\n" for n, v in fields).encode("latin-1") + b"\r\n"
    response = exchange(daemon, head)
    length = response.headers.get("content-length")
    if method == "HEAD" and (response.status != 400 or not response.body) or response.status in (204, 304):
        assert response.body == b"", f"a body where none may be: {response.body[:100]!r}"
    elif length is not None:
        assert len(response.body) == int(length), (len(response.body), length)
    return response
