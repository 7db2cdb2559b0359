"""The decorator `verifier`: what it notes about a function, how that becomes scores, how failures become text."""
import dataclasses
import importlib
import inspect
import math
import pathlib
import struct
import traceback
import typing

from .images import FORMS, Condition, Pictures

NOTE = "__winnow_verifier__"
NOT_SHOWN = (str(pathlib.Path(__file__).parent), "<frozen importlib", str(pathlib.Path(importlib.__file__).parent))  # callers
MOST_TEXT, MOST_FRAMES = 4096, 30  # characters and calls, the last ones, of one failure
NOTHING = inspect.Parameter.empty


@dataclasses.dataclass(frozen=True)
class Option:
    default: object    # NOTHING: the manifest alone has one
    annotation: object


@dataclasses.dataclass(frozen=True)
class Declaration:
    """What `verifier` was told, and what the signature says."""
    made: typing.Callable
    id: str
    images: str
    preferred_batch: int
    max_batch: int
    preview_time: float | None
    options: dict[str, Option]

    def instance(self, options: dict[str, object]) -> typing.Callable:
        """The function score(images, conditions) under these options."""
        if inspect.isclass(self.made):
            return self.made(**options).score
        return lambda *batch: self.made(*batch, **options)


def verifier(made=None, /, *, id: str = "", images: str = "numpy", preferred_batch: int = 0, max_batch: int = 0,
             preview_time: float | None = None):
    """Makes a function or a class a verifier, and gives it back unchanged.

    A function is called as score(images, conditions, **options). A class is made once, as Class(**options), and its method
    score(images, conditions) is called: for whatever takes time to load. Both give a list of n finite numbers, or a numpy array or
    tensor of n.

    Options are keyword-only parameters, score(images, conditions, *, window=11), each declared as [[plugin.option]] in
    winnow-plugin.toml with the same default; a dot or '-' in a key is '_' here. winnow checks what a config gives before
    Python starts.

    id      of the plugin, where a module has several.
    images  "numpy": an array [n, C, H, W]; "torch": a tensor; "buffer": a list of n memoryviews [C, H, W]. All are read-only:
            writing to one is a ValueError in numpy and a TypeError in a memoryview; torch does not notice, and the kernel ends
            the process.
    preferred_batch, max_batch   pictures at once; 0: no wish, no limit.
    preview_time                 in [0, 1]: the function is score(images, conditions, previews), where `previews` are, as `images`
                                 are, what the sampler expected at the step nearest to this time (1: pure noise).
    """
    def note(made):
        if images not in FORMS:
            raise ValueError(f"images={images!r}, expected {', '.join(map(repr, FORMS))}")
        for name, count in (("preferred_batch", preferred_batch), ("max_batch", max_batch)):
            if not isinstance(count, int) or not 0 <= count < 1 << 32:
                raise ValueError(f"{name}={count!r}, expected a number of pictures, or 0")
        if preview_time is not None and not 0 <= preview_time <= 1:
            raise ValueError(f"preview_time={preview_time!r}, expected 0 to 1, or None")
        batch = ["images", "conditions"] + ["previews"] * (preview_time is not None)
        setattr(made, NOTE, Declaration(made, id, images, preferred_batch, max_batch, preview_time, options_of(made, batch)))
        return made

    return note if made is None else note(made)


def options_of(made, batch: list[str]) -> dict[str, Option]:
    if inspect.isclass(made):
        if not callable(getattr(made, "score", None)):
            raise TypeError(f"the class {made.__name__} has no method score(self, {', '.join(batch)})")
        check_positional(made.score, ["self", *batch])
        parameters = list(inspect.signature(made).parameters.values())
        stray = [p.name for p in parameters if p.kind is not p.KEYWORD_ONLY]
        if stray:
            raise TypeError(f"{made.__name__}({', '.join(stray)}): options come by keyword, __init__(self, *, {', '.join(stray)})")
    elif callable(made):
        parameters = list(inspect.signature(made).parameters.values())
        check_positional(made, batch)
    else:
        raise TypeError(f"a verifier is a function or a class, found {type(made).__name__}")
    return {p.name: Option(p.default, p.annotation) for p in parameters if p.kind is p.KEYWORD_ONLY}


def check_positional(function, expected: list[str]) -> None:
    parameters = inspect.signature(function).parameters.values()
    found = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    more = any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters)
    if len(found) != len(expected) or more or inspect.iscoroutinefunction(function):
        raise TypeError(f"{function.__name__}{inspect.signature(function)}: expected a function of "
                        f"({', '.join(expected)}), and options after '*'")


class Stopped(BaseException):
    """The host wants no more of this call. Raised in the middle of a verifier's code."""


class BadResult(Exception):
    """What came back is not what was asked for."""


@dataclasses.dataclass(frozen=True)
class Failure:
    text: str


def score_batch(score: typing.Callable, pictures: list[Pictures], conditions: list[Condition], batch_invariant: bool,
                warn: typing.Callable[[str], None]) -> list[float | Failure]:
    """A number or a failure for each picture; `pictures`: samples, then previews if there are any. When a batch fails, each of its
    pictures is tried alone, so that only those fail that deserve it; alone in a batch of the same size, filled up with itself,
    unless the size makes no difference. `warn` is told when none of them does."""
    n = len(conditions)
    try:
        return checked(score(pictures[0].all(), conditions, *(more.all() for more in pictures[1:])), n)
    except Stopped:
        raise
    except BaseException as error:
        whole = text_of(error).splitlines()[0]
    times = 1 if batch_invariant else n
    one_by_one = []
    for i in range(n):
        try:
            samples, *previews = (each.alone(i, times) for each in pictures)
            one_by_one.append(checked(score(samples, [conditions[i]] * times, *previews), times)[0])
        except Stopped:
            raise
        except BaseException as error:
            one_by_one.append(Failure(text_of(error)))
    if not any(isinstance(one, Failure) for one in one_by_one):
        warn(f"score() failed for a batch of {n}, and then for none of its pictures alone, so {n + 1} calls were made for it: {whole}")
    return one_by_one


def checked(result, n: int) -> list[float | Failure]:
    if hasattr(result, "tolist"):
        result = result.tolist()
    if not isinstance(result, (list, tuple)):
        raise BadResult(f"score() returned {described(result)}, expected a list of {n} numbers")
    if len(result) != n:
        raise BadResult(f"score() returned {len(result)} scores for {n} pictures")
    return [number(value) for value in result]


def number(value) -> float | Failure:
    if hasattr(value, "item") and getattr(value, "ndim", 0) == 0:  # a scalar of numpy or torch
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return Failure(f"score() returned {described(value)} for this picture, expected a number")
    try:
        narrow = struct.unpack("f", struct.pack("f", value))[0]
    except (OverflowError, struct.error):  # the latter for integers beyond all floats
        narrow = math.inf
    if math.isfinite(narrow):
        return narrow
    shown = value if isinstance(value, float) else "an integer out of range"
    return Failure(f"score() returned {shown} for this picture, expected a finite float32")


def described(value) -> str:
    return "None" if value is None else f"a {type(value).__name__}"


def text_of(error: BaseException) -> str:
    """What happened, then where, without the frames of this package. Any exception, even one that cannot say what it is."""
    try:
        what = "".join(traceback.format_exception_only(error)).strip()
        if isinstance(error, BadResult):
            return str(error)
        trace = error.__traceback__
        while trace and trace.tb_frame.f_code.co_filename.startswith(NOT_SHOWN):
            trace = trace.tb_next
        text = "\n".join([what, *"".join(traceback.format_tb(trace, -MOST_FRAMES)).splitlines()])
        if cause := error.__cause__ or (None if error.__suppress_context__ else error.__context__):
            text += "\nafter " + "".join(traceback.format_exception_only(cause)).strip()
    except Exception as second:
        text = f"{type(error).__name__}, whose text cannot be made: {type(second).__name__}"
    return text if len(text) <= MOST_TEXT else f"{text[:MOST_TEXT // 4]}\n...\n{text[-MOST_TEXT // 4 * 3:]}"
