"""Turns a published SiT checkpoint (.pt) into the safetensors file that winnow.sit reads.

    python convert_sit.py SiT-XL-2-256.pt sit-xl-2-256.safetensors

The averaged weights ("ema") are taken where the file holds several. The checkpoint is read with
weights_only, so none of its code runs. Needs torch alone.
"""
import argparse
import json
import pathlib
import sys

import torch

HEADS = {384: 6, 768: 12, 1024: 16, 1152: 16}
PATCH = "x_embedder.proj.weight"


def weights_of(checkpoint, name):
    for key in ("ema", "model", "state_dict"):
        if isinstance(checkpoint, dict) and isinstance(checkpoint.get(key), dict):
            checkpoint = checkpoint[key]
            break
    tensors = {k.removeprefix("module."): v for k, v in checkpoint.items() if torch.is_tensor(v)}
    if PATCH not in tensors:
        sys.exit(f"{name}: no tensor '{PATCH}', so this is no SiT; it holds "
                 f"{', '.join(list(tensors or checkpoint)[:5])} ...")
    return tensors


def save(path, tensors, metadata):
    """https://github.com/huggingface/safetensors#format, float32 only"""
    header, end = {"__metadata__": metadata}, 0
    for name, tensor in tensors.items():
        begin, end = end, end + 4 * tensor.numel()
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as out:
        out.write(len(text).to_bytes(8, "little") + text)
        for tensor in tensors.values():
            out.write(tensor.numpy().tobytes())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--heads", type=int, help="needed when the width is no published one")
    arguments = parser.parse_args()
    checkpoint = torch.load(arguments.checkpoint, map_location="cpu", weights_only=True)
    tensors = weights_of(checkpoint, arguments.checkpoint)
    width = tensors[PATCH].shape[0]
    heads = arguments.heads or HEADS.get(width)
    if not heads:
        sys.exit(f"{arguments.checkpoint}: width {width} is none of {list(HEADS)}: say --heads")
    tensors = {k: v.float().contiguous() for k, v in sorted(tensors.items())}
    save(arguments.out, tensors, {"heads": str(heads)})
    print(f"{arguments.out}: {len(tensors)} tensors, "
          f"{sum(v.numel() for v in tensors.values()):,} numbers, {heads} heads")


if __name__ == "__main__":
    main()
