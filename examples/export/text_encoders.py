"""Exports what a pipeline does with a prompt: its tokenizers, and all that follows as one program.

The program is the pipeline's own encode_prompt, followed while other objects stand in for its tokenizers. It takes ids and
attention mask [1, length] of each tokenizer, and gives what the denoiser is told of one prompt, in the order of `conditions`.
"""
import contextlib
import types

import tokenizers
import torch
from transformers.convert_slow_tokenizer import convert_slow_tokenizer

from programs import export, load, refuse_unless_close, worst_of

# A bundle holds the ids of these, so that another tokenizer is noticed.
SAMPLES = ["a photo of an astronaut riding a horse", "Two BLUE cubes, 50mm f/1.8; it's 8K!", "  naïve café \u00a0 Straße  ",
           "東京の夜 큰 나무 🎨"]
LONG = "a red apple on a wooden table, " * 100
PROBE = "  A CAT  &amp; a\u00a0dog "  # shows what a pipeline does to prompts before it tokenizes them
PREPARED = {"none": lambda text: text, "lower_strip": lambda text: text.lower().strip()}


class Recorder:
    """A tokenizer that keeps how the pipeline calls it."""

    def __init__(self, tokenizer):
        self.tokenizer, self.calls = tokenizer, []

    def __getattr__(self, name):
        return getattr(self.tokenizer, name)

    def __call__(self, texts, **options):
        if options.get("padding") == "max_length":
            self.calls.append((texts, options))
        return self.tokenizer(texts, **options)


class StandIn:
    """Answers with given ids and mask, and takes every text for short enough."""

    def __init__(self, tokenizer, ids, mask):
        self.model_max_length, self.ids, self.mask = tokenizer.model_max_length, ids, mask

    def __call__(self, texts, padding=None, **options):
        whole = padding == "max_length"
        return types.SimpleNamespace(input_ids=self.ids if whole else self.ids[:, :0], attention_mask=self.mask)

    def tokenize(self, text):
        return []


@contextlib.contextmanager
def in_place(pipe, others):
    """{name of a component: what stands in its place}"""
    own = {name: vars(pipe)[name] for name in others}
    vars(pipe).update(others)  # setattr would write them into the pipeline's config
    try:
        yield
    finally:
        vars(pipe).update(own)


def encoder_of(tokenizer):
    return tokenizer.replace("tokenizer", "text_encoder")


class TextEncoder(torch.nn.Module):
    def __init__(self, kind, names):
        super().__init__()
        self.kind, self.names = kind, names
        for name in names:
            self.add_module(encoder_of(name), getattr(kind.pipe, encoder_of(name)))

    def forward(self, *given):
        pipe = self.kind.pipe
        with in_place(pipe, {name: StandIn(getattr(pipe, name), given[2 * i], given[2 * i + 1])
                             for i, name in enumerate(self.names)}):
            out = self.kind.encode(["?"])
        return tuple(one if one.is_floating_point() else one.long() for one in (out[name] for name in self.kind.conditions))


def calls_of(kind):
    """{tokenizer: (texts, options)} of the probe, in the order of the calls."""
    pipe, calls = kind.pipe, {}
    names = [name for name in pipe.components if name.startswith("tokenizer") and getattr(pipe, name) is not None]
    recorders = {name: Recorder(getattr(pipe, name)) for name in names}
    with in_place(pipe, recorders):
        kind.encode([PROBE])
    for name, recorder in recorders.items():
        if recorder.calls:
            calls[name] = recorder.calls[0]
        if any(options != calls[name][1] for _, options in recorder.calls):
            raise SystemExit(f"the pipeline calls {name} in several ways: {recorder.calls}, expected one")
    return calls


def preparation(calls):
    """What the pipeline does to a prompt first, by name."""
    seen = {texts if isinstance(texts, str) else texts[0] for texts, _ in calls.values()}
    for name, function in PREPARED.items():
        if seen == {function(PROBE)}:
            return name
    raise SystemExit(f"the pipeline makes {seen} of {PROBE!r} before it tokenizes it, expected nothing or .lower().strip(): "
                     "export without --text-encoders")


def tokenizer_file(name, tokenizer, options):
    """The library's tokenizer, which cuts and pads as the pipeline does."""
    added = getattr(tokenizer, "added_tokens_encoder", {})
    if any(f"{token}_1" in added for token in added):
        raise SystemExit(f"{name} has tokens of several vectors (textual inversion): export without --text-encoders")
    if tokenizer.truncation_side != "right" or not options.get("truncation"):
        raise SystemExit(f"{name} does not cut prompts on the right, as it is expected to: export without --text-encoders")
    own = getattr(tokenizer, "backend_tokenizer", None)
    found = (tokenizers.Tokenizer.from_str(own.to_str()) if isinstance(own, tokenizers.Tokenizer)
             else convert_slow_tokenizer(tokenizer))
    found.enable_truncation(options["max_length"])
    found.enable_padding(direction=tokenizer.padding_side, pad_id=tokenizer.pad_token_id, pad_token=tokenizer.pad_token,
                         length=options["max_length"])
    for text in [*SAMPLES, "", LONG]:
        expected = tokenizer(text, **options)
        expected, ids = expected.input_ids.flatten().tolist(), found.encode(text).ids
        if ids != expected:
            raise SystemExit(f"{name}.json makes {ids[:20]} of {text[:80]!r}, the pipeline's tokenizer {expected[:20]}")
    return found


def inputs_of(files, text):
    """What the program is given for a prompt."""
    return tuple(torch.tensor([row]) for one in (file.encode(text) for file in files)
                 for row in (one.ids, one.attention_mask))


def add_text_encoders(kind, out, form, tolerance):
    """Writes the program and its tokenizers; returns the tables of bundle.toml."""
    if not kind.conditions or kind.condition != "prompt":
        raise SystemExit(f"a {type(kind.pipe).__name__} takes no prompts, so it has no text encoders to export")
    calls = calls_of(kind)
    prepare, tables, files = preparation(calls), [], []
    prepared = PREPARED[prepare]
    for name, (_, options) in calls.items():
        files.append(tokenizer_file(name, getattr(kind.pipe, name), options))
        (out / f"{name}.json").write_text(files[-1].to_str(), encoding="utf-8")
        found = [files[-1].encode(prepared(text)) for text in SAMPLES]
        rows = getattr(kind.pipe, encoder_of(name)).get_input_embeddings().num_embeddings
        tables.append(dict(file=f"{name}.json", length=options["max_length"], rows=rows, samples=SAMPLES,
                           ids=[[i for i, used in zip(e.ids, e.attention_mask) if used] for e in found]))
    module = TextEncoder(kind, list(calls)).eval()
    file, _ = export(module, "text_encoder", inputs_of(files, SAMPLES[0]), out, form, largest=1)
    program, differences = load(out / file), []
    for text in [*SAMPLES, LONG]:
        expected, found = kind.encode([text]), program(*inputs_of(files, prepared(text)))
        differences += [worst_of(expected[name], one) for name, one in zip(kind.conditions, found)]
    worst = torch.tensor(differences).max().item()  # unlike max() it keeps a NaN
    refuse_unless_close(file, worst, tolerance, f"{len(SAMPLES) + 1} prompts")
    empty = kind.encode([""])
    zeros = not any(empty[name].any() for name in kind.conditions)
    return {"text_encoder": dict(file=file, prepare=prepare, empty="zeros" if zeros else "encoded"),
            "text_encoder.tokenizer": tables}
