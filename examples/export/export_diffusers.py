"""Exports a diffusers pipeline directory as a bundle, which winnow.exported runs without Python.

    python export_diffusers.py PIPELINE_DIR OUT --prompts prompts.txt

docs/bundles.md describes what is written. The exported denoiser is compared with the one it was made from, at another
batch size. Nothing is downloaded. Needs diffusers and, for prompts, transformers.
"""
import argparse
import difflib
import pathlib
import shutil
import sys

import diffusers
import torch
from torch.utils.flop_counter import FlopCounterMode

from bundle_files import save_prompts, save_tensors, save_toml, sha256
from encode_prompts import encoded, lines_of, require_pipeline
from pipeline_kinds import default_of, kind_of
from programs import compare, export
from schedules import Unsupported, schedule_of

FORMAT = 1
TOLERANCE = {"fp32": 1e-4, "bf16": 0.1}


def examples(kind, inputs, shape, prompts, dtype, n):
    """Inputs of the denoiser for n items. bfloat16 has their times and guidance exactly: the pipeline rounds those, the
    program does not, and that would be most of the difference."""
    generator = torch.Generator().manual_seed(n)
    given = {"latents": torch.randn(n, *shape, generator=generator).to(dtype),
             "time": 1000 * 0.5 ** (1 + torch.arange(n) % 3),
             "guidance": torch.full((n,), 4.0), "class": torch.arange(n)}
    rows = torch.arange(n) % (len(next(iter(prompts.values()))) if prompts else 1)
    given |= {name: tensor[rows] for name, tensor in prompts.items()}
    return tuple(given[name] for name in inputs)


def flops_of(module, args):
    with FlopCounterMode(display=False) as counter:
        module(*args)
    return counter.get_total_flops() / len(args[0])


def add_decoder(kind, shape, out, form, tables):
    vae = getattr(kind.pipe, "vae", None)
    if vae is None:
        return
    tables["latents"] |= kind.scaling()
    native = type(vae).__name__ == "AutoencoderKL" and vae.config.norm_num_groups == 32
    if native:
        tensors = {k: v for k, v in vae.state_dict().items() if k.startswith(("decoder.", "post_quant_conv."))}
        save_tensors(out / "decoder.safetensors", tensors)
        tables["decoder"] = dict(file="decoder.safetensors")
        return
    vae.float()
    module, args = kind.decoder().eval(), (torch.randn(2, *shape),)
    name, largest = export(module, "decoder", args, out, form)
    compare(module, out / name, (torch.randn(1, *shape),), TOLERANCE["fp32"])
    tables["decoder"] = dict(file=name, picture=list(module(*args).shape[1:]))


@torch.no_grad()
def write(pipe, out, prompts=(), negative="", form="pt2", precision="fp32", size=None, scheduler=None, length=None,
          frames=None, text_encoders=False):
    """Returns the tables of bundle.toml."""
    kind = kind_of(pipe, length, frames)
    if scheduler:
        pipe.scheduler = getattr(diffusers, scheduler).from_config(pipe.scheduler.config)
    shape = kind.latent_shape(*(size or kind.size()))
    try:
        prediction, schedule = schedule_of(pipe.scheduler, kind.tokens(shape))
    except Unsupported as refusal:
        sys.exit(f"{refusal}; --scheduler takes another one with the same settings")
    schedule["steps"] = default_of(pipe, "num_inference_steps", 50)
    out.mkdir(parents=True)
    inputs = ["latents", "time"] + ["guidance"] * (kind.guidance == "distilled") + list(kind.conditions)
    guidance = dict(kind=kind.guidance)
    if kind.guidance != "none":
        guidance["scale"] = float(default_of(pipe, "guidance_scale", 1.0))
    condition, tensors, encoders = dict(kind=kind.condition), {}, {}
    if text_encoders:
        from text_encoders import add_text_encoders  # needs transformers, as the pipeline does
        encoders = add_text_encoders(kind, out, form, TOLERANCE[precision])
    if kind.condition == "prompt":
        texts, tensors = encoded(kind, [negative, *prompts])
        if prompts or not text_encoders:
            save_prompts(out / "prompts.safetensors", texts, tensors)
            condition |= dict(file="prompts.safetensors")
        if kind.guidance == "classifier-free":
            condition["null"] = negative
    if kind.condition == "class":
        inputs.append("class")
        condition |= dict(classes=kind.net.config.num_embeds_ada_norm, null=kind.net.config.num_embeds_ada_norm)
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    tensors = {k: v.to(dtype) if v.is_floating_point() else v.long() for k, v in tensors.items()}
    module = kind.denoiser(shape).eval()
    file, largest = export(module, "denoiser", examples(kind, inputs, shape, tensors, dtype, 2), out, form)
    compare(module, out / file, examples(kind, inputs, shape, tensors, dtype, 3), TOLERANCE[precision])
    tables = {
        "": dict(format=FORMAT, pipeline=type(pipe).__name__, made_with=f"diffusers {diffusers.__version__}",
                 torch=torch.__version__.split("+")[0], cpu=torch.backends.cpu.get_cpu_capability()),
        "denoiser": dict(file=file, inputs=inputs, prediction=prediction, precision=precision, max_batch=largest,
                         flops=float(flops_of(module, examples(kind, inputs, shape, tensors, dtype, 1)))),
        "latents": dict(shape=shape), "guidance": guidance, "condition": condition, **encoders,
        "schedule": schedule}
    for name, tensor in tensors.items():
        condition[name] = list(tensor.shape[1:])
    add_decoder(kind, shape, out, form, tables)
    files = sorted(p for p in out.rglob("*") if p.is_file())
    tables["files"] = {str(p.relative_to(out)): sha256(p) for p in files}
    save_toml(out / "bundle.toml", tables)
    return tables


def require_sense(arguments, kind, prompts):
    name, asked = type(kind.pipe).__name__, bool(prompts or arguments.text_encoders)
    if kind.condition == "prompt" and not asked:
        sys.exit("nothing could be asked of a bundle without prompts: give --prompts, --text-encoders or both")
    if kind.condition != "prompt" and asked:
        sys.exit(f"{name} takes no prompts, but --prompts or --text-encoders is given")
    if arguments.negative and kind.guidance != "classifier-free":
        sys.exit(f"--negative is '{arguments.negative}', but {name} has no classifier-free guidance")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pipeline", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path, help="a folder that does not exist yet")
    parser.add_argument("--prompts", type=pathlib.Path, help="one prompt a line; more later with encode_prompts.py")
    parser.add_argument("--negative", default="", help="what guidance leads away from")
    parser.add_argument("--text-encoders", action="store_true",
                        help="also those of the pipeline, so that any prompt can be encoded without Python")
    parser.add_argument("--format", choices=["pt2", "torchscript"], default="pt2")
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--height", type=int, help="of the pictures; the pipeline's own")
    parser.add_argument("--width", type=int)
    parser.add_argument("--frames", type=int, help="of the videos; as many as the pipeline makes by itself")
    parser.add_argument("--scheduler", help="another class of diffusers, with the settings of the pipeline's")
    parser.add_argument("--text-length", type=int, help="tokens of a prompt; as many as the pipeline takes by itself")
    arguments = parser.parse_args()
    if arguments.out.exists():
        sys.exit(f"{arguments.out} exists already")
    if bool(arguments.height) != bool(arguments.width):
        sys.exit("one of --height and --width is given, expected both or none")
    require_pipeline(arguments.pipeline)
    if arguments.scheduler and not hasattr(diffusers, arguments.scheduler):
        near = difflib.get_close_matches(arguments.scheduler, [n for n in dir(diffusers) if n.endswith("Scheduler")], 1)
        sys.exit(f"diffusers has no {arguments.scheduler}" + "".join(f"; did you mean {name}?" for name in near))
    prompts = lines_of(arguments.prompts)
    dtype = torch.bfloat16 if arguments.precision == "bf16" else torch.float32
    pipe = diffusers.DiffusionPipeline.from_pretrained(arguments.pipeline, torch_dtype=dtype, local_files_only=True)
    require_sense(arguments, kind_of(pipe, arguments.text_length, arguments.frames), prompts)
    size = (arguments.height, arguments.width) if arguments.height else None
    try:
        write(pipe, arguments.out, prompts, arguments.negative, arguments.format,
              arguments.precision, size, arguments.scheduler, arguments.text_length, arguments.frames,
              arguments.text_encoders)
    except BaseException:
        shutil.rmtree(arguments.out, ignore_errors=True)
        raise
    print(f"{arguments.out}: {sum(p.stat().st_size for p in arguments.out.rglob('*')) / 1e6:,.0f} MB")


if __name__ == "__main__":
    main()
