"""What a verifier is given: pictures in the host's memory, as an array of one library or another, and conditions."""
import dataclasses
import math
import mmap
import os
import typing
import warnings


@dataclasses.dataclass(frozen=True, eq=False)
class Condition:
    """What a task asks for. The pictures of one task share one object, for some calls at least: it can be the key of a cache."""
    task: int                              # its place in the run, from 0
    prompt: str                            # "": none
    class_id: int | None                   # None: none
    tensors: typing.Mapping[str, object]   # by name, as `images` are: "image" [C, H, W] ...


class Buffers(list):
    """n memoryviews [C, H, W]: pictures without numpy. Indexed like an array: pictures[i][c, y, x], pictures[[0, 0]]."""

    def __getitem__(self, rows):
        return Buffers(self[row] for row in rows) if isinstance(rows, list) else super().__getitem__(rows)


def as_numpy(memory: memoryview, shape: tuple[int, ...]):
    import numpy

    return numpy.frombuffer(memory, numpy.float32).reshape(shape)


def as_torch(memory: memoryview, shape: tuple[int, ...]):
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # "not writable", which the documentation says
        return torch.frombuffer(memory, dtype=torch.float32).reshape(shape)


def as_buffers(memory: memoryview, shape: tuple[int, ...]):
    size = 4 * math.prod(shape[1:])
    return Buffers(memory[i * size:(i + 1) * size].cast("f", shape[1:]) for i in range(shape[0]))


# Each takes bytes and a shape [n, ...] and copies nothing. Bytes must not be empty.
FORMS = {"numpy": as_numpy, "torch": as_torch, "buffer": as_buffers}
LIBRARIES = {"numpy": "numpy", "torch": "torch", "buffer": "array"}


@dataclasses.dataclass(frozen=True)
class Pictures:
    """A tensor [n, ...] in memory that this process can only read, and what a verifier sees of it, which it can only read too."""
    form: str
    memory: memoryview
    shape: tuple[int, ...]

    def all(self):
        return FORMS[self.form](self.memory.toreadonly(), self.shape)

    def alone(self, i: int, times: int):
        """[times, ...]: picture i and nothing else."""
        size = 4 * math.prod(self.shape[1:])
        one = self.memory[i * size:(i + 1) * size]
        return FORMS[self.form]((one if times == 1 else repeated(one, times)).toreadonly(), (times, *self.shape[1:]))


def repeated(memory: memoryview, times: int) -> memoryview:
    """Copies in pages that cannot be written to, as those of the batch: what torch does with its tensors nothing else forbids."""
    with open(os.memfd_create("pictures"), "wb") as file:
        for _ in range(times):
            file.write(memory)
        file.flush()
        return memoryview(mmap.mmap(file.fileno(), times * len(memory), mmap.MAP_PRIVATE, mmap.PROT_READ))
