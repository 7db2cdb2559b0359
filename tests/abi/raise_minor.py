"""A copy of winnow.h as the next minor would be: raise_minor.py IN OUT.

It has one field more at the end of wn_verifier_batch (told by the host) and of wn_verifier_info (told by the plugin), and
one interface more. Tests alone use it.
"""
import pathlib
import re
import sys

INTERFACE = """\
#if WN_AT_LEAST({minor})
#define WN_HOST_ECHO_1 "wn.host.echo/1"
typedef struct wn_host_echo_1 {{
  int64_t(WN_CALL* echo)(const wn_host*, int64_t);
}} wn_host_echo_1;
#endif

/* ---- flags of the three kinds"""


def replaced(text: str, old: str, new: str) -> str:
    if text.count(old) != 1:
        sys.exit(f"winnow.h has '{old}' {text.count(old)} times, expected once: adapt raise_minor.py")
    return text.replace(old, new)


def raised(text: str) -> str:
    old = re.search(r"^#define WN_ABI_MINOR (\d+)", text, re.M)
    minor = int(old[1]) + 1
    text = replaced(text, old[0], f"#define WN_ABI_MINOR {minor}")
    for struct, field in (("wn_verifier_batch", "double weight;"), ("wn_verifier_info", "double spread;")):
        text = replaced(text, f"}} {struct};", f"#if WN_AT_LEAST({minor})\n  {field}\n#endif\n}} {struct};")
    return replaced(text, "/* ---- flags of the three kinds", INTERFACE.format(minor=minor))


if __name__ == "__main__":
    out = pathlib.Path(sys.argv[2])
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(raised(pathlib.Path(sys.argv[1]).read_text()))
