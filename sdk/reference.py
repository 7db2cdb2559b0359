"""docs/sdk-reference.md, made from winnow.h: reference.py HEADER > PAGE. With `HEADER PAGE` it compares instead.

What it reads: section comments (/* ---- name ---- text */), #defines, typedefs, structs and inline functions. A comment on
the line where a thing ends, or inside of it, is that thing's; one on lines of its own belongs to the thing below.
"""
import dataclasses
import difflib
import pathlib
import re
import sys

COMMENT = re.compile(r"/\*.*?\*/", re.S)
SECTION = re.compile(r"---- (.*?) ----+(.*)", re.S)
MACRO = re.compile(r"#define\s+(\w+)(\([^)]*\))?\s*(.*)", re.S)
# How the header is made, not what it says.
HIDDEN = {"WINNOW_H", "WN_EXPORT", "WN_CALL"}


@dataclasses.dataclass
class Item:
    kind: str  # section, text, constant, type, struct, function
    name: str = ""
    code: str = ""  # C without comments, on one line
    comment: str = ""
    members: list["Item"] = dataclasses.field(default_factory=list)


def text_of(comment: str) -> str:
    """A comment's words; paragraphs stay apart."""
    lines = [re.sub(r"^\s*\*? ?", "", line).rstrip(" \\") for line in comment[2:-2].splitlines()]
    paragraphs = re.split(r"\n\s*\n", "\n".join(lines))
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs).strip()


def one_line(code: str) -> str:
    code = " ".join(COMMENT.sub(" ", code).replace("WN_CALL", "").split())
    code = re.sub(r"\s*\*\s*", "*", code)
    code = re.sub(r"\*(?=[^*),\s])", "* ", code)  # const char* name
    return re.sub(r"\s*\(\s*(\* )?", lambda found: " (*" if found[1] else "(", code)


def end_of(text: str, start: int, brackets: str, stop: str) -> int:
    """Just behind the first `stop` that no pair of `brackets` and no comment encloses."""
    depth, at = 0, start
    while True:
        comment = COMMENT.match(text, at)
        if comment:
            at = comment.end()
            continue
        depth += (text[at] == brackets[0]) - (text[at] == brackets[1])
        at += 1
        if text[at - 1] == stop and depth == 0:
            return at


def logical_line(text: str, start: int) -> int:
    """Behind a preprocessor line, with what it is continued by."""
    at = start
    while text[at] != "\n":
        comment = COMMENT.match(text, at)
        at = comment.end() if comment else at + 2 if text[at] == "\\" else at + 1
    return at


def join(*parts: str) -> str:
    return "\n\n".join(part for part in parts if part)


def macro(line: str) -> Item | None:
    comment = join(*map(text_of, COMMENT.findall(line)))
    found = MACRO.match(COMMENT.sub("", line).replace("\\\n", " "))
    if not found or found[1] in HIDDEN:
        return None
    return Item("constant", found[1] + (found[2] or ""), " ".join(found[3].split()), comment)


def declaration(text: str) -> Item:
    comment = join(*map(text_of, COMMENT.findall(text)))
    code = one_line(text).rstrip("; ")
    pointer = re.search(r"\(\*(\w+)\)\(", code)
    name = pointer[1] if pointer else re.sub(r"\[.*?\]", "", code).split()[-1].lstrip("*")
    return Item("function" if pointer else "type", name, code, comment)


def struct(text: str) -> Item:
    start = text.index("{") + 1
    name = re.search(r"struct (\w+)", text)[1]
    members = parse(text[start:text.rindex("}")])
    comment = members.pop(0).comment if members and members[0].kind == "text" else ""
    return Item("struct", name, "", comment, members)


def parse(text: str) -> list[Item]:
    items: list[Item] = []
    pending, at, fresh_line = "", 0, False
    while at < len(text):
        if text[at].isspace():
            fresh_line |= text[at] == "\n"
            at += 1
            continue
        if comment := COMMENT.match(text, at):
            at, words = comment.end(), text_of(comment[0])
            if section := SECTION.match(words):
                items.append(Item("section", section[1], comment=section[2].strip(" -")))
            elif items and not fresh_line and items[-1].kind not in ("section", "text"):
                items[-1].comment = join(items[-1].comment, words)
            elif not items and not fresh_line:
                items.append(Item("text", comment=words))
            else:
                pending = join(pending, words)
            continue
        if text[at] == "#":
            end = logical_line(text, at)
            item = macro(text[at:end])
        elif text.startswith("extern", at) or text[at] == "}":
            end, item = end_of(text, at, "()", "{" if text[at] == "e" else "}"), None
        elif re.match(r"(typedef )?struct \w+ \{", text[at:]):
            end = end_of(text, at, "{}", ";")
            item = struct(text[at:end])
        elif text.startswith("static inline", at):
            head, end = end_of(text, at, "()", ")"), end_of(text, at, "{}", "}")
            item = Item("function", re.search(r"(\w+)\(", text[at:head])[1], one_line(text[at:head]))
        else:
            end = end_of(text, at, "()", ";")
            item = declaration(text[at:end])
        at, fresh_line = end, False
        if item and (opaque := re.fullmatch(r"typedef struct (\w+) \1", item.code)) and f"struct {opaque[1]} {{" in text:
            pending, item = join(pending, item.comment), None  # its definition follows
        if item and pending:
            if item.kind == "constant":
                items.append(Item("text", comment=pending))
            else:
                item.comment = join(pending, item.comment)
            pending = ""
        if item:
            items.append(item)
    return items


def escaped(words: str) -> str:
    return re.sub(r"([*<])", r"\\\1", words)


def bullet(item: Item, code: str) -> str:
    words = escaped(item.comment).replace("\n\n", " ")
    return f"- `{code}`" + (f": {words}" if words else "") + "\n"


def signature(item: Item) -> str:
    return re.sub(r"\(\*(\w+)\)\(", r"\1(", item.code, count=1) if item.kind == "function" else item.code


def page(items: list[Item]) -> str:
    out, in_list = "", False
    for item in items:
        if in_list and item.kind not in ("constant", "type"):
            out += "\n"
        in_list = item.kind in ("constant", "type")
        if item.kind == "section":
            out += f"## {item.name[0].upper()}{item.name[1:]}\n\n" + (escaped(item.comment) + "\n\n" if item.comment else "")
        elif item.kind == "text":
            words = re.sub(r"^ ?R1 | (R\d )", lambda rule: f"\n- {rule[1] or 'R1 '}", escaped(item.comment), flags=re.M)
            out += words + "\n\n"
        elif item.kind == "constant":
            out += bullet(item, f"{item.name} = {item.code}" if item.code else item.name)
        elif item.kind == "type":
            out += bullet(item, item.code)
        elif item.kind == "function":
            out += f"### `{item.name}`\n\n`{item.code}`\n\n" + (escaped(item.comment) + "\n\n" if item.comment else "")
        else:
            out += f"### `{item.name}`\n\n" + (escaped(item.comment) + "\n\n" if item.comment else "")
            out += "".join(bullet(member, signature(member)) for member in item.members) + "\n"
    return out.rstrip() + "\n"


TITLE = """\
# SDK reference

The C ABI, `sdk/include/winnow/winnow.h`, as it says itself: this page is made from it by `sdk/reference.py`, and a test
compares the two. C++ authors read the head comments of `sampler.hpp`, `verifier.hpp` and `search.hpp` beside it. What may
change and what may not: [abi-policy.md](abi-policy.md).

"""

def main() -> None:
    made = TITLE + page(parse(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8")))
    if len(sys.argv) == 2:
        sys.stdout.write(made)
        return
    kept = pathlib.Path(sys.argv[2]).read_text(encoding="utf-8")
    sys.stdout.writelines(difflib.unified_diff(kept.splitlines(True), made.splitlines(True), sys.argv[2], "winnow.h"))
    if kept != made:
        sys.exit(f"{sys.argv[2]} is out of date: python3 {sys.argv[0]} {sys.argv[1]} > {sys.argv[2]}")


if __name__ == "__main__":
    main()
