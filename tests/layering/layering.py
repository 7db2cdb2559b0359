# layering.py ROOT: includes point one way: std <- winnow.h <- winnow.hpp <- plugins; winnow.h <- host.
import os
import pathlib
import re
import sys

# Folder -> where the project's own files that it includes may lie; the first folder that fits counts.
ALLOWED = {
    "sdk": ("sdk/",),
    "host": ("host/", "sdk/include/winnow/winnow.h"),
    "plugins": ("plugins/", "sdk/include/"),
    "examples/training": ("examples/training/", "plugins/", "sdk/include/"),
    "examples": ("examples/", "sdk/include/"),
}
ROOTS = ("", "sdk/include/", "plugins/")  # what the build puts on include paths
TORCH = re.compile(r"(ATen|torch|c10)/")  # of all shared headers only winnow_torch.hpp may name it
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', re.M)


def own_file(path: pathlib.Path, target: str, root: pathlib.Path) -> str | None:
    for place in (path.parent / target, *(root / prefix / target for prefix in ROOTS)):
        if place.is_file():
            return pathlib.Path(os.path.normpath(place)).relative_to(root).as_posix()
    return None


def mistakes_in(path: pathlib.Path, root: pathlib.Path):
    name = path.relative_to(root).as_posix()
    layer = next(layer for layer in ALLOWED if name.startswith(layer + "/"))
    for target in INCLUDE.findall(path.read_text(encoding="utf-8")):
        own = own_file(path, target, root)
        if own and not own.startswith(ALLOWED[layer]):
            yield f"{name}: includes {own}; {layer} may include {' and '.join(ALLOWED[layer])} only"
        if target == "torch/torch.h":
            yield f"{name}: <torch/torch.h> costs 25 s a file; include what is used of ATen"
        if TORCH.match(target) and layer in ("sdk", "host") and path.name != "winnow_torch.hpp":
            yield f"{name}: includes {target}; only plugins use LibTorch"


def main() -> None:
    root = pathlib.Path(sys.argv[1]).resolve()
    files = [path for layer in ("sdk", "host", "plugins", "examples") for path in (root / layer).rglob("*")
             if path.suffix in (".h", ".hpp", ".c", ".cpp")]
    mistakes = [mistake for path in sorted(files) for mistake in mistakes_in(path, root)]
    print("\n".join(mistakes) or f"{len(files)} files: all includes point the right way")
    sys.exit(bool(mistakes) or not files)


if __name__ == "__main__":
    main()
