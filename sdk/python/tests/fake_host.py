"""A host of a few lines: starts `python -m winnow_sdk serve` with a socket and two sealed arenas, and calls it as winnow does."""
import fcntl
import math
import os
import pathlib
import socket
import struct
import subprocess
import sys
import tempfile
import unittest

from winnow_sdk import wire
from winnow_sdk.wire import Message, Reader

SDK = pathlib.Path(__file__).resolve().parent.parent
ARENA = 1 << 30                                                # sparse
F_ADD_SEALS, SEAL_SHRINK, SEAL_GROW, SEAL_FUTURE_WRITE = 1033, 2, 4, 16
SAMPLES, PREVIEWS, SCORES = 4096, 1 << 19, 1 << 20             # offsets
FLOAT32 = struct.pack("<BBH", 2, 32, 1)

MANIFEST = """\
file_format = "1.0"
[package]
id = "test.package"
version = "1.0.0"
[abi]
major = 1
[[plugin]]
id = "test.judge"
kind = "verifier"
claims = { deterministic = true, batch_invariant = BATCH_INVARIANT }
OPTIONS
[[variant]]
file = "judge.py"
python = ">=3.11"
"""


def arena(seals: int) -> tuple[int, memoryview]:
    file = os.memfd_create("arena", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(file, ARENA)
    memory = wire.mapped(file, writable=True)
    fcntl.fcntl(file, F_ADD_SEALS, SEAL_SHRINK | SEAL_GROW | seals)
    return file, memory


class Host:
    """One verifier's process."""

    def __init__(self, package: pathlib.Path, id="test.judge", file="judge.py"):
        self.log = []  # level and text
        ours, theirs = socket.socketpair()
        ours.settimeout(30)
        self.socket = ours
        inputs, self.inputs = arena(SEAL_FUTURE_WRITE)
        exchange, self.exchange = arena(0)
        environment = os.environ | {"PYTHONPATH": str(SDK), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1",
                                    "PYTHONFAULTHANDLER": "1"}
        words = [wire.WIRE, theirs.fileno(), inputs, exchange, package / "winnow-plugin.toml", file, id, ""]
        self.child = subprocess.Popen([sys.executable, "-m", "winnow_sdk", "serve", *map(str, words)], env=environment,
                                      pass_fds=(theirs.fileno(), inputs, exchange), stdin=subprocess.DEVNULL,
                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        theirs.close()
        os.close(inputs)
        os.close(exchange)
        self.loaded = self.receive()

    def send(self, message: int, payload: bytes) -> None:
        self.socket.sendall(wire.HEADER.pack(message, 0, len(payload)) + payload)

    def read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = self.socket.recv(size - len(data))
            if not part:
                raise EOFError
            data += part
        return data

    def receive(self) -> dict:
        message, _, size = wire.HEADER.unpack(self.read(wire.HEADER.size))
        reader = Reader(self.read(size))
        if message == Message.LOG:
            self.log.append((reader.get("i"), reader.text()))
            return self.receive()
        assert message == Message.REPLY, message
        reply = {"status": reader.get("i"), "text": reader.text(),
                 "items": {reader.get("Q"): reader.text() for _ in range(reader.get("Q"))}}
        return reply | {"body": bytes(reader.data[reader.at:])}

    def call(self, message: int, payload: bytes = b"", instance=1) -> dict:
        self.exchange[:4] = struct.pack("<i", 0)
        self.send(message, struct.pack("<Q", instance) + payload)
        return self.receive()

    def create(self, *options: bytes) -> dict:
        return self.call(Message.CREATE, struct.pack("<Q", len(options)) + b"".join(options))

    def pictures(self, images, offset: int) -> list[bytes]:
        """images: [n][pixels] as one row of a picture [1, 1, pixels]; None: not there."""
        if images is None:
            return [b"\0"]
        flat = [pixel for image in images for pixel in image]
        self.inputs[offset:offset + 4 * len(flat)] = struct.pack(f"<{len(flat)}f", *flat)
        return [b"\1", FLOAT32, wire.array("q", [len(images), 1, 1, len(images[0])]), struct.pack("<IQ", 0, offset)]

    def batch(self, images, conditions, which, previews=None) -> bytes:
        n = len(images)
        parts = [struct.pack("<QQ", n, 3), *self.pictures(images, SAMPLES), *self.pictures(previews, PREVIEWS)]
        parts += [b"\1", FLOAT32, wire.array("q", [n, 1]), struct.pack("<IQ", 1, SCORES)]
        parts += [struct.pack("<Q", len(conditions))]
        parts += [struct.pack("<Q", len(one)) + one for one in conditions] + [wire.array("Q", which), wire.array("Q", range(n))]
        return b"".join(parts)

    def score(self, *images, conditions=(), which=(), previews=None) -> list:
        """A number for each picture, or the text of its failure."""
        conditions = list(conditions) or [condition()]
        reply = self.call(Message.SCORE, self.batch(images, conditions, list(which) or [0] * len(images), previews))
        if reply["status"]:
            return [reply["status"], reply["text"]]
        status = Reader(reply["body"]).array("i")
        numbers = struct.unpack(f"<{len(images)}f", self.exchange[SCORES:SCORES + 4 * len(images)])
        assert [i for i, one in enumerate(status) if one] == sorted(reply["items"]), reply
        return [reply["items"].get(i, number) for i, number in enumerate(numbers)]

    def close(self) -> tuple[int, str]:
        """Its exit status and all that it wrote."""
        self.socket.close()
        written, _ = self.child.communicate(timeout=30)
        return self.child.returncode, written.decode("utf-8", "replace")


def condition(task=0, prompt="", class_id=-1, tensors=()) -> bytes:
    data = struct.pack("<Q", task) + wire.text(prompt) + struct.pack("<qI", class_id, len(tensors))
    for name, shape, values in tensors:
        data += wire.text(name) + FLOAT32 + wire.array("q", shape)
        data += struct.pack("<Q", 4 * math.prod(shape)) + struct.pack(f"<{math.prod(shape)}f", *values)
    return data


def option(kind: int, key: str, integer=0, real=0.0, text="", values=None) -> bytes:
    data = struct.pack("<I", kind) + wire.text(key) + struct.pack("<qd", integer, real) + wire.text(text)
    if kind == 8:
        return data + struct.pack("<Q", len(values)) + b"".join(map(wire.text, values))
    raw = struct.pack(f"<{len(values)}{'q' if kind == 6 else 'd'}", *values) if values else b""
    return data + struct.pack("<QQ", len(values or ()), len(raw)) + raw


class HostTest(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="winnow-python-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def package(self, code: str, options="", batch_invariant=False, **files) -> pathlib.Path:
        text = MANIFEST.replace("OPTIONS", options).replace("BATCH_INVARIANT", str(batch_invariant).lower())
        (self.folder / "winnow-plugin.toml").write_text(text)
        (self.folder / "judge.py").write_text("from winnow_sdk import verifier\n" + code)
        for name, content in files.items():
            (self.folder / f"{name}.py").write_text(content)
        return self.folder

    def host(self, code: str, *options, create=(), **words) -> Host:
        """A process with an instance 1 of the verifier in `code`."""
        host = self.started(self.package(code, *options, **words))
        self.assertEqual(host.loaded["text"], "")
        made = host.create(*create)
        self.assertEqual((made["status"], made["text"]), (0, ""))
        return host

    def started(self, package, **words) -> Host:
        host = Host(package, **words)

        def end():
            if host.child.returncode is None:
                host.child.kill()
                host.close()

        self.addCleanup(end)
        return host
