"""Does what a Markdown page says, word for word: page_test.py [--needs PROGRAM] [--wheels DIR] BUILD PAGE
or what the README of a new project says:        page_test.py [--needs PROGRAM] [--wheels DIR] BUILD --new KIND LANGUAGE

The ```sh blocks of PAGE run in one shell, one after the other; a ```text block behind one is what that must print, where `...`
stands for anything, alone on a line for any lines, and spaces count once. A README.md runs in a copy of its folder, any other page in an empty
folder in which `build` is BUILD. Of winnow there is the program on the PATH and what `cmake --install --component sdk` gives,
in $WINNOW_SDK; pip takes packages from DIR, which `./dev setup` fills, and from nowhere else. Exits with 77, which CTest shows as
skipped, when PROGRAM or DIR is not there.
"""
import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys

END = "-- end of a block --"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)


def install_sdk(build: pathlib.Path, prefix: pathlib.Path) -> None:
    subprocess.run(["cmake", "--install", build, "--component", "sdk", "--prefix", prefix], check=True,
                   stdout=subprocess.DEVNULL)


def environment(build: pathlib.Path, work: pathlib.Path) -> dict[str, str]:
    """What a stranger has: winnow, an SDK, compilers, and a home without plugins of their own."""
    kept = {name: value for name, value in os.environ.items()
            if not name.startswith(("WN_", "XDG_", "CMAKE_", "CTEST_", "PIP_", "PYTHON"))}
    own = {"HOME": str(work), "WINNOW_SDK": str(work / "sdk"), "PATH": f"{build}/bin:{os.environ['PATH']}",
           "CMAKE_GENERATOR": "Ninja", "LC_ALL": "C.UTF-8",
           "RUSTUP_HOME": os.environ.get("RUSTUP_HOME", os.path.expanduser("~/.rustup"))}
    if shutil.which("ccache"):
        own |= {"CMAKE_CXX_COMPILER_LAUNCHER": "ccache", "CCACHE_DIR": ccache_folder()}
    return kept | own


def ccache_folder() -> str:
    asked = subprocess.run(["ccache", "--get-config", "cache_dir"], capture_output=True, text=True)
    return asked.stdout.strip()


def blocks_of(page: str) -> list[tuple[str, str | None]]:
    """Commands, each with what they must print; None: that is not said."""
    found = [match.groups() for match in BLOCK.finditer(page)]
    behind = found[1:] + [("", "")]
    return [(text, after if kind == "text" else None)
            for (language, text), (kind, after) in zip(found, behind) if language == "sh"]


def pattern_of(expected: str) -> re.Pattern:
    lines = [r"(?:.*\n)*?" if line.strip() == "..." else
             re.escape(" ".join(line.split())).replace(r"\.\.\.", ".*") + r"\n" for line in expected.splitlines()]
    return re.compile("".join(lines))


def run_page(text: str, folder: pathlib.Path, variables: dict[str, str]) -> list[str]:
    """Runs the page in `folder`; what is wrong with it, in words."""
    blocks = blocks_of(text)
    if not blocks:
        return ["the page has no ```sh block"]
    script = "set -eu\n" + "".join(f"{commands}\necho '{END}'\n" for commands, _ in blocks)
    done = subprocess.run(["bash", "-c", script], cwd=folder, env=variables, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, text=True)
    print(done.stdout)
    if done.returncode:
        return [f"the commands ended with exit code {done.returncode}"]
    mistakes = []
    for (commands, expected), printed in zip(blocks, done.stdout.split(END + "\n")):
        plain = "".join(" ".join(line.split()) + "\n" for line in printed.splitlines())
        if expected is not None and not pattern_of(expected).fullmatch(plain):
            mistakes.append(f"these commands\n{commands}should print\n{expected}and printed\n{printed}")
    return mistakes


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--needs")
    parser.add_argument("--wheels", type=pathlib.Path)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("page", type=pathlib.Path, nargs="?")
    parser.add_argument("--new", nargs=2, metavar=("KIND", "LANGUAGE"))
    arguments = parser.parse_intermixed_args()
    if arguments.needs and not shutil.which(arguments.needs):
        print(f"skipped: there is no {arguments.needs} on the PATH")
        sys.exit(77)
    if arguments.wheels and not (arguments.wheels / "requirements.txt").exists():
        print(f"skipped: there are no packages of Python in {arguments.wheels}; ./dev setup fetches them")
        sys.exit(77)
    name = "-".join(["new", *arguments.new]) if arguments.new else arguments.page.parent.name
    if not arguments.new and arguments.page.name != "README.md":
        name = arguments.page.stem
    work = arguments.build / "tests/examples" / name
    shutil.rmtree(work, ignore_errors=True)
    variables = environment(arguments.build, work)
    if arguments.wheels:
        variables |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(arguments.wheels), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    install_sdk(arguments.build, work / "sdk")
    folder = work / name
    if arguments.new:
        kind, language = arguments.new
        subprocess.run(["winnow", "plugins", "new", kind, f"my-{kind}", "--lang", language, "--out", folder],
                       check=True, env=variables)
    elif arguments.page.name == "README.md":
        shutil.copytree(arguments.page.parent, folder, ignore=shutil.ignore_patterns("build", "target", ".venv", "__pycache__"))
    else:
        folder.mkdir()
        (folder / "build").symlink_to(arguments.build)
    page = folder / "README.md" if arguments.new else arguments.page
    mistakes = run_page(page.read_text(), folder, variables)
    sys.exit("\n".join(mistakes) or 0)


if __name__ == "__main__":
    main()
