"""Makes a package, a folder that winnow takes, of the code and the manifest in a project's folder."""
import hashlib
import pathlib
import shutil
import tomllib

from .manifests import (MANIFEST, Disagreement, check_python, files_of, load_module, plugins_of, python_variant, read_manifest,
                        watch_imports)

DOCUMENTS = ("README", "LICENSE", "LICENCE", "COPYING", "NOTICE", "CHANGELOG", "CITATION")


def make_package(project: pathlib.Path, out: pathlib.Path | None) -> pathlib.Path:
    """Checks that code and manifest agree, then writes the manifest, with sha256 and size, and the files that it names."""
    manifest = read_manifest(project / MANIFEST)
    try:
        id = manifest["package"]["id"]
    except (KeyError, TypeError):
        raise Disagreement(f"{project / MANIFEST}: [package] has no id") from None
    variant = python_variant(manifest)
    check_python(variant["python"])
    check_inside(manifest)
    watch_imports(project.resolve(), manifest)
    plugins_of(manifest, load_module(project.resolve(), variant["file"]))
    text = filled((project / MANIFEST).read_text(encoding="utf-8"), project)
    folder = out or project / "build" / id
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    documents = [path.name for path in project.iterdir() if path.is_file() and path.name.startswith(DOCUMENTS)]
    for name in files_of(manifest) + documents:
        (part / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(project / name, part / name)
    (part / MANIFEST).write_text(text, encoding="utf-8")
    if folder.exists():
        if not (folder / MANIFEST).exists():
            raise Disagreement(f"{folder} is there and is no package; name another place with --out")
        shutil.rmtree(folder)
    part.rename(folder)
    return folder


def check_inside(manifest: dict) -> None:
    for file in files_of(manifest):
        if file.startswith("/") or ".." in pathlib.PurePath(file).parts:
            raise Disagreement(f"{MANIFEST}: file = \"{file}\" lies outside the project")


def filled(text: str, project: pathlib.Path) -> str:
    """The manifest with sha256 and size below each 'file'; all else as it is."""
    lines, table = [], ""
    for line in text.splitlines():
        lines.append(line)
        word = line.strip()
        if word.startswith("["):
            table = word.split("]]")[0].strip("[] ") if word.startswith("[[") else ""
        elif table in ("variant", "data") and word.startswith(("sha256", "size")):
            raise Disagreement(f"{MANIFEST}: 'sha256' and 'size' of [[{table}]] are filled in here, remove them")
        elif table in ("variant", "data") and word.partition("=")[0].strip() == "file":
            file = project / tomllib.loads(word)["file"]
            if not file.is_file():
                raise Disagreement(f"{MANIFEST}: no file '{file}'")
            data = file.read_bytes()
            lines.append(f'sha256 = "{hashlib.sha256(data).hexdigest()}"')
            if table == "variant":
                lines.append(f"size = {len(data)}")
    made = "\n".join(lines) + "\n"
    for kind in ("variant", "data"):
        for one in tomllib.loads(made).get(kind, []):
            if "sha256" not in one:
                raise Disagreement(f"{MANIFEST}: write 'file' on a line of its own in [[{kind}]]")
    return made
