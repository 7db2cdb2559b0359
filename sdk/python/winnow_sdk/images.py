"""What a verifier is given: pictures in the host's memory, as an array of one library or another, and conditions."""
import dataclasses
import math
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
