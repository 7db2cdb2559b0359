"""Encodes prompts with the text encoders of a diffusers pipeline, for option prompts of winnow.exported.

    python encode_prompts.py PIPELINE_DIR prompts.safetensors --prompts prompts.txt   # one prompt a line

The prompt of none (or what --negative says) is always among them. Needs diffusers and transformers.
"""
import argparse
import csv
import io
import json
import pathlib
import sys

import diffusers
import torch

from bundle_files import save_prompts
from pipeline_kinds import kind_of

BATCH = 8


def lines_of(path):
    """The prompts of a file, as winnow reads it: a line each; of .jsonl the objects' "prompt", of .csv the column prompt."""
    if path is None:
        return []
    try:
        text = path.read_bytes().decode("utf-8-sig")
        if path.suffix == ".csv":
            return [row["prompt"] for row in csv.DictReader(io.StringIO(text, newline=""))]
        lines = [line.removesuffix("\r") for line in text.split("\n") if line.strip()]
        return [json.loads(line)["prompt"] for line in lines] if path.suffix == ".jsonl" else lines
    except OSError as error:
        sys.exit(f"{path} cannot be read: {error.strerror}")
    except UnicodeDecodeError as error:
        sys.exit(f"{path} is not UTF-8 from byte {error.start} on")
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        sys.exit(f"{path}: expected a \"prompt\" in each {'row' if path.suffix == '.csv' else 'line'}, found {error!r}")


def require_pipeline(folder):
    if not (folder / "model_index.json").is_file():
        sys.exit(f"{folder} has no model_index.json, expected a directory as diffusers' save_pretrained writes it")


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
    require_pipeline(arguments.pipeline)
    lines = lines_of(arguments.prompts)
    dtype = torch.bfloat16 if arguments.precision == "bf16" else torch.float32
    # The denoiser and the decoder are not needed, so they are not read.
    parts = diffusers.DiffusionPipeline.load_config(arguments.pipeline)
    left_out = {name: None for name in ("unet", "transformer", "vae") if name in parts}
    pipe = diffusers.DiffusionPipeline.from_pretrained(arguments.pipeline, torch_dtype=dtype, local_files_only=True, **left_out)
    prompts, tensors = encoded(kind_of(pipe, arguments.text_length),
                               [arguments.negative, *lines])
    save_prompts(arguments.out, prompts, tensors)
    print(f"{arguments.out}: {len(prompts)} prompts")


if __name__ == "__main__":
    main()
