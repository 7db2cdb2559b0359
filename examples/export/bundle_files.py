"""Writes the files of a bundle: safetensors, TOML and hashes."""
import hashlib
import json

import torch

TYPES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64"}


def save_tensors(path, tensors, metadata=None):
    """https://github.com/huggingface/safetensors#format"""
    header, end = {"__metadata__": metadata or {}}, 0
    tensors = {name: tensor.detach().contiguous() for name, tensor in sorted(tensors.items())}
    for name, tensor in tensors.items():
        begin, end = end, end + tensor.numel() * tensor.element_size()
        header[name] = {"dtype": TYPES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as out:
        out.write(len(text).to_bytes(8, "little") + text)
        for tensor in tensors.values():
            out.write(tensor.view(-1).view(torch.uint8).numpy().tobytes())


def save_prompts(path, prompts, tensors):
    """Row i of each tensor belongs to prompt i."""
    tensors = {name: t.long() if not t.is_floating_point() else t for name, t in tensors.items()}
    save_tensors(path, tensors, {"prompts": json.dumps(prompts)})


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def value_text(value):
    if isinstance(value, float):
        return repr(value)
    # JSON is TOML here, but for this, and for pairs of surrogates.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def save_toml(path, tables):
    """{"": {key: value}, "table": {...}, "tables": [{...}, ...]}: texts, numbers, booleans and lists of them."""
    lines = []
    for name, found in tables.items():
        header = f"[[{name}]]" if isinstance(found, list) else f"[{name}]"
        for table in found if isinstance(found, list) else [found]:
            lines += ["", header] if name else []
            lines += [f"{key if key.isidentifier() else json.dumps(key)} = {value_text(value)}"
                      for key, value in table.items()]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
