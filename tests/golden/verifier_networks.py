"""Golden values of the networks behind the verifiers, computed with numpy in float64.

    python tests/golden/verifier_networks.py examples/models > tests/golden/verifier_networks.txt

The pictures are formulas (tests/support/verifier_bench.hpp draws the same). Gradients are central
differences of this file's own scores.
"""
import json
import pathlib
import sys

import numpy as np

SIDE, ITEMS = 28, 4
PIXELS = (211, 349, 406)
PROMPT = "a photo of a dark wide bag"
SCENE = "a red circle left of a blue square on a black background"


def load(path):
    raw = path.read_bytes()
    size = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + size])
    metadata = header.pop("__metadata__")
    types = {"F16": np.float16, "F32": np.float32}
    tensors = {}
    for name, entry in header.items():
        begin, end = (8 + size + offset for offset in entry["data_offsets"])
        values = np.frombuffer(raw[begin:end], types[entry["dtype"]])
        tensors[name] = values.reshape(entry["shape"]).astype(np.float64)
    return tensors, metadata


def draw(i, channels=1, side=SIDE):
    c, y, x = np.meshgrid(np.arange(channels), np.arange(side), np.arange(side), indexing="ij")
    inside = (abs(x - 13.5) < 5 + i % 7) & (abs(y - 13.5) < 12 - i % 5)
    k = i + 1
    stripes = 0.6 + 0.35 * np.sin(0.7 * k * x + 0.4 * k * y + 2.0 * c)
    return np.where(inside, stripes, 0.02).astype(np.float32).astype(np.float64)


def gelu(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def layer_norm(x, weight, bias):
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5) * weight + bias


def group_norm(x, weight, bias):
    """x [channels, height, width], groups of 16 channels"""
    groups = x.reshape(-1, 16 * x.shape[1] * x.shape[2])
    y = layer_norm(groups, 1, 0).reshape(x.shape)
    return y * weight[:, None, None] + bias[:, None, None]


def convolve(x, weight, bias, stride):
    """x [in, height, width], weight [out, in, k, k], padding k // 2"""
    k = weight.shape[2]
    padded = np.pad(x, ((0, 0), (k // 2, k // 2), (k // 2, k // 2)))
    patches = np.lib.stride_tricks.sliding_window_view(padded, (k, k), axis=(1, 2))
    return np.einsum("ihwkl,oikl->ohw", patches[:, ::stride, ::stride], weight) + bias[:, None, None]


def image_network(tensors, metadata, prefix, picture):
    """features and outputs of the head, for networks without mixers"""
    return image_and_grid(tensors, metadata, prefix, picture)[:2]


def image_and_grid(tensors, metadata, prefix, picture):
    """and what stands before the features: [positions, channels]"""
    t = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
    x = picture * 2 - 1
    for i, stride in enumerate(map(int, metadata["strides"].split())):
        name = f"convs.{i}"
        y = convolve(x, t[f"{name}.weight"], t[f"{name}.bias"], stride)
        y = gelu(group_norm(y, t[f"{name}.norm.weight"], t[f"{name}.norm.bias"]))
        x = x + y if y.shape == x.shape else y
    positions = x.reshape(x.shape[0], -1).T  # [positions, channels]
    wide = t["feature.weight"].shape[1] != x.shape[0]
    pooled = positions.reshape(-1) if wide else positions.mean(0)
    features = gelu(t["feature.weight"] @ pooled + t["feature.bias"])
    return features, t["head.weight"] @ features + t["head.bias"], positions


def log_softmax(logits):
    shifted = logits - logits.max()
    return shifted - np.log(np.exp(shifted).sum())


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def attention(q, k, v, heads):
    mixed = []
    for part in np.split(np.arange(q.shape[1]), heads):
        logits = q[:, part] @ k[:, part].T / np.sqrt(len(part))
        mixed.append(np.exp([log_softmax(row) for row in logits]) @ v[:, part])
    return np.concatenate(mixed, axis=1)


def read_text(t, metadata, text, before_block=lambda i, x: x):
    """what the projection makes of a text"""
    words = metadata["vocabulary"].split()
    index = [words.index(word) for word in text.split()]
    x = t["text.words"][index] + t["text.positions"][: len(index)]
    heads = int(metadata["heads"])
    for i in range(sum(name.endswith(".qkv.weight") for name in t)):
        x = before_block(i, x)
        w = lambda name: (t[f"text.blocks.{i}.{name}.weight"], t[f"text.blocks.{i}.{name}.bias"])
        linear = lambda name, v: v @ w(name)[0].T + w(name)[1]
        q, k, v = np.split(linear("qkv", layer_norm(x, *w("norm1"))), 3, axis=1)
        x = x + linear("out", attention(q, k, v, heads))
        x = x + linear("down", gelu(linear("up", layer_norm(x, *w("norm2")))))
    pooled = layer_norm(x, t["text.norm.weight"], t["text.norm.bias"]).mean(0)
    return t["text.projection.weight"] @ pooled + t["text.projection.bias"]


def embed_text(t, metadata, text):
    return unit(read_text(t, metadata, text))


def reward(t, metadata, picture, text):
    _, look, positions = image_and_grid(t, metadata, "image.", picture)
    grid = positions @ t["grid.weight"].T + t["grid.bias"] + t["places"]

    def look_at(i, x):
        w = lambda name: (t[f"cross.{i}.{name}.weight"], t[f"cross.{i}.{name}.bias"])
        linear = lambda name, v: v @ w(name)[0].T + w(name)[1]
        k, v = np.split(linear("key_value", grid), 2, axis=1)
        q = linear("query", layer_norm(x, *w("norm")))
        return x + linear("out", attention(q, k, v, int(metadata["heads"])))

    return (look + read_text(t, metadata, text, look_at))[0]


def class_embeddings(t, metadata):
    prompts = metadata["prompts"].split("\n")
    rows = [
        unit(np.mean([embed_text(t, metadata, prompt.replace("{}", word)) for prompt in prompts], axis=0))
        for word in metadata["class_words"].split("\n")
    ]
    return np.array(rows)


def differences(score, picture):
    for pixel in PIXELS:
        step = np.zeros(picture.size)
        step[pixel] = 1e-4
        step = step.reshape(picture.shape)
        yield pixel, (score(picture + step) - score(picture - step)) / 2e-4


def show(key, value):
    print(f"{key} {value:.9g}")


def show_network(name, log_p, features):
    """log_p(picture) -> log-probabilities, features(picture) -> features; item i asks for class i"""
    for i in range(ITEMS):
        picture = draw(i)
        for c, value in enumerate(log_p(picture)):
            show(f"{name}.log_p.{i}.{c}", value)
        for j in range(0, len(features(picture)), 16):
            show(f"{name}.feature.{i}.{j}", features(picture)[j])
        for pixel, value in differences(lambda p: log_p(p)[i], picture):
            show(f"{name}.grad.{i}.{pixel}", value)


def main():
    models = pathlib.Path(sys.argv[1])
    for name, file in (("class_probability", "fashion-classifier"), ("linear_probe", "fashion-encoder")):
        t, m = load(models / f"{file}.safetensors")
        show_network(
            name,
            lambda p: log_softmax(image_network(t, m, "", p)[1]),
            lambda p: image_network(t, m, "", p)[0],
        )
    for i in range(ITEMS - 1):  # the preview of picture i is picture i + 1
        a, b = (unit(image_network(t, m, "", draw(k))[0]) for k in (i, i + 1))
        show(f"self_similarity.{i}", a @ b)

    t, m = load(models / "fashion-dual-encoder.safetensors")
    embed = lambda p: unit(image_network(t, m, "image.", p)[1])
    scale = np.exp(min(t["log_scale"][0], 4.6052))
    classes = class_embeddings(t, m)
    show_network("zero_shot", lambda p: log_softmax(scale * classes @ embed(p)), embed)
    text = embed_text(t, m, PROMPT)
    for i in range(ITEMS):
        show(f"zero_shot.prompt.{i}", scale * text @ embed(draw(i)))
        for pixel, value in differences(lambda p: scale * text @ embed(p), draw(i)):
            show(f"zero_shot.prompt_grad.{i}.{pixel}", value)

    def show_scores(name, score):
        for i in range(ITEMS):
            picture = draw(i, 3, 32)
            show(f"{name}.score.{i}", score(picture))
            for pixel, value in differences(score, picture):
                show(f"{name}.grad.{i}.{pixel}", value)

    t, m = load(models / "scenes-clip.safetensors")
    text = embed_text(t, m, SCENE)
    show_scores("clip_score", lambda p: text @ unit(image_network(t, m, "image.", p)[1]))
    t, m = load(models / "scenes-aesthetic.safetensors")
    show_scores("aesthetic", lambda p: image_network(t, m, "", p)[1][0])
    t, m = load(models / "scenes-image-reward.safetensors")
    show_scores("image_reward", lambda p: reward(t, m, p, SCENE))


if __name__ == "__main__":
    main()
