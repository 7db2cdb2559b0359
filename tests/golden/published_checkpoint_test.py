"""A checkpoint in the published layout is converted and searched with the shipped config.

published_checkpoint_test.py BUILD SOURCE: run by CTest with the Python that has torch. The network has
the published shape but for its width and depth; its weights are hashed, as are the decoder's.
"""
import os
import pathlib
import pickle
import subprocess
import sys
import tempfile

import torch
from hashed_tensors import hashed

BUILD, SOURCE = map(pathlib.Path, sys.argv[1:3])
sys.path.insert(0, str(SOURCE / "examples/export"))
import convert_sit  # noqa: E402

WIDTH, DEPTH, SIDE = 32, 2, 4


def sit_tensors():
    shapes = {"x_embedder.proj": (WIDTH, 4, 2, 2), "t_embedder.mlp.0": (WIDTH, 256),
              "t_embedder.mlp.2": (WIDTH, WIDTH), "final_layer.linear": (2 * 2 * 8, WIDTH),
              "final_layer.adaLN_modulation.1": (2 * WIDTH, WIDTH)}
    for i in range(DEPTH):
        shapes |= {f"blocks.{i}.{name}": (out * WIDTH, scale * WIDTH) for name, out, scale in [
            ("attn.qkv", 3, 1), ("attn.proj", 1, 1), ("mlp.fc1", 4, 1), ("mlp.fc2", 1, 4),
            ("adaLN_modulation.1", 6, 1)]}
    tensors = {"pos_embed": (1, SIDE * SIDE, WIDTH), "y_embedder.embedding_table.weight": (1001, WIDTH)}
    for name, shape in shapes.items():
        tensors |= {name + ".weight": shape, name + ".bias": shape[:1]}
    return {name: torch.from_numpy(hashed(name, shape, 0.2)) for name, shape in tensors.items()}


def vae_tensors():
    """A decoder of two blocks, 32 channels each."""
    shapes = {"post_quant_conv": (4, 4, 1, 1), "decoder.conv_in": (32, 4, 3, 3),
              "decoder.conv_out": (3, 32, 3, 3), "decoder.conv_norm_out": (32,),
              "decoder.mid_block.attentions.0.group_norm": (32,),
              "decoder.up_blocks.0.upsamplers.0.conv": (32, 32, 3, 3)}
    shapes |= {f"decoder.mid_block.attentions.0.{part}": (32, 32)
               for part in ("to_q", "to_k", "to_v", "to_out.0")}
    resnets = [f"decoder.mid_block.resnets.{i}" for i in (0, 1)]
    resnets += [f"decoder.up_blocks.{i}.resnets.{k}" for i in (0, 1) for k in (0, 1)]
    for name in resnets:
        shapes |= {f"{name}.norm{i}": (32,) for i in (1, 2)}
        shapes |= {f"{name}.conv{i}": (32, 32, 3, 3) for i in (1, 2)}
    tensors = {}
    for name, shape in shapes.items():
        tensors |= {name + ".weight": shape, name + ".bias": shape[:1]}
    return {name: torch.from_numpy(hashed(name, shape, 0.1)) for name, shape in tensors.items()}


def call(*command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def convert(*arguments):
    """What it refuses with, or None."""
    sys.argv = ["convert_sit.py", *map(str, arguments)]
    try:
        return convert_sit.main()
    except SystemExit as refusal:
        return str(refusal)


class Evil:
    def __reduce__(self):
        return pathlib.Path.touch, (pathlib.Path("evil"),)


def main():
    weights, vae = pathlib.Path("sit.safetensors"), pathlib.Path("vae.safetensors")
    torch.save({"ema": sit_tensors(), "args": None}, "published.pt")
    assert "say --heads" in convert("published.pt", weights)
    assert convert("published.pt", weights, "--heads", 2) is None
    convert_sit.save(vae, vae_tensors(), {})

    torch.save({"conv.weight": torch.zeros(3)}, "other.pt")
    assert "so this is no SiT; it holds conv.weight" in convert("other.pt", "x")
    pathlib.Path("evil.pt").write_bytes(pickle.dumps(Evil()))
    try:
        convert("evil.pt", "x")
        sys.exit("a checkpoint with code in it was read")
    except pickle.UnpicklingError:
        assert not pathlib.Path("evil").exists()

    run = [BUILD / "bin/winnow", "run", SOURCE / "configs/sit-xl-imagenet256.toml",
           f"sampler.weights={weights.resolve()}"]
    status, text = call(*run, f"sampler.vae={vae.resolve()}", "--out", "run", "sampler.search_steps=2", "sampler.steps=3", "budget.nfe=9",
                        "tasks.classes=[0, 999]", "sampler.cfg_scale=1.5")
    assert status == 0, text
    pictures = list(pathlib.Path("run/samples").rglob("*.png"))
    assert len(pictures) >= 2, text
    assert pictures[0].read_bytes()[16:24] == (16).to_bytes(4, "big") * 2, "16 x 16 pixels"
    status, text = call(*run, "sampler.vae=\"\"", "--out", "other")
    assert status != 0 and "4 channels, expected pixels (1 or 3), or the option vae" in text, text


with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    main()
print("converted, searched and refused as expected")
