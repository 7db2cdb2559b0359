"""Golden values of the published SiT architectures, computed by PyTorch in float64.

    .venv/bin/python tests/golden/sit_reference.py > tests/golden/sit_reference.txt

Written from the description in Ma et al., 2024, arXiv:2401.08740 (DiT blocks with adaLN-Zero: Peebles
and Xie, 2023, arXiv:2212.09748). Weights are hashed by their names in the published checkpoints, so
none has to be stored; they are made tensor by tensor, and SiT-XL needs 1 GB here.
"""
import math

import torch
from hashed_tensors import hashed

torch.set_grad_enabled(False)
F64 = torch.float64
SIZES = {"S": (12, 384, 6), "B": (12, 768, 12), "L": (24, 1024, 16), "XL": (28, 1152, 16)}
PATCH, CHANNELS, CLASSES = 2, 4, 1000


def tensor(name, shape, scale):
    return torch.from_numpy(hashed(name, shape, scale)).to(F64)


def linear(x, name, outputs, scale=None):
    inputs = x.shape[-1]
    weight = tensor(name + ".weight", (outputs, inputs), scale or 1 / math.sqrt(inputs))
    return x @ weight.T + tensor(name + ".bias", (outputs,), 0.1)


def norm(x):
    return (x - x.mean(-1, keepdim=True)) / torch.sqrt(x.var(-1, unbiased=False, keepdim=True) + 1e-6)


def modulate(x, shift, scale):
    return x * (1 + scale[:, None]) + shift[:, None]


def gelu_tanh(x):
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def silu(x):
    return x / (1 + torch.exp(-x))


def sincos(position, width):
    angle = position[:, None] / 10000 ** (torch.arange(width // 2, dtype=F64) / (width // 2))
    return torch.cat([angle.sin(), angle.cos()], 1)


def positions(side, width):
    """The first half of the width tells the column, the second the row."""
    row, column = torch.meshgrid(*[torch.arange(side, dtype=F64)] * 2, indexing="ij")
    return torch.cat([sincos(column.flatten(), width // 2), sincos(row.flatten(), width // 2)], 1)


def velocity(size, x, s, label):
    """dx/ds, s = 1 at data; of the two halves of the output channels the first."""
    depth, width, heads = SIZES[size]
    n, side = x.shape[0], x.shape[2] // PATCH
    patches = x.reshape(n, CHANNELS, side, PATCH, side, PATCH).permute(0, 2, 4, 1, 3, 5)
    kernel = tensor("x_embedder.proj.weight", (width, CHANNELS, PATCH, PATCH), 0.25).flatten(1)
    h = patches.reshape(n, side * side, -1) @ kernel.T + tensor("x_embedder.proj.bias", (width,), 0.1)
    h = h + positions(side, width)

    frequency = torch.exp(-math.log(10000) * torch.arange(128, dtype=F64) / 128)
    angle = s[:, None] * frequency
    time = linear(torch.cat([angle.cos(), angle.sin()], 1), "t_embedder.mlp.0", width)
    time = linear(silu(time), "t_embedder.mlp.2", width)
    table = tensor("y_embedder.embedding_table.weight", (CLASSES + 1, width), 1.0)
    c = silu(time + table[label])

    for i in range(depth):
        name = f"blocks.{i}."
        m = linear(c, name + "adaLN_modulation.1", 6 * width, 0.2 / math.sqrt(width)).chunk(6, 1)
        qkv = linear(modulate(norm(h), m[0], m[1]), name + "attn.qkv", 3 * width)
        q, k, v = qkv.reshape(n, -1, 3, heads, width // heads).permute(2, 0, 3, 1, 4)
        mixed = torch.softmax(q @ k.transpose(-1, -2) / math.sqrt(width / heads), -1) @ v
        mixed = mixed.transpose(1, 2).reshape(n, -1, width)
        h = h + m[2][:, None] * linear(mixed, name + "attn.proj", width)
        hidden = gelu_tanh(linear(modulate(norm(h), m[3], m[4]), name + "mlp.fc1", 4 * width))
        h = h + m[5][:, None] * linear(hidden, name + "mlp.fc2", width)

    m = linear(c, "final_layer.adaLN_modulation.1", 2 * width).chunk(2, 1)
    out = linear(modulate(norm(h), m[0], m[1]), "final_layer.linear", PATCH * PATCH * 2 * CHANNELS)
    out = out.reshape(n, side, side, PATCH, PATCH, 2 * CHANNELS).permute(0, 5, 1, 3, 2, 4)
    return out.reshape(n, 2 * CHANNELS, side * PATCH, side * PATCH)[:, :CHANNELS]


def tell(key, values):
    flat = values.flatten()
    print(f"{key}.rms {flat.square().mean().sqrt():.9g}")
    for i in range(0, flat.numel(), max(1, flat.numel() // 61)):
        print(f"{key}.{i} {flat[i]:.9g}")


def forward(size):
    x = torch.from_numpy(hashed("x", (2, CHANNELS, 32, 32), 1.7)).to(F64)
    tell(f"forward.{size}", velocity(size, x, torch.tensor([0.25, 0.75], dtype=F64), torch.tensor([7, 1000])))


def guided(x, t, label, scale, channels):
    """u = dx/dt = -v, guidance on the first `channels` of them (0: all)."""
    s = torch.full((len(x),), 1 - t, dtype=F64)
    plain = -velocity("S", x, s, label)
    if scale == 1:
        return plain
    null = -velocity("S", x, s, torch.full_like(label, CLASSES))
    out = null + scale * (plain - null)
    return torch.cat([out[:, :channels], plain[:, channels:]], 1) if channels else out


def trajectory(solver, scale=1.0, channels=0, steps=50):
    x = torch.from_numpy(hashed("x", (2, CHANNELS, 8, 8), 1.7)).to(F64)
    label = torch.tensor([7, 207])
    for k in range(steps):
        t, to = 1 - k / steps, 1 - (k + 1) / steps
        u = guided(x, t, label, scale, channels)
        if solver == "heun" and to > 0:
            u = (u + guided(x + (to - t) * u, to, label, scale, channels)) / 2
        x = x + (to - t) * u
    return x


if __name__ == "__main__":
    for size in SIZES:
        forward(size)
    tell("euler", trajectory("euler"))
    tell("heun", trajectory("heun"))
    tell("guided", trajectory("euler", 1.5, 3, 10))
