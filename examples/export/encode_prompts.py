"""Encodes prompts with the text encoders of a diffusers pipeline, for option prompts of winnow.exported.

    python encode_prompts.py PIPELINE_DIR prompts.safetensors --prompts prompts.txt   # one prompt a line

The prompt of none (or what --negative says) is always among them. Needs diffusers and transformers.
"""
import argparse
import pathlib

import diffusers
import torch

from bundle_files import save_prompts
from pipeline_kinds import kind_of

BATCH = 8


def lines_of(path):
    return [] if path is None else [line for line in path.read_text().splitlines() if line.strip()]


@torch.no_grad()
def encoded(kind, prompts):
    """Each prompt once, in order, as (prompts, {condition: [prompts, ...]})."""
    prompts = list(dict.fromkeys(prompts))
    parts = [kind.encode(prompts[i:i + BATCH]) for i in range(0, len(prompts), BATCH)]
    return prompts, {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pipeline", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--prompts", type=pathlib.Path, required=True, help="one prompt a line")
    parser.add_argument("--negative", default="", help="what guidance leads away from")
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--text-length", type=int, help="tokens of a prompt; that of the bundle")
    arguments = parser.parse_args()
    dtype = torch.bfloat16 if arguments.precision == "bf16" else torch.float32
    # The denoiser and the decoder are not needed, so they are not read.
    parts = diffusers.DiffusionPipeline.load_config(arguments.pipeline)
    left_out = {name: None for name in ("unet", "transformer", "vae") if name in parts}
    pipe = diffusers.DiffusionPipeline.from_pretrained(arguments.pipeline, torch_dtype=dtype, **left_out)
    prompts, tensors = encoded(kind_of(pipe, arguments.text_length),
                               [arguments.negative, *lines_of(arguments.prompts)])
    save_prompts(arguments.out, prompts, tensors)
    print(f"{arguments.out}: {len(prompts)} prompts")


if __name__ == "__main__":
    main()
