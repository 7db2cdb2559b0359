"""Bundles of tiny pipelines, and where these pipelines end.

    python tests/golden/exported.py tests/golden/bundles sd15 ddpm ltx    # the committed ones; diffusers 0.42.1
    python tests/golden/exported.py tests/golden/bundles flux --text-encoders
    python tests/golden/exported.py FOLDER NAME ... [--text-encoders] [--format pt2]

FOLDER/NAME is the bundle, FOLDER/NAME.json what its pipeline made of hashed noises, for several schedulers (exported_test.cpp), and
FOLDER/NAME.texts.safetensors what it makes of TEXTS (text_encoder_test.cpp). With text encoders only the first prompt is also
encoded.
"""
import argparse
import json
import pathlib
import shutil
import sys
import tempfile

import diffusers
import torch

import tiny_pipelines
from hashed_tensors import hashed

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "examples/export"))
import export_diffusers  # noqa: E402
from bundle_files import save_prompts  # noqa: E402
from encode_prompts import encoded  # noqa: E402

PROMPTS = ["a red circle", "a blue square"]
# With text encoders.
SPOKEN = ["a red circle", "Two BLUE cubes, 50mm: it's naïve 東京 🎨 and far longer than sixteen tokens"]
NEGATIVE = "low Quality, 50 % ｆｕｌｌ"
TEXTS = ["", " ", "a red circle", "\u00a0 An ÉTUDE, ΌΣΟΣ \x1f ", "東京の夜 큰 나무 ｆｕｌｌ ﬁne 🎨", "nai\u0308ve<|endoftext|> it's 1000 </s>",
         "a red apple on a wooden table, studio lighting, " * 4]
SIDE, FRAMES = 16, 5  # pixels; of a video, whose sides are twice as long
STABLE = [("ddim", "DDIMScheduler", {}), ("ddim", "DDIMScheduler", {"eta": 0.5}), ("euler", "EulerDiscreteScheduler", {}),
          ("euler_ancestral", "EulerAncestralDiscreteScheduler", {}), ("heun", "HeunDiscreteScheduler", {}),
          ("dpmpp_2m", "DPMSolverMultistepScheduler", {}), ("pndm", "PNDMScheduler", {})]
SETTINGS = {"pndm": dict(skip_prk_steps=True)}  # as Stable Diffusion 1.5 has it
CASES = {"sd15": STABLE, "sdxl": STABLE[2:3], "dit": STABLE[:1], "pixart": STABLE[5:6],
         "ddpm": [("ddpm", "DDPMScheduler", {})]}


class Noises:
    """In place of all random numbers of a pipeline: the latents, then those of each step."""

    def __init__(self):
        self.count = -1

    def __call__(self, shape, *_, **__):
        self.count += 1
        return torch.from_numpy(hashed(f"noise {self.count}", tuple(shape), 1.7))


def replace_noise():
    noises = Noises()
    for module in list(sys.modules.values()):
        if module.__name__.startswith("diffusers.") and "randn_tensor" in vars(module):
            module.randn_tensor = noises


def latents_of(name, pipe, prompts, steps, options):
    """Where the pipeline's own loop ends, [2, ...]."""
    size = dict(height=SIDE, width=SIDE, output_type="latent")
    if name == "ddpm":
        return 2 * torch.from_numpy(pipe(batch_size=2, num_inference_steps=steps, output_type="np").images
                                    ).permute(0, 3, 1, 2) - 1
    if name == "dit":
        seen, decode = [], pipe.vae.decode
        pipe.vae.decode = lambda z: seen.append(z * pipe.vae.config.scaling_factor) or decode(z)
        pipe(class_labels=[3, 7], num_inference_steps=steps)
        pipe.vae.decode = decode
        return seen[0]
    if name in ("flux", "pixart", "sd3"):
        size["max_sequence_length"] = 16
    if name == "ltx":
        size |= dict(height=2 * SIDE, width=2 * SIDE, num_frames=FRAMES, max_sequence_length=16)
        out, shape = pipe(prompts, num_inference_steps=steps, **size, **options).frames, (FRAMES // 4 + 1, SIDE // 2, SIDE // 2)
        return pipe._unpack_latents(out, *shape)
    if name == "pixart":
        size |= dict(use_resolution_binning=False, clean_caption=False)
    out = pipe(prompts, num_inference_steps=steps, **size, **options).images
    return pipe._unpack_latents(out, SIDE, SIDE, pipe.vae_scale_factor) if name == "flux" else out


def picture_of(pipe, latents):
    """Every seventh number of the first one."""
    if not hasattr(pipe, "vae"):
        return ((latents[0] + 1) / 2).clamp(0, 1).flatten()[::7]
    if latents.dim() == 5:  # frames side by side
        z = pipe._denormalize_latents(latents[:1], pipe.vae.latents_mean, pipe.vae.latents_std,
                                      pipe.vae.config.scaling_factor)
        picture = torch.cat(pipe.vae.decode(z, return_dict=False)[0].unbind(2), 3)
    else:
        shift = getattr(pipe.vae.config, "shift_factor", None) or 0
        picture = pipe.vae.decode(latents[:1] / pipe.vae.config.scaling_factor + shift, return_dict=False)[0]
    return ((picture + 1) / 2).clamp(0, 1).flatten()[::7]


def numbers(tensor):
    return [float(f"{value:.7g}") for value in tensor.flatten().tolist()]


@torch.no_grad()
def make(name, out, form, text_encoders=False):
    bundle = out / name
    shutil.rmtree(bundle, ignore_errors=True)
    with tempfile.TemporaryDirectory() as folder:
        tiny_pipelines.make(name, folder, every_text=text_encoders)
        pipe = diffusers.DiffusionPipeline.from_pretrained(folder)
    pipe.set_progress_bar_config(disable=True)
    side, frames = (2 * SIDE, FRAMES) if name == "ltx" else (SIDE, None)
    size = (side, side) if hasattr(pipe, "vae") else None
    length = 16 if name in ("flux", "pixart", "sd3", "ltx") else None
    tables = export_diffusers.write(pipe, bundle, SPOKEN[:1] if text_encoders else PROMPTS, form=form, size=size,
                                    length=length, frames=frames, text_encoders=text_encoders)
    if text_encoders:
        save_prompts(out / f"{name}.texts.safetensors", *encoded(export_diffusers.kind_of(pipe, length), TEXTS))
    own, cases, prompts = pipe.scheduler, [], SPOKEN if text_encoders else PROMPTS
    wanted = CASES.get(name, [("euler", type(own).__name__, {})])
    if text_encoders and tables["guidance"]["kind"] == "classifier-free":
        wanted = [*wanted, (*wanted[-1][:2], dict(negative_prompt=[NEGATIVE] * 2))]
    for solver, scheduler, options in wanted:
        pipe.scheduler = getattr(diffusers, scheduler).from_config(own.config, **SETTINGS.get(solver, {}))
        replace_noise()
        steps = 6 if solver == "heun" else 10
        latents = latents_of(name, pipe, prompts, steps, options)
        cases.append(dict(solver=solver, steps=steps, eta=options.get("eta", 0.0),
                          negative=NEGATIVE if "negative_prompt" in options else "", latents=numbers(latents),
                          picture=numbers(picture_of(pipe, latents))))
    found = dict(classes=[3, 7] if name == "dit" else [-1, -1], cases=cases,
                 prompts=prompts if tables["condition"]["kind"] == "prompt" else ["", ""])
    if text_encoders:
        found["texts"] = TEXTS
    (out / f"{name}.json").write_text(json.dumps(found) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("names", nargs="+", choices=[*tiny_pipelines.PIPELINES])
    parser.add_argument("--text-encoders", action="store_true")
    parser.add_argument("--format", choices=["pt2", "torchscript"], default="torchscript")
    arguments = parser.parse_args()
    diffusers.logging.set_verbosity_error()  # prompts are too long on purpose
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for name in arguments.names:
        make(name, arguments.folder, arguments.format, arguments.text_encoders)
