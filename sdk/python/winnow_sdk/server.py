"""The plugin's side: answers the host's calls, one after the other, until it is gone."""
import importlib
import pathlib
import signal
import struct
import sys
import threading
import time
import types

from . import wire
from .fence import start_no_programs
from .images import FORMS, LIBRARIES, Condition, Pictures
from .manifests import (VERIFIER, Disagreement, Plugin, check_python, load_module, plugins_of, python_variant, read_manifest,
                        watch_imports)
from .verifiers import Failure, Stopped, score_batch, text_of
from .wire import Message, Reader

BATCH_INVARIANT, DETERMINISTIC = 4, 8        # flags of wn_verifier_info
INFO = struct.Struct("<IIIIIId")             # wn_verifier_info
FLOAT32 = struct.pack("<BBH", 2, 32, 1)      # wn_dtype
ELEMENTS = {FLOAT32: 4}
MOST_CONDITIONS = 64 << 20                   # bytes that are kept
LOOK = 0.02                                  # seconds between looks at the host's wish


class Watch:
    """During a call: raises Stopped in the main thread, between two steps of its Python code, once the host wants it to end."""

    def __init__(self, word: memoryview):
        self.word, self.active, self.busy = word.cast("i"), False, threading.Event()
        signal.signal(signal.SIGINT, self.interrupt)
        threading.Thread(target=self.look, daemon=True).start()

    def __enter__(self):
        self.active = True
        self.busy.set()

    def __exit__(self, *_):
        self.active = False
        self.busy.clear()

    def status(self) -> int:
        return self.word[0]

    def interrupt(self, *_):
        if self.active and self.status():
            raise Stopped

    def look(self):
        while self.busy.wait():
            time.sleep(LOOK)
            if self.active and self.status():
                signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)


class Instance:
    def __init__(self, plugin: Plugin, options: dict):
        self.declaration = plugin.declaration
        self.batch_invariant = plugin.claims.get("batch_invariant") is True
        self.deterministic = plugin.claims.get("deterministic") is True
        self.score = self.declaration.instance(options)

    def info(self) -> bytes:
        flags = BATCH_INVARIANT * self.batch_invariant | DETERMINISTIC * self.deterministic
        time = -1.0 if self.declaration.preview_time is None else self.declaration.preview_time
        return INFO.pack(INFO.size, flags, 1, self.declaration.preferred_batch, self.declaration.max_batch, 0, time)


class Server:
    def __init__(self, socket: int, inputs: int, exchange: int, lacking: str):
        self.lacking = lacking
        if not start_no_programs():
            self.lacking = self.lacking or "no filter of system calls could be set: the plugin can start programs"
        self.channel = wire.Channel(socket)
        self.inputs = wire.mapped(inputs, writable=False)
        self.exchange = wire.mapped(exchange, writable=True)
        self.watch = Watch(self.exchange[:4])
        self.plugin: Plugin | None = None
        self.instances: dict[int, Instance] = {}
        self.conditions: dict[bytes, Condition] = {}
        self.kept = 0
        self.warned = False

    def serve(self, manifest: pathlib.Path, file: str, id: str) -> None:
        """`file`: the variant's that winnow has chosen, and whose hash it has compared."""
        self.channel.send(Message.REPLY, self.guarded(lambda: self.load(manifest, file, id), f"{id}: "))
        while packet := self.channel.receive():
            message, reader = packet[0], Reader(packet[1])
            self.channel.send(Message.REPLY, self.guarded(lambda: self.answer(message, reader)))

    def guarded(self, call, who="") -> bytes:
        try:
            try:
                with self.watch:
                    return call()
            finally:
                self.watch.active = False
        except Stopped:
            return wire.reply(self.watch.status() or wire.CANCELLED)
        except (Disagreement, wire.Malformed) as error:
            return wire.reply(wire.INTERNAL, who + (str(error) or "winnow sent a malformed message"))
        except BaseException as error:
            return wire.reply(wire.INTERNAL, who + text_of(error))

    def load(self, path: pathlib.Path, file: str, id: str) -> bytes:
        manifest = read_manifest(path)
        check_python(python_variant(manifest, file)["python"])
        watch_imports(path.parent, manifest)
        try:
            self.plugin = plugins_of(manifest, load_module(path.parent, file))[id]
            importlib.import_module(LIBRARIES[self.plugin.declaration.images])
        except ModuleNotFoundError as error:
            raise Disagreement(f"{text_of(error)}\nthe environment of {sys.executable} lacks it; winnow takes the active one, "
                               "or one for this package alone") from None
        return wire.reply(body=struct.pack("<Q", 1) + wire.text(VERIFIER) + wire.text(self.lacking))

    def answer(self, message: int, reader: Reader) -> bytes:
        number = reader.get("Q")
        if message == Message.CREATE:
            self.instances[number] = Instance(self.plugin, self.options(reader))
        elif message == Message.DESTROY:
            self.instances.pop(number, None)
        elif number not in self.instances:
            raise wire.Malformed
        elif message == Message.VERIFIER_INFO:
            return wire.reply(body=self.instances[number].info())
        elif message == Message.SCORE:
            return self.score(self.instances[number], reader)
        else:
            raise wire.Malformed
        return wire.reply()

    def options(self, reader: Reader) -> dict:
        """By the names of parameters; the host has checked them and filled in the defaults."""
        values = {}
        for _ in range(reader.get("Q")):
            kind, key = reader.get("I"), reader.text()
            integer, real, text, n = reader.get("q"), reader.get("d"), reader.text(), reader.get("Q")
            texts = [reader.text() for _ in range(n)] if kind == 8 else None
            raw = b"" if kind == 8 else reader.data_of()
            lists = {6: lambda: list(struct.unpack(f"<{n}q", raw)), 7: lambda: list(struct.unpack(f"<{n}d", raw)),
                     8: lambda: texts}
            plain = {1: bool(integer), 2: integer, 3: real, 4: text, 5: text}
            values[self.plugin.option_keys[key]] = lists[kind]() if kind in lists else plain[kind]
        return values

    def score(self, instance: Instance, reader: Reader) -> bytes:
        n = reader.get("Q")
        samples, previews, scores = [self.column(reader) for _ in range(reader.get("Q"))]
        form = instance.declaration.images
        conditions = self.rows(reader, form)
        reader.array("Q")  # ids of the candidates
        if len(conditions) != n or n == 0:
            raise wire.Malformed
        pictures = [Pictures(form, *samples)]
        if instance.declaration.preview_time is not None:
            if not previews:
                return wire.reply(wire.FAILED_PRECONDITION, "there are no previews of these pictures")
            pictures.append(Pictures(form, *previews))
        results = score_batch(instance.score, pictures, conditions, instance.batch_invariant, self.warn_once)
        status = [wire.INTERNAL if isinstance(one, Failure) else wire.OK for one in results]
        struct.pack_into(f"<{n}f", scores[0], 0, *[0.0 if isinstance(one, Failure) else one for one in results])
        return wire.reply(items=[(i, one.text) for i, one in enumerate(results) if isinstance(one, Failure)],
                          body=wire.array("i", status))

    def warn_once(self, text: str) -> None:
        if not self.warned:
            self.warned = True
            self.channel.send(Message.LOG, struct.pack("<i", wire.WARNING) + wire.text(text))

    def column(self, reader: Reader):
        """Memory and shape of a tensor that both sides see; None: not there."""
        if not reader.get("B"):
            return None
        dtype, shape = bytes(reader.take(4)), reader.array("q")
        arena, offset = (self.inputs, self.exchange)[reader.get("I")], reader.get("Q")
        size = ELEMENTS.get(dtype, 0)
        for extent in shape:
            size *= extent
        if size <= 0 or offset + size > len(arena):
            raise wire.Malformed
        return arena[offset:offset + size], shape

    def rows(self, reader: Reader, form: str) -> list[Condition]:
        if self.kept > MOST_CONDITIONS:
            self.conditions.clear()
            self.kept = 0
        distinct = []
        for _ in range(reader.get("Q")):
            data = reader.data_of()
            if data not in self.conditions:
                self.conditions[data] = read_condition(Reader(data), form)
                self.kept += 2 * len(data)
            distinct.append(self.conditions[data])
        return [distinct[which] for which in reader.array("Q")]


def read_condition(reader: Reader, form: str) -> Condition:
    task, prompt, class_id = reader.get("Q"), reader.text(), reader.get("q")
    tensors = {}
    for _ in range(reader.get("I")):
        name = reader.text()
        dtype, shape, values = bytes(reader.take(4)), reader.array("q"), reader.data_of()
        if dtype == FLOAT32 and values:  # the only type there is in 1.0
            tensors[name] = FORMS[form](memoryview(values), (1, *shape))[0]
    return Condition(task, prompt, class_id if class_id >= 0 else None, types.MappingProxyType(tensors))
