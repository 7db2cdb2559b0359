"""A network is compiled by AOTInductor, and winnow.exported ends where PyTorch does.

exported_pt2_test.py BUILD SOURCE: run by CTest with the Python that has torch. The network is the smallest that has
everything: channels that mix, a time, a class, guidance; so that it compiles in seconds.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

BUILD, SOURCE = map(pathlib.Path, sys.argv[1:3])
try:
    import torch
    from torch._inductor.cpp_builder import get_cpp_compiler
    get_cpp_compiler()
except Exception as missing:  # whatever the reason, there is nothing to test with
    print(f"skipped: no torch that compiles: {missing}")
    sys.exit(77)
sys.path.insert(0, str(SOURCE / "examples/export"))
from bundle_files import save_toml, sha256  # noqa: E402
from hashed_tensors import hashed  # noqa: E402
from programs import compare, export  # noqa: E402

SHAPE, CLASSES, STEPS, SCALE = [3, 4, 4], 5, 4, 2.0


class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.mix = torch.nn.Parameter(torch.from_numpy(hashed("mix", (3, 3), 0.5)))
        self.embedding = torch.nn.Parameter(torch.from_numpy(hashed("embedding", (CLASSES + 1, 3), 0.5)))

    def forward(self, latents, time, label):
        moved = torch.einsum("oc,nchw->nohw", self.mix, latents)
        return torch.tanh(moved + 0.001 * time[:, None, None, None] + self.embedding[label][:, :, None, None])


@torch.no_grad()
def trajectory(network):
    """Euler on sigma = 1, 3/4, 1/2, 1/4, 0 with guidance."""
    x, label = torch.from_numpy(hashed("noise 0", (2, *SHAPE), 1.7)), torch.tensor([1, 4])
    for k in range(STEPS):
        sigma = 1 - k / STEPS
        time = torch.full((2,), 1000 * sigma)
        null = network(x, time, torch.full((2,), CLASSES))
        x = x - (null + SCALE * (network(x, time, label) - null)) / STEPS
    return x


@torch.no_grad()
def main(folder):
    bundle, network = folder / "tiny", Network().eval()
    bundle.mkdir()
    args = (torch.randn(2, *SHAPE), torch.tensor([100.0, 900.0]), torch.tensor([0, CLASSES]))
    name, largest = export(network, "denoiser", args, bundle, "pt2")
    compare(network, bundle / name, tuple(torch.cat([a, a[:1]]) for a in args), 1e-5)
    files = {str(p.relative_to(bundle)): sha256(p) for p in sorted(bundle.rglob("*")) if p.is_file()}
    save_toml(bundle / "bundle.toml", {
        "": dict(format=1, pipeline="test", made_with="test", torch=torch.__version__.split("+")[0],
                 cpu=torch.backends.cpu.get_cpu_capability()),
        "denoiser": dict(file=name, inputs=["latents", "time", "class"], prediction="flow", precision="fp32",
                         max_batch=largest, flops=0.0),
        "latents": dict(shape=SHAPE), "guidance": dict(kind="classifier-free", scale=SCALE),
        "condition": {"kind": "class", "classes": CLASSES, "null": CLASSES},
        "schedule": dict(kind="flow", shift=1.0, last=1 / STEPS, solver="euler", steps=STEPS), "files": files})
    x = trajectory(network)
    picture = ((x[0] + 1) / 2).clamp(0, 1).flatten()[::7]
    case = dict(solver="bundle", steps=STEPS, eta=0.0, latents=x.flatten().tolist(), picture=picture.tolist())
    (folder / "tiny.json").write_text(json.dumps(dict(prompts=["", ""], classes=[1, 4], cases=[case])))
    done = subprocess.run([BUILD / "tests/winnow_golden_exported", "winnow.exported ends where its pipelines do"],
                          env=dict(os.environ, WINNOW_TEST_BUNDLES=str(folder)), capture_output=True, text=True)
    print(done.stdout[-2000:], done.stderr[-2000:])
    assert done.returncode == 0 and "All tests passed" in done.stdout
    text = (bundle / "bundle.toml").read_text()
    assert largest >= 64, largest
    (bundle / "bundle.toml").write_text(text.replace("torch = \"", "torch = \"1."))
    done = subprocess.run([BUILD / "tests/winnow_golden_exported", "winnow.exported ends where its pipelines do"],
                          env=dict(os.environ, WINNOW_TEST_BUNDLES=str(folder)), capture_output=True, text=True)
    assert done.returncode != 0 and "compiled by torch 1." in done.stdout, done.stdout[-2000:]


with tempfile.TemporaryDirectory() as temporary:
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = temporary + "/inductor"
    (pathlib.Path(temporary) / "bundles").mkdir()
    main(pathlib.Path(temporary) / "bundles")
