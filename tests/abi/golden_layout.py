"""The header's layout as it was released, minor by minor, under the eyes of abidiff.

  golden_layout.py check           today's header, seen with WN_TARGET_MINOR=n, equals what minor n was released with
  golden_layout.py record N        writes the golden files of minor N: once, when it is released

sdk/abi/minor-N.abi is what abidw reads from a probe: a library with one function for each struct of the header, since
through a plugin's own symbol no tool sees anything. sdk/abi/minor-N.txt holds the constants. No suppressions: those that
permit fields at the end hide changed functions.
"""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

SDK = pathlib.Path(__file__).resolve().parents[2] / "sdk"
HEADER = SDK / "include/winnow/winnow.h"
GOLDEN = SDK / "abi"
STRUCT = re.compile(r"^(?:typedef )?struct (wn_\w+) \{", re.M)
# What this build is, and how functions are exported, is not what crosses the boundary.
NOT_ABI = {"WN_ABI_MINOR", "WN_TARGET_MINOR", "WN_SDK_VERSION", "WN_EXPORT", "WN_CALL"}


def run(*words: object) -> str:
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, words))}\n{done.stdout}{done.stderr}")
    return done.stdout


def newest_minor(header: pathlib.Path) -> int:
    return int(re.search(r"^#define WN_ABI_MINOR (\d+)", header.read_text(), re.M)[1])


def build_probe(header: pathlib.Path, minor: int, folder: pathlib.Path) -> pathlib.Path:
    target = f"-DWN_TARGET_MINOR={minor}"
    structs = STRUCT.findall(run("cc", "-std=c99", "-E", "-P", target, header))
    source, library = folder / "probe.c", folder / "probe.so"
    functions = [f"WN_EXPORT void probe_{name}(const {name}* p); void probe_{name}(const {name}* p) {{ (void)p; }}"
                 for name in structs]
    entry = "WN_EXPORT void probe_entry(wn_negotiate_fn f); void probe_entry(wn_negotiate_fn f) { (void)f; }"
    source.write_text("\n".join([f'#include "{header}"', entry, *functions, ""]))
    run("cc", "-std=c99", "-g", "-O0", "-fPIC", "-shared", target, "-Wall", "-Wextra", "-Wpedantic", "-Wpadded", "-Werror",
        source, "-o", library)
    return library


def constants(header: pathlib.Path, minor: int) -> str:
    defines = re.findall(r"^#define (WN_\w+) (.+)$", run("cc", "-E", "-dM", f"-DWN_TARGET_MINOR={minor}", header), re.M)
    return "".join(f"{name} {value}\n" for name, value in sorted(defines) if name not in NOT_ABI)


def record(minor: int, header: pathlib.Path = HEADER, golden: pathlib.Path = GOLDEN) -> None:
    with tempfile.TemporaryDirectory() as folder:
        probe = build_probe(header, minor, pathlib.Path(folder))
        run("abidw", "--no-corpus-path", "--no-comp-dir-path", "--no-architecture", "--no-show-locs", "--out-file",
            golden / f"minor-{minor}.abi", probe)
    (golden / f"minor-{minor}.txt").write_text(constants(header, minor))


def changes(minor: int, header: pathlib.Path = HEADER, golden: pathlib.Path = GOLDEN) -> str:
    """What differs from the released minor; empty: nothing."""
    kept = golden / f"minor-{minor}.abi"
    if not kept.exists():
        return f"minor {minor} has no golden layout: golden_layout.py record {minor}\n"
    with tempfile.TemporaryDirectory() as folder:
        probe = build_probe(header, minor, pathlib.Path(folder))
        # --harmless: what abidiff calls so are renamed, and thereby swapped, members.
        done = subprocess.run(["abidiff", "--harmless", "--no-architecture", "--no-corpus-path", kept, probe],
                              capture_output=True, text=True)
        difference = done.stdout + done.stderr if done.returncode else ""
    then = set((golden / f"minor-{minor}.txt").read_text().splitlines())
    now = set(constants(header, minor).splitlines())
    difference += "".join(f"constant released, not in this header: {line}\n" for line in sorted(then - now))
    difference += "".join(f"constant not released with minor {minor}: {line}\n" for line in sorted(now - then))
    return difference


def check() -> None:
    wrong = ""
    for minor in range(newest_minor(HEADER) + 1):
        difference = changes(minor)
        print(f"minor {minor}: {'CHANGED' if difference else 'as released'}")
        wrong += difference
    sys.exit(wrong or 0)


if __name__ == "__main__":
    for tool in ("abidw", "abidiff"):
        if not shutil.which(tool):
            sys.exit(f"{tool} is missing: apt-get install abigail-tools")
    if sys.argv[1:2] == ["record"]:
        record(int(sys.argv[2]))
    else:
        check()
