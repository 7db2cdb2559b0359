"""winnow-plugin.toml beside the code: whether the two agree, and the module that it names."""
import dataclasses
import importlib.machinery
import importlib.util
import operator
import pathlib
import re
import sys
import tomllib

from .verifiers import NOTE, NOTHING, Declaration

MANIFEST = "winnow-plugin.toml"
VERIFIER = "wn.verifier/1"
TYPES = {"bool": (bool,), "i64": (int,), "f64": (float, int), "str": (str,), "path": (str, pathlib.Path), "i64[]": (list,),
         "f64[]": (list,), "str[]": (list,)}
PLAIN = (bool, int, float, str, list, pathlib.Path)  # annotations that are compared
COMPARED = {"==": operator.eq, ">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}


class Disagreement(Exception):
    """Between the code and its manifest."""


@dataclasses.dataclass(frozen=True)
class Plugin:
    """One verifier of a package."""
    id: str
    declaration: Declaration
    claims: dict
    option_keys: dict[str, str]  # the manifest's key -> the parameter's name


def read_manifest(file: pathlib.Path) -> dict:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeError, tomllib.TOMLDecodeError) as error:
        raise Disagreement(f"{file}: {error}") from None


def python_variant(manifest: dict, file: str = "") -> dict:
    """The [[variant]] that is written in Python: that of `file`, or the first."""
    for variant in manifest.get("variant", []):
        if "python" in variant and "file" in variant and file in ("", variant["file"]):
            return variant
    raise Disagreement('no [[variant]] with file = "NAME.py" and python = ">=3.11"')


def check_python(need: str) -> None:
    """Whether this interpreter fulfils ">=3.11,<3.14"."""
    for part in filter(None, map(str.strip, need.split(","))):
        match = re.fullmatch(r"(==|>=|<=|>|<)\s*(\d+(?:\.\d+)*)(\.\*)?", part)
        if not match or (match[3] and match[1] != "=="):
            raise Disagreement(f'python = "{need}" cannot be read, expected like ">=3.11"')
        wanted = tuple(map(int, match[2].split(".")))
        here = sys.version_info[:len(wanted)] if match[3] else sys.version_info[:3]
        if not match[3]:
            wanted += (0,) * (3 - len(wanted))
        if not COMPARED[match[1]](here, wanted):
            found = ".".join(map(str, sys.version_info[:3]))
            raise Disagreement(f"needs Python {need}, {sys.executable} is {found}")


def load_module(package: pathlib.Path, file: str):
    """The module `file` of the package; modules beside it can be imported, files that the manifest does not name cannot."""
    path = package / file
    is_package = path.name == "__init__.py"
    name = (path.parent.name if is_package else path.stem).replace("-", "_")
    if name in sys.modules or name in sys.stdlib_module_names:
        raise Disagreement(f"{file}: there is another module called '{name}'; give it another name")
    sys.path.insert(0, str(path.parent.parent if is_package else path.parent))
    spec = importlib.util.spec_from_file_location(name, path,
                                                  submodule_search_locations=[str(path.parent)] if is_package else None)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def files_of(manifest: dict) -> list[str]:
    """That a package consists of."""
    return [table["file"] for kind in ("variant", "data") for table in manifest.get(kind, []) if "file" in table]


class OnlyNamed(importlib.machinery.PathFinder):
    """Finds no module in a package's folder that its manifest does not name, so that the hashes there speak of all its code."""
    root: pathlib.Path
    own: set[pathlib.Path]                 # files of the package
    environment: pathlib.Path | None = None  # one that lies in the folder

    @classmethod
    def find_spec(cls, fullname, path=None, target=None):
        spec = super().find_spec(fullname, path, target)
        file = pathlib.Path(spec.origin).resolve() if spec and spec.has_location else None
        in_environment = file and cls.environment and file.is_relative_to(cls.environment)
        if file and file.is_relative_to(cls.root) and not in_environment and file not in cls.own:
            name = file.relative_to(cls.root)
            raise Disagreement(f'{name} is imported, but {MANIFEST} does not name it: add\n[[data]]\nfile = "{name}"')
        return spec


def watch_imports(package: pathlib.Path, manifest: dict) -> None:
    """For the rest of this process, also for what a function imports only when it is called."""
    OnlyNamed.root, environment = package.resolve(), pathlib.Path(sys.prefix).resolve()
    OnlyNamed.own = {(package / file).resolve() for file in files_of(manifest)}
    OnlyNamed.environment = environment if environment.is_relative_to(OnlyNamed.root) else None
    sys.meta_path[:] = [OnlyNamed if finder is importlib.machinery.PathFinder else finder for finder in sys.meta_path]


def verifiers_in(module) -> list[Declaration]:
    """Each once, under however many names."""
    found = {}
    for value in vars(module).values():
        note = getattr(value, NOTE, None)
        if isinstance(note, Declaration):
            found[note.made] = note
    return list(found.values())


def plugins_of(manifest: dict, module) -> dict[str, Plugin]:
    """The manifest's plugins by id, each with its code. Throws Disagreement."""
    declared = verifiers_in(module)
    if not declared:
        raise Disagreement(f"{module.__name__} has no function or class under @verifier")
    tables = manifest.get("plugin", [])
    by_id = {note.id: note for note in declared}
    if len(by_id) < len(declared):
        raise Disagreement(f"{module.__name__} has several verifiers with one id; tell them apart by @verifier(id=\"...\")")
    if len(declared) == len(tables) == 1 and not declared[0].id:
        by_id = {tables[0].get("id"): declared[0]}
    plugins = {}
    for table in tables:
        id = table.get("id")
        if table.get("kind") != "verifier":
            raise Disagreement(f"{id} is a {table.get('kind')}; only verifiers can be written in Python")
        if more := [one for one in table.get("provides", []) if one != VERIFIER]:
            raise Disagreement(f"{id}: provides {more[0]} by the manifest; in Python there is {VERIFIER} alone")
        if id not in by_id:
            raise Disagreement(f"no verifier '{id}' in {module.__name__}, which has {', '.join(map(repr, by_id))}")
        note = by_id.pop(id)
        plugins[id] = Plugin(id, note, table.get("claims", {}), option_keys(table, note))
    if by_id:
        raise Disagreement(f"{MANIFEST} names no plugin '{next(iter(by_id))}'")
    return plugins


def option_keys(table: dict, note: Declaration) -> dict[str, str]:
    keys = {}
    for option in table.get("option", []):
        key = option.get("key", "")
        name = re.sub(r"[.-]", "_", key)
        if name not in note.options:
            raise Disagreement(f"{table['id']}: {note.made.__name__}() has no option '{name}' after '*', for the manifest's '{key}'")
        check_option(table["id"], option, note.options[name])
        keys[key] = name
    for name, option in note.options.items():
        if name not in keys.values():
            raise Disagreement(f"{table['id']}: the manifest has no [[plugin.option]] '{name}' for the one of {note.made.__name__}()")
    return keys


def check_option(id: str, table: dict, option) -> None:
    key, kind = table.get("key"), table.get("type")
    types = TYPES.get(kind, ())
    if option.annotation in PLAIN and types and option.annotation not in types:
        raise Disagreement(f"{id}: option '{key}' is {option.annotation.__name__} in the code, \"{kind}\" in the manifest")
    if option.default is NOTHING:
        return
    default = list(option.default) if isinstance(option.default, tuple) else option.default
    if isinstance(default, pathlib.Path):
        default = str(default)
    wanted = table.get("default")
    if default != wanted or isinstance(default, bool) != isinstance(wanted, bool):
        raise Disagreement(f"{id}: option '{key}' is {default!r} by default in the code, {wanted!r} in the manifest")
