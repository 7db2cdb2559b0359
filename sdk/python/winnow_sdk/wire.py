"""Values as bytes, and messages over a stream socket: the part of host/isolation/{wire,channel,messages}.hpp that a verifier's
process needs. Little-endian, no padding between values; a text or array begins with its length."""
import enum
import mmap
import os
import struct

WIRE = 2  # the host says its own first; raised with every change of what this file and server.py read or write

WARNING = 3                                              # a level of the log
OK, CANCELLED, FAILED_PRECONDITION, INTERNAL = 0, 1, 9, 13  # wn_status
HEADER = struct.Struct("<IIQ")                           # message, reserved, bytes of the payload
MOST_BYTES = 1 << 40                                     # of a payload


class Message(enum.IntEnum):
    LOAD = 0
    CREATE = 1
    DESTROY = 2
    VERIFIER_INFO = 11
    SCORE = 12
    REPLY = 22
    LOG = 23


class Malformed(Exception):
    """What came from the host is not what was expected."""


class Reader:
    """Borrows the bytes."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, size: int):
        if size < 0 or size > len(self.data) - self.at:
            raise Malformed
        self.at += size
        return self.data[self.at - size:self.at]

    def get(self, kind: str):
        return struct.unpack(f"<{kind}", self.take(struct.calcsize(f"<{kind}")))[0]

    def array(self, kind: str) -> tuple:
        n = self.get("Q")
        return struct.unpack(f"<{n}{kind}", self.take(n * struct.calcsize(f"<{kind}")))

    def data_of(self) -> bytes:
        return bytes(self.take(self.get("Q")))

    def text(self) -> str:
        return self.data_of().decode("utf-8", "replace")


def text(value: str) -> bytes:
    data = value.encode("utf-8", "backslashreplace")
    return struct.pack("<Q", len(data)) + data


def array(kind: str, values) -> bytes:
    return struct.pack(f"<Q{len(values)}{kind}", len(values), *values)


def reply(status: int = OK, why: str = "", items: list[tuple[int, str]] = (), body: bytes = b"") -> bytes:
    """How a call ended: its status, why it failed, why items of its batch failed, its results."""
    parts = [struct.pack("<i", status), text(why), struct.pack("<Q", len(items))]
    parts += [struct.pack("<Q", item) + text(what) for item, what in items]
    return b"".join(parts) + body


class Channel:
    def __init__(self, file: int):
        self.file = file

    def receive(self) -> tuple[int, bytes] | None:
        """None: the other end is gone."""
        header = self.read(HEADER.size)
        if not header:
            return None
        message, _, size = HEADER.unpack(header)
        if size > MOST_BYTES:
            raise Malformed
        payload = self.read(size) if size else b""
        return None if payload is None else (message, payload)

    def send(self, message: int, payload: bytes) -> None:
        rest = memoryview(HEADER.pack(message, 0, len(payload)) + payload)
        while rest:
            rest = rest[os.write(self.file, rest):]

    def read(self, size: int) -> bytes | None:
        parts = []
        while size:
            part = os.read(self.file, min(size, 1 << 20))
            if not part:
                return None
            parts.append(part)
            size -= len(part)
        return b"".join(parts)


def mapped(file: int, writable: bool) -> memoryview:
    """The whole of a shared arena; lives as long as the process."""
    protection = mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0)
    return memoryview(mmap.mmap(file, os.fstat(file).st_size, mmap.MAP_SHARED, protection))
