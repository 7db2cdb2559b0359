# winnow_manifest.py: what winnow_add_plugin() does with a winnow-plugin.toml.
#   header MANIFEST OUT             C header with the manifest and each plugin's options as strings
#   finish MANIFEST OUT --library F the manifest with the [[variant]] of the linked library
import argparse
import hashlib
import json
import pathlib
import platform
import re
import sys
import tomllib


def fail(manifest: pathlib.Path, message: str):
    sys.exit(f"{manifest}: {message}")


def load(manifest: pathlib.Path) -> tuple[str, dict]:
    text = manifest.read_text(encoding="utf-8")
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        fail(manifest, str(error))
    if not table.get("plugin"):
        fail(manifest, "no [[plugin]] table")
    for plugin in table["plugin"]:
        if not isinstance(plugin.get("id"), str):
            fail(manifest, "a [[plugin]] has no id")
    if "version" not in table.get("package", {}):
        fail(manifest, "[package] has no version")
    if "variant" in table:
        fail(manifest, "[[variant]] is written by winnow_add_plugin(), remove it")
    return text, table


def to_toml(value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list):
        return "[" + ", ".join(map(to_toml, value)) + "]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{to_toml(k)} = {to_toml(v)}" for k, v in value.items()) + " }"
    return repr(value)


def option_tables(plugin: dict) -> str:
    text = ""
    for option in plugin.get("option", []):
        text += "[[plugin.option]]\n"
        text += "".join(f"{key} = {to_toml(value)}\n" for key, value in option.items())
    return text


def c_string(text: str) -> str:
    named = {ord("\n"): "\\n", ord('"'): '\\"', ord("\\"): "\\\\", ord("?"): "\\?"}

    def escape(byte: int) -> str:
        return named.get(byte) or (chr(byte) if 32 <= byte < 127 else f"\\{byte:03o}")

    lines = text.splitlines(keepends=True) or [""]
    return " \\\n".join(f'  "{"".join(map(escape, line.encode()))}"' for line in lines)


def header(arguments) -> None:
    text, table = load(arguments.manifest)
    version = to_toml(table["package"]["version"])
    lines = [
        f"/* winnow_manifest.h: generated from {arguments.manifest.name}. */",
        "#ifndef WINNOW_MANIFEST_H",
        "#define WINNOW_MANIFEST_H",
        "#pragma GCC system_header /* long string literals are meant */",
        f"#define WINNOW_MANIFEST_TOML \\\n{c_string(text)}",
        f"#define WINNOW_PACKAGE_VERSION {version}",
    ]
    for plugin in table["plugin"]:
        name = re.sub(r"[^A-Z0-9]", "_", plugin["id"].upper())
        options = option_tables(plugin)
        lines.append(f"#define WINNOW_VERSION_{name} {version}")
        lines.append(f"#define WINNOW_OPTIONS_{name} \\\n" + (c_string(options) if options else "  ((const char*)0)"))
    if len(table["plugin"]) == 1:  # for score.h
        lines.append(f"#define WINNOW_PLUGIN_ID {to_toml(table['plugin'][0]['id'])}")
        lines.append(f"#define WINNOW_PLUGIN_N_OPTIONS {len(table['plugin'][0].get('option', []))}")
    lines.append("#endif")
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


def finish(arguments) -> None:
    text, _ = load(arguments.manifest)
    library = arguments.library.read_bytes()
    variant = {
        "file": arguments.library.name,
        "sha256": hashlib.sha256(library).hexdigest(),
        "size": len(library),
        "os": arguments.os,
        "arch": arguments.arch,
    }
    if arguments.libtorch:
        major, minor = arguments.libtorch.split(".")[:2]
        variant["libtorch"] = {"link": "host", "version": f"=={major}.{minor}.*"}
    lines = "".join(f"{key} = {to_toml(value)}\n" for key, value in variant.items())
    part = arguments.out.with_suffix(".part")
    part.write_text(f"{text.rstrip()}\n\n[[variant]]\n{lines}", encoding="utf-8")
    part.replace(arguments.out)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("verb", choices=["header", "finish"])
    parser.add_argument("manifest", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--library", type=pathlib.Path)
    parser.add_argument("--os", default=platform.system().lower())
    parser.add_argument("--arch", default=platform.machine())
    parser.add_argument("--libtorch", default="")
    arguments = parser.parse_args()
    {"header": header, "finish": finish}[arguments.verb](arguments)


if __name__ == "__main__":
    main()
