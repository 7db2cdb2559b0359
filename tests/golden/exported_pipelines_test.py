"""Pipelines of the real classes are exported and end where diffusers does; what cannot be exported is refused.

exported_pipelines_test.py BUILD SOURCE torchscript|pt2: run by CTest with the Python of .venv. Without diffusers it is skipped.
"""
import contextlib
import io
import json
import os
import pathlib
import subprocess
import sys
import tempfile

BUILD, SOURCE, FORM = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3]
try:
    import diffusers
    import transformers  # noqa: F401
except ImportError as missing:
    print(f"skipped: {missing}; ./dev setup installs it where there is a network")
    sys.exit(77)
import exported  # noqa: E402
import tiny_pipelines  # noqa: E402

sys.path.insert(0, str(SOURCE / "examples/export"))
import encode_prompts  # noqa: E402
import export_diffusers  # noqa: E402
import schedules  # noqa: E402

NAMES = ["flux", "sd15", "dit", "pixart", "sdxl", "sd3", "ltx"]


def command(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def script(module, *words):
    """(why it was refused or None, what it printed)"""
    sys.argv, printed = [module.__name__, *map(str, words)], io.StringIO()
    with contextlib.redirect_stdout(printed):
        try:
            module.main()
        except SystemExit as refusal:
            return str(refusal), printed.getvalue()
    return None, printed.getvalue()


def ends_where_they_do(folder):
    for name in NAMES:
        exported.make(name, folder, FORM, text_encoders=name != "dit")
    done = subprocess.run([BUILD / "tests/winnow_golden_exported", "winnow.exported ends where its pipelines do,"
                           "text encoders make of every prompt what their pipelines do"],
                          env=dict(os.environ, WINNOW_TEST_BUNDLES=str(folder)), capture_output=True, text=True)
    print(done.stdout[-3000:], done.stderr[-3000:])
    assert done.returncode == 0, "see above"


def from_a_directory_to_pictures(folder):
    """The commands of docs/bundles.md."""
    tiny_pipelines.make("sd15", folder / "pipeline")
    (folder / "prompts.txt").write_text("a red circle\n")
    bundle = ["pipeline", "sd15.bundle", "--prompts", "prompts.txt", "--format", FORM, "--height", 16, "--width", 16]
    refusal, _ = script(export_diffusers, *bundle, "--scheduler", "PNDMScheduler")
    assert "skip_prk_steps = False, expected True; --scheduler takes another" in refusal, refusal
    assert not pathlib.Path("sd15.bundle").exists()
    refusal, text = script(export_diffusers, *bundle, "--scheduler", "EulerDiscreteScheduler")
    assert not refusal and "differs from the pipeline's by" in text, (refusal, text)
    assert "denoiser: is being " in text, text
    refusal, _ = script(export_diffusers, *bundle)
    assert "exists already" in refusal, refusal
    (folder / "more.txt").write_text("a green square\n")
    refusal, text = script(encode_prompts, "pipeline", "more.safetensors", "--prompts", "more.txt")
    assert not refusal and "2 prompts" in text, (refusal, text)
    (folder / "run.toml").write_text("""[budget]
candidates = 2
[tasks]
prompts = ["a green square"]
[sampler]
plugin = "winnow.exported"
bundle = "sd15.bundle"
prompts = "more.safetensors"
steps = 3
[[verifier]]
plugin = "winnow.brightness"
[search]
plugin = "winnow.random"
""")
    winnow = BUILD / "bin/winnow"
    status, text = command(winnow, "plugins", "lock", "run.toml")
    assert status == 0, text
    status, text = command(winnow, "run", "run.toml", "--out", "out", "--quiet")
    assert status == 0, text
    assert json.loads((folder / "out/summary.json").read_text())["tasks"][0]["best"]
    status, text = command(winnow, "run", "run.toml", 'sampler.prompts=""', "--out", "other")
    assert status == 2 and "the prompt 'a green square' is not among the 1 encoded ones" in " ".join(text.split()), text


def mistakes_are_told_before_anything_is_loaded(folder):
    tiny_pipelines.make("ddpm", folder / "pixels")
    tiny_pipelines.make("flux", folder / "flux")
    (folder / "few.jsonl").write_bytes('\ufeff{"prompt": "a\u2028line"}\r\n\n{"prompt": "b"}\n'.encode())
    (folder / "few.csv").write_text("n,prompt\n1,\"a, b\"\n")
    (folder / "latin.txt").write_bytes(b"caf\xe9\n")
    (folder / "odd.jsonl").write_text('{"text": "a"}\n')
    assert encode_prompts.lines_of(folder / "few.jsonl") == ["a\u2028line", "b"]
    assert encode_prompts.lines_of(folder / "few.csv") == ["a, b"]
    for words, says in [
            (["nowhere", "o"], "nowhere has no model_index.json"),
            (["flux", "o", "--prompts", "none.txt"], "none.txt cannot be read: No such file"),
            (["flux", "o", "--prompts", "latin.txt"], "latin.txt is not UTF-8 from byte 3 on"),
            (["flux", "o", "--prompts", "odd.jsonl"], 'odd.jsonl: expected a "prompt" in each line'),
            (["flux", "o", "--scheduler", "DDIMScheduller"], "did you mean DDIMScheduler?"),
            (["flux", "o"], "give --prompts, --text-encoders or both"),
            (["flux", "o", "--prompts", "few.csv", "--negative", "blurry"], "FluxPipeline has no classifier-free guidance"),
            (["pixels", "o", "--prompts", "few.csv"], "DDPMPipeline takes no prompts")]:
        refusal, _ = script(export_diffusers, *words)
        assert refusal and says in refusal, (words, refusal)
        assert not pathlib.Path("o").exists()
    refusal, _ = script(encode_prompts, "nowhere", "o", "--prompts", "few.csv")
    assert refusal and "nowhere has no model_index.json" in refusal, refusal


def what_stable_diffusion_comes_with():
    settings = dict(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1, set_alpha_to_one=False)
    prediction, table = schedules.schedule_of(diffusers.PNDMScheduler(skip_prk_steps=True, **settings), 64)
    other = schedules.schedule_of(diffusers.DDIMScheduler(clip_sample=False, **settings), 64)
    assert (prediction, table) == (other[0], dict(other[1], solver="pndm")), (prediction, table)


def what_cannot_be_exported():
    for scheduler, says in [
            (diffusers.DDIMScheduler(), "clip_sample = True"),
            (diffusers.EulerDiscreteScheduler(use_karras_sigmas=True), "use_karras_sigmas = True"),
            (diffusers.DDPMScheduler(variance_type="learned_range"), "variance_type = 'learned_range'"),
            (diffusers.DPMSolverMultistepScheduler(solver_order=3), "solver_order = 3"),
            (diffusers.FlowMatchEulerDiscreteScheduler(use_karras_sigmas=True), "use_karras_sigmas = True"),
            (diffusers.DDPMScheduler(trained_betas=[0.1, 0.2]), "trained_betas"),
            (diffusers.PNDMScheduler(skip_prk_steps=True, prediction_type="v_prediction"), "prediction_type = 'v_prediction'"),
            (diffusers.UniPCMultistepScheduler(), "is a UniPCMultistepScheduler, expected one of")]:
        try:
            schedules.schedule_of(scheduler, 16)
        except schedules.Unsupported as refusal:
            assert says in str(refusal), (says, str(refusal))
        else:
            sys.exit(f"{scheduler} was taken")


with tempfile.TemporaryDirectory() as temporary:
    os.chdir(temporary)
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = temporary + "/inductor"
    here = pathlib.Path(temporary)
    if FORM == "torchscript":
        what_stable_diffusion_comes_with()
        what_cannot_be_exported()
        mistakes_are_told_before_anything_is_loaded(here)
        from_a_directory_to_pictures(here)
    (here / "bundles").mkdir()
    ends_where_they_do(here / "bundles")
