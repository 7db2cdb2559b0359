"""python -m winnow_sdk package [PROJECT] [--out FOLDER]: makes the package build/ID of a project."""
import argparse
import pathlib
import sys

from . import __version__, wire
from .manifests import Disagreement
from .package import make_package
from .verifiers import text_of


def serve(words: list[str]) -> None:
    """What winnow calls. The first word is its wire; what else it says, and how it wants to be answered, may be another's."""
    if words[:1] != [str(wire.WIRE)]:
        sys.exit(f"winnow_sdk {__version__} in {pathlib.Path(__file__).parent} speaks wire {wire.WIRE}, this winnow speaks wire "
                 f"{words[0] if words else 'unknown'}: they come from different versions")
    from .server import Server

    socket, inputs, exchange, manifest, file, id, lacking = words[1:]
    Server(int(socket), int(inputs), int(exchange), lacking).serve(pathlib.Path(manifest), file, id)


def main() -> None:
    if sys.argv[1:2] == ["serve"]:
        serve(sys.argv[2:])
        return
    parser = argparse.ArgumentParser(prog="python -m winnow_sdk")
    verbs = parser.add_subparsers(dest="verb", required=True)
    package = verbs.add_parser("package", help="check a project and make the package build/ID of it")
    package.add_argument("project", type=pathlib.Path, nargs="?", default=pathlib.Path())
    package.add_argument("--out", type=pathlib.Path)
    arguments = parser.parse_args()
    try:
        print(make_package(arguments.project, arguments.out))
    except Disagreement as error:
        sys.exit(str(error))
    except Exception as error:  # of the project's own code, or of its files
        sys.exit(text_of(error))


if __name__ == "__main__":
    main()
