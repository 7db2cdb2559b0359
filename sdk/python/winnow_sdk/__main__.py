"""python -m winnow_sdk package [PROJECT] [--out FOLDER]: makes the package build/ID of a project."""
import argparse
import pathlib
import sys

if sys.version_info < (3, 11):
    sys.exit(f"winnow_sdk needs Python 3.11 or newer, {sys.executable} is {sys.version.split()[0]}")

from .manifests import Disagreement  # noqa: E402
from .package import make_package  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m winnow_sdk")
    verbs = parser.add_subparsers(dest="verb", required=True)
    package = verbs.add_parser("package", help="check a project and make the package build/ID of it")
    package.add_argument("project", type=pathlib.Path, nargs="?", default=pathlib.Path())
    package.add_argument("--out", type=pathlib.Path)
    serve = verbs.add_parser("serve", help="what winnow calls")
    for name in ("wire", "socket", "inputs", "exchange"):
        serve.add_argument(name, type=int)
    serve.add_argument("manifest", type=pathlib.Path)
    serve.add_argument("id")
    serve.add_argument("lacking")
    arguments = parser.parse_args()
    if arguments.verb == "serve":
        from .server import Server

        Server(arguments).serve()
        return
    try:
        print(make_package(arguments.project, arguments.out))
    except Disagreement as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
