"""Golden values of the text-conditional SiT, computed with numpy in float64.

    python tests/golden/text_sit.py > tests/golden/text_sit.txt

Weights, pictures and times are formulas (text_sit_network_test.cpp has the same): tensor number j
in the order of names has the values 0.2 sin(0.7 k + j), the weights of norms 1 more.
"""
import numpy as np

WIDTH, HEADS, DEPTH, TEXT_DEPTH, WORDS, LENGTH, PATCH, CHANNELS, SIZE = 16, 2, 2, 1, 6, 8, 4, 3, 16
TEXTS = [[0, 4, 3, 1, 0, 2, 5], [], [3]]
TIMES = [0.0, 0.35, 0.9]
SIDE = SIZE // PATCH


def shapes():
    w, out = WIDTH, {}

    def linear(name, rows, columns):
        out[f"{name}.weight"], out[f"{name}.bias"] = (rows, columns), (rows,)

    out["x_embedder.proj.weight"], out["x_embedder.proj.bias"] = (w, CHANNELS, PATCH, PATCH), (w,)
    linear("t_embedder.mlp.0", w, 256)
    linear("t_embedder.mlp.2", w, w)
    for i in range(DEPTH):
        linear(f"blocks.{i}.attn.qkv", 3 * w, w)
        linear(f"blocks.{i}.attn.proj", w, w)
        linear(f"blocks.{i}.mlp.fc1", 4 * w, w)
        linear(f"blocks.{i}.mlp.fc2", w, 4 * w)
        linear(f"blocks.{i}.adaLN_modulation.1", 6 * w, w)
        linear(f"blocks.{i}.cross.query", w, w)
        linear(f"blocks.{i}.cross.key_value", 2 * w, w)
        linear(f"blocks.{i}.cross.proj", w, w)
    linear("final_layer.adaLN_modulation.1", 2 * w, w)
    linear("final_layer.linear", PATCH * PATCH * CHANNELS, w)
    out["text.words"], out["text.positions"] = (WORDS + 1, w), (LENGTH, w)
    for i in range(TEXT_DEPTH):
        for norm in ("norm1", "norm2"):
            out[f"text.blocks.{i}.{norm}.weight"] = out[f"text.blocks.{i}.{norm}.bias"] = (w,)
        linear(f"text.blocks.{i}.qkv", 3 * w, w)
        linear(f"text.blocks.{i}.out", w, w)
        linear(f"text.blocks.{i}.up", 2 * w, w)
        linear(f"text.blocks.{i}.down", w, 2 * w)
    out["text.norm.weight"] = out["text.norm.bias"] = (w,)
    linear("text.pooled", w, w)
    return out


def weights():
    out = {}
    for j, (name, shape) in enumerate(sorted(shapes().items())):
        values = 0.2 * np.sin(0.7 * np.arange(np.prod(shape)) + j).reshape(shape)
        out[name] = values + (1 if "norm" in name and name.endswith("weight") else 0)
    return out


def erf(x):
    """By its integral (Simpson's rule), so that nothing but numpy is needed."""
    grid = np.linspace(0, 1, 2001)
    simpson = np.where(np.arange(2001) % 2, 4, 2).astype(float)
    simpson[[0, -1]] = 1
    return 2 / np.sqrt(np.pi) * (x[..., None] * np.exp(-((x[..., None] * grid) ** 2)) @ simpson) / 6000


def gelu(x):
    return 0.5 * x * (1 + erf(x / np.sqrt(2)))



def normalise(x, eps):
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + eps)


def silu(x):
    return x / (1 + np.exp(-x))


def attend(q, k, v):
    """[tokens, width] each, head by head"""
    out = []
    for part in range(HEADS):
        of = slice(part * WIDTH // HEADS, (part + 1) * WIDTH // HEADS)
        logits = q[:, of] @ k[:, of].T / np.sqrt(WIDTH // HEADS)
        chances = np.exp(logits - logits.max(1, keepdims=True))
        out.append(chances / chances.sum(1, keepdims=True) @ v[:, of])
    return np.concatenate(out, 1)


def position_table():
    def waves(at, width):
        angle = np.outer(at, 10000.0 ** (-np.arange(width // 2) / (width // 2)))
        return np.concatenate([np.sin(angle), np.cos(angle)], 1)

    row, column = np.divmod(np.arange(SIDE * SIDE), SIDE)
    return np.concatenate([waves(column, WIDTH // 2), waves(row, WIDTH // 2)], 1)


def network(t, picture, s, words):
    def linear(name, x):
        return x @ t[f"{name}.weight"].T + t[f"{name}.bias"]

    def norm(name, x):
        return normalise(x, 1e-5) * t[f"{name}.weight"] + t[f"{name}.bias"]

    words = words or [WORDS]
    text = t["text.words"][words] + t["text.positions"][: len(words)]
    for i in range(TEXT_DEPTH):
        name = f"text.blocks.{i}"
        q, k, v = np.split(linear(f"{name}.qkv", norm(f"{name}.norm1", text)), 3, 1)
        text = text + linear(f"{name}.out", attend(q, k, v))
        text = text + linear(f"{name}.down", gelu(linear(f"{name}.up", norm(f"{name}.norm2", text))))
    text = norm("text.norm", text)

    patches = picture.reshape(CHANNELS, SIDE, PATCH, SIDE, PATCH).transpose(1, 3, 0, 2, 4).reshape(SIDE * SIDE, -1)
    x = patches @ t["x_embedder.proj.weight"].reshape(WIDTH, -1).T + t["x_embedder.proj.bias"] + position_table()
    angle = s * np.exp(-np.log(10000.0) * np.arange(128) / 128)
    time = linear("t_embedder.mlp.2", silu(linear("t_embedder.mlp.0", np.concatenate([np.cos(angle), np.sin(angle)]))))
    condition = silu(time + linear("text.pooled", text.mean(0)))
    for i in range(DEPTH):
        name = f"blocks.{i}"
        m = np.split(linear(f"{name}.adaLN_modulation.1", condition), 6)
        q, k, v = np.split(linear(f"{name}.attn.qkv", normalise(x, 1e-6) * (1 + m[1]) + m[0]), 3, 1)
        x = x + m[2] * linear(f"{name}.attn.proj", attend(q, k, v))
        k, v = np.split(linear(f"{name}.cross.key_value", text), 2, 1)
        x = x + linear(f"{name}.cross.proj", attend(linear(f"{name}.cross.query", normalise(x, 1e-6)), k, v))
        hidden = gelu(linear(f"{name}.mlp.fc1", normalise(x, 1e-6) * (1 + m[4]) + m[3]))
        x = x + m[5] * linear(f"{name}.mlp.fc2", hidden)
    shift, scale = np.split(linear("final_layer.adaLN_modulation.1", condition), 2)
    out = linear("final_layer.linear", normalise(x, 1e-6) * (1 + scale) + shift)
    return out.reshape(SIDE, SIDE, PATCH, PATCH, CHANNELS).transpose(4, 0, 2, 1, 3).reshape(CHANNELS, SIZE, SIZE)


def main():
    t = weights()
    numbers = CHANNELS * SIZE * SIZE
    for i, (s, words) in enumerate(zip(TIMES, TEXTS)):
        picture = np.cos(0.11 * np.arange(numbers) + i).reshape(CHANNELS, SIZE, SIZE)
        velocity = network(t, picture, s, words).ravel()
        for at in range(0, numbers, 37):
            print(f"{i} {at} {velocity[at]:.9g}")


main()
