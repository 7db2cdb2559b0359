"""Measures winnow.exported on a FLUX of 20 million random parameters against the same random search written as a loop over
its diffusers pipeline. Same weights, batch of 8, steps and threads; interleaved, so that ratios are of one time.

    python exported_bench.py BUILD FOLDER prepare     # once: the pipeline and its bundles in float32 and bfloat16; minutes
    python exported_bench.py BUILD FOLDER speed       # against the pipeline, eager and with torch.compile
    python exported_bench.py BUILD FOLDER precision   # the bfloat16 bundle against the float32 one
    python exported_bench.py BUILD FOLDER network     # share of a search of 64 candidates, 28 steps, that the network has
    python exported_bench.py BUILD FOLDER memory      # peaks of three processes: winnow, BUILD/tests/exported_loop, the pipeline

Prints medians and quartiles; nothing is asserted. Seconds are those of the search: neither's start is counted, nor is
compiling. Needs diffusers and transformers (tests/golden/requirements.txt).
"""
import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/golden"), str(ROOT / "examples/export")]
PROMPT, SIDE, LENGTH, BATCH, SCALE = "a red circle", 32, 16, 8, 3.5

RUN = """
[budget]
candidates = {candidates}
[tasks]
prompts = ["{prompt}"]
[sampler]
plugin = "winnow.exported"
bundle = "{precision}.bundle"
trust = "full"
steps = {steps}
guidance_scale = {scale}
threads = {threads}
[[verifier]]
plugin = "winnow.brightness"
[search]
plugin = "winnow.random"
[execution]
batch = {batch}
"""


def small_flux():
    """16 x 16 latents of 16 channels and 16 tokens of text. The decoder has 0.3 % of the arithmetic, as that of FLUX.1."""
    import diffusers
    import tiny_pipelines as tiny
    return diffusers.FluxPipeline(
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True, shift=3.0),
        vae=tiny.autoencoder(16, use_quant_conv=False, use_post_quant_conv=False, scaling_factor=0.3611,
                             shift_factor=0.1159),
        text_encoder=tiny.clip_text(), tokenizer=tiny.clip_tokenizer(), text_encoder_2=tiny.t5_text(64),
        tokenizer_2=tiny.t5_tokenizer(),
        transformer=diffusers.FluxTransformer2DModel(
            patch_size=1, in_channels=64, num_layers=2, num_single_layers=4, attention_head_dim=64, num_attention_heads=6,
            joint_attention_dim=64, pooled_projection_dim=16, guidance_embeds=True, axes_dims_rope=(16, 24, 24)))


def prepare(given):
    import torch
    shutil.rmtree(given.folder, ignore_errors=True)
    given.folder.mkdir(parents=True)
    torch.manual_seed(2)
    pipe = small_flux()
    print(f"{sum(p.numel() for p in pipe.transformer.parameters()) / 1e6:.1f} million parameters")
    pipe.save_pretrained(given.folder / "pipeline")
    (given.folder / "prompts.txt").write_text(PROMPT + "\n")
    for precision in ("fp32", "bf16"):
        subprocess.run([sys.executable, ROOT / "examples/export/export_diffusers.py", "pipeline", f"{precision}.bundle",
                        "--prompts", "prompts.txt", "--precision", precision, "--height", str(SIDE), "--width", str(SIDE),
                        "--text-length", str(LENGTH)], cwd=given.folder, check=True)


class Pipeline:
    """The search as a plain loop: candidates in batches, one number each, the best is kept."""

    def __init__(self, given, compiled=False):
        import diffusers
        import torch
        self.torch = torch
        diffusers.utils.logging.disable_progress_bar()
        torch.set_num_threads(given.threads)
        self.pipe = diffusers.FluxPipeline.from_pretrained(given.folder / "pipeline")
        self.pipe.set_progress_bar_config(disable=True)
        with torch.inference_mode():
            states, pooled, _ = self.pipe.encode_prompt(PROMPT, None, device="cpu", max_sequence_length=LENGTH)
        self.told = dict(prompt_embeds=states, pooled_prompt_embeds=pooled)
        if compiled:
            self.pipe.transformer = torch.compile(self.pipe.transformer)

    def search(self, candidates, steps):
        """Seconds, and the best score."""
        start, best, kept = time.perf_counter(), -float("inf"), None
        with self.torch.inference_mode():
            for first in range(0, candidates, BATCH):
                pictures = self.pipe(**self.told, num_images_per_prompt=BATCH, height=SIDE, width=SIDE, guidance_scale=SCALE,
                                     num_inference_steps=steps, output_type="pt",
                                     generator=self.torch.Generator().manual_seed(first)).images
                scores = -(pictures.mean(dim=(1, 2, 3)) - 0.5).square()
                if scores.max().item() > best:
                    best, kept = scores.max().item(), pictures[scores.argmax()].clone()
        assert kept is not None
        return time.perf_counter() - start


def command(words, folder):
    """(what it printed, seconds, peak memory in MiB)"""
    start = time.perf_counter()
    child = subprocess.Popen([str(word) for word in words], cwd=folder, stdout=subprocess.PIPE, text=True)
    text = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit(f"{words[0]} ended with {child.returncode}")
    return text, time.perf_counter() - start, usage.ru_maxrss / 1024


def winnow(given, precision, candidates, steps):
    """(execution.json, seconds of the whole process, peak memory in MiB)"""
    shutil.rmtree(given.folder / "out", ignore_errors=True)
    (given.folder / "run.toml").write_text(RUN.format(precision=precision, candidates=candidates, steps=steps, prompt=PROMPT,
                                                      batch=BATCH, scale=SCALE, threads=given.threads))
    words = [given.build / "bin/winnow", "run", "run.toml", "--out", "out", "--progress", "none"]
    _, seconds, peak = command(words, given.folder)
    return json.loads((given.folder / "out/execution.json").read_text()), seconds, peak


def bare(given, candidates, steps):
    words = [given.build / "tests/exported_loop", "fp32.bundle", "--prompt", PROMPT, "--candidates", candidates, "--batch",
             BATCH, "--steps", steps]
    text, seconds, peak = command(words, given.folder)
    return json.loads(text), seconds, peak


def line(name, values, form):
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    print(f"{name:<42} {median:{form}}  quartiles {low:{form}} to {high:{form}}  ({len(values)} runs)")


def interleaved(given, contenders):
    """{name: seconds of each of its searches}; one round is not counted, for it warms up."""
    for search in contenders.values():
        search()
    found, end = {name: [] for name in contenders}, time.monotonic() + given.seconds
    while time.monotonic() < end or len(next(iter(found.values()))) < 2:
        for name, search in contenders.items():
            found[name].append(search())
    return found


def compare(found, name, others):
    for each, values in found.items():
        line(each + ", seconds", values, ".3f")
    for other in others:
        line(f"{other} / {name}", [a / b for a, b in zip(found[other], found[name])], ".3f")
        print(f"{'':<42} {statistics.median(found[other]) / statistics.median(found[name]):.3f} of the medians")


def speed(given):
    eager, compiled = Pipeline(given), Pipeline(given, compiled=True)
    found = interleaved(given, {"eager": lambda: eager.search(2 * BATCH, 4), "torch.compile": lambda: compiled.search(2 * BATCH, 4),
                                "winnow": lambda: winnow(given, "fp32", 2 * BATCH, 4)[0]["seconds"]})
    compare(found, "winnow", ["eager", "torch.compile"])


def precision(given):
    found = interleaved(given, {each: lambda each=each: winnow(given, each, 2 * BATCH, 8)[0]["seconds"]
                                for each in ("fp32", "bf16")})
    compare(found, "bf16", ["fp32"])


def network(given):
    done, process, _ = winnow(given, "fp32", 64, 28)
    loop, _, _ = bare(given, 16, 28)
    calls = 64 // BATCH * 28
    print(f"winnow, 64 candidates, 28 steps: {done['seconds']:.2f} s, of them {done['sampler_seconds']:.2f} in the sampler, "
          f"{sum(done['verifier_seconds'].values()):.4f} in the verifier; {process:.2f} s with start and gallery")
    print(f"bare loop: {loop['network'] / loop['calls']:.4f} s a call of the network, which has "
          f"{loop['network'] / loop['seconds']:.4f} of its time, the decoder {loop['decoder'] / loop['seconds']:.4f}")
    inside = done["sampler_seconds"] / done["seconds"] * loop["network"] / loop["seconds"]
    print(f"share of the network in winnow's search: {inside:.4f} (sampler's share x the network's of the bare loop)")
    print(f"{calls} calls at the bare loop's speed, of winnow's whole process: "
          f"{calls * loop['network'] / loop['calls'] / process:.4f}")


def loop(given):
    Pipeline(given).search(2 * BATCH, 4)


def memory(given):
    own = [sys.executable, __file__, given.build, given.folder, "loop", "--threads", given.threads]
    peaks = {"winnow": [winnow(given, "fp32", 2 * BATCH, 4)[2] for _ in range(3)],
             "bare loop in C++": [bare(given, 2 * BATCH, 4)[2] for _ in range(3)],
             "loop over the pipeline": [command(own, given.folder)[2]]}
    for name, values in peaks.items():
        print(f"{name:<42} {max(values):.0f} MiB ({', '.join(f'{v:.1f}' for v in values)})")
    for other in list(peaks)[1:]:
        print(f"{'winnow / ' + other:<42} {max(peaks['winnow']) / max(peaks[other]):.3f}")


def main():
    parts = {part.__name__: part for part in (prepare, speed, precision, network, memory, loop)}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=lambda text: pathlib.Path(text).resolve())
    parser.add_argument("folder", type=lambda text: pathlib.Path(text).resolve())
    parser.add_argument("part", choices=parts)
    parser.add_argument("--seconds", type=float, default=45, help="of measuring")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(given.folder / "inductor")  # a second call need not compile
    os.environ |= dict(OMP_NUM_THREADS=str(given.threads), DIFFUSERS_VERBOSITY="error", TRANSFORMERS_VERBOSITY="error",
                       HF_HUB_DISABLE_PROGRESS_BARS="1")
    parts[given.part](given)


if __name__ == "__main__":
    main()
