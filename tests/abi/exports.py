# exports.py FOLDER: every library below FOLDER exports wn_plugin_negotiate_v1 and nothing else.
import pathlib
import subprocess
import sys

libraries = sorted(pathlib.Path(sys.argv[1]).glob("*/*.so"))
wrong = []
for library in libraries:
    lines = subprocess.run(["nm", "-D", "--defined-only", library], check=True, capture_output=True, text=True).stdout
    symbols = [line.split()[-1] for line in lines.splitlines()]
    if symbols != ["wn_plugin_negotiate_v1"]:
        wrong.append(f"{library.name} exports {len(symbols)} symbols: {' '.join(symbols[:5])}")
print("\n".join(wrong) or f"{len(libraries)} libraries, one symbol each")
sys.exit(bool(wrong) or not libraries)
