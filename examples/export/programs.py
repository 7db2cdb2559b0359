"""Exports torch modules as programs that C++ loads: AOTInductor packages (.pt2) or TorchScript (.pt)."""
import pathlib
import shutil
import sys
import zipfile

import torch

LARGEST_BATCH = 256
# As many threads as there are at run time, and weights that are constants, so that they are laid out for the CPU beforehand.
COMPILE = {"cpp.dynamic_threads": True, "freezing": True}


def export_script(module, name, args, out):
    traced = out / f"{name}.traced.pt"
    torch.jit.trace(module, args, check_trace=False).save(traced)
    with zipfile.ZipFile(traced) as source, zipfile.ZipFile(out / f"{name}.pt", "w") as sink:
        for member in source.infolist():
            if not member.filename.endswith(".debug_pkl"):  # most of a small file, and of no use here
                sink.writestr(member.filename, source.read(member))
    traced.unlink()


def export(module, name, args, out, form, largest=LARGEST_BATCH):
    """Writes the module; returns its file's name and the largest batch that it takes. largest = 1: that of `args`, always."""
    work = "traced" if form == "torchscript" else "compiled, which takes minutes where it is large"
    print(f"{name}: is being {work}", flush=True)
    if form == "torchscript":
        export_script(module, name, args, out)
        return f"{name}.pt", largest
    batch = tuple({0: torch.export.Dim.AUTO} for _ in args) if largest > 1 else None
    program = torch.export.export(module, args, dynamic_shapes=batch)
    packed = out / f"{name}.zip.pt2"
    torch._inductor.aoti_compile_and_package(program, package_path=str(packed), inductor_configs=COMPILE)
    # Unpacked, so that it need not be at every start.
    with zipfile.ZipFile(packed) as archive:
        members = [m for m in archive.namelist() if not m.endswith("/")]
        root = members[0].split("/")[0]
        folder = out / f"{name}.pt2"
        for member in members:
            target = folder / pathlib.PurePosixPath(member).relative_to(root)
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(member) as source, open(target, "wb") as sink:
                shutil.copyfileobj(source, sink)
    packed.unlink()
    tops = [int(r.upper) for r in program.range_constraints.values() if r.upper < 2**31]
    return f"{name}.pt2", min([largest, *tops])


def load(path):
    if path.suffix == ".pt":
        return torch.jit.load(path)
    return torch._inductor.aoti_load_package(str(path))


def worst_of(expected, found):
    """The largest difference as a share of the root mean square."""
    expected, found = expected.float(), found.float()
    return ((found - expected).abs().max() / expected.square().mean().sqrt()).item()


def refuse_unless_close(name, worst, tolerance, of):
    print(f"{name}: differs from the pipeline's by {worst:.1e} of the root mean square, {of}")
    if not worst < tolerance:
        sys.exit(f"that is more than {tolerance}; the bundle is not written")


def compare(module, path, args, tolerance):
    refuse_unless_close(path.name, worst_of(module(*args), load(path)(*args)), tolerance, f"batch {len(args[0])}")
