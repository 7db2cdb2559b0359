"""winnow.h keeps the rules that stand at its top, as far as reading can tell: header_rules_test.py HEADER."""
import pathlib
import re
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "sdk"))
import reference

HEADER = pathlib.Path(sys.argv.pop(1))
TAGS = ("[load]", "[any-thread]", "[instance]", "[call]")
PLAIN = {"void", "char", "float", "double", "const", "struct",
         *(f"{sign}int{bits}_t" for sign in ("", "u") for bits in (8, 16, 32, 64))}


class HeaderRules(unittest.TestCase):
    def setUp(self):
        items = reference.parse(HEADER.read_text(encoding="utf-8"))
        self.structs, self.about, section = {}, {}, ""
        for item in items:
            if item.kind == "section":
                section = item.comment
            elif item.kind == "struct":
                self.structs[item.name] = item
                self.about[item.name] = f"{item.comment} {section}"
                section = ""
        self.constants = {item.name: item.code for item in items if item.kind == "constant"}
        self.assertGreater(len(self.structs), 30)

    def slots(self):
        for struct in self.structs.values():
            for member in struct.members:
                if member.kind == "function":
                    yield struct, member

    def is_table(self, struct):
        return re.search(r"_\d+$", struct.name) and struct.name != "wn_plugin_1"

    def is_growable(self, name):
        return self.structs[name].members[0].code == "uint32_t struct_size"

    def test_r1_only_plain_c_crosses(self):
        for struct in self.structs.values():
            for member in struct.members:
                with self.subTest(f"{struct.name}.{member.name}"):
                    self.assertNotRegex(member.code, r"\.\.\.|:|\bbool\b|\benum\b|\bunion\b|\blong\b|\bsize_t\b|\bint\b|&")
                    first = re.match(r"(?:const |struct )*(\w+)", member.code)[1]
                    self.assertTrue(first in PLAIN or first.startswith("wn_"), member.code)
        for struct, slot in self.slots():
            with self.subTest(f"{struct.name}.{slot.name} returns no struct"):
                returned = slot.code[:slot.code.index("(")].strip()
                self.assertTrue(returned.endswith("*") or returned not in self.structs, slot.code)

    def test_r2_each_table_is_named_by_an_id_with_its_revision(self):
        for struct in filter(self.is_table, self.structs.values()):
            with self.subTest(struct.name):
                kind, revision = re.fullmatch(r"wn_(\w+)_(\d+)", struct.name).groups()
                self.assertEqual(self.constants[struct.name.upper()], f'"wn.{kind.replace("_", ".")}/{revision}"')
                self.assertEqual({member.kind for member in struct.members}, {"function"})

    def test_r3_growable_structs_begin_with_their_size_and_are_never_embedded(self):
        for name, struct in self.structs.items():
            with self.subTest(name):
                self.assertEqual(self.is_growable(name), "GROWABLE" in self.about[name])
                if not self.is_growable(name) and not self.is_table(struct):
                    self.assertTrue("FROZEN" in self.about[name] or name in ("wn_device", "wn_tensor"))
                for member in struct.members:
                    if member.kind == "type" and "*" not in member.code:
                        kind = member.code.split()[0]
                        self.assertFalse(kind in self.structs and self.is_growable(kind), member.code)

    def test_r5_every_call_that_can_fail_and_does_work_has_an_error_sink(self):
        pure = {"info", "leg", "best", "reset", "uniform_u32"}  # cheap, without a call; a status is all they give
        for struct, slot in self.slots():
            from_plugin = not struct.name.startswith(("wn_host", "wn_call", "wn_errors", "wn_proposals"))
            if from_plugin and slot.code.startswith("wn_status") and slot.name not in pure:
                with self.subTest(f"{struct.name}.{slot.name}"):
                    self.assertIn("const wn_call*", slot.code)

    def test_the_reference_leaves_nothing_out(self):
        text = HEADER.read_text(encoding="utf-8")
        page = reference.page(reference.parse(text))
        names = re.findall(r"^(?:typedef )?struct (wn_\w+) \{|^#define (WN_\w+)|WN_CALL\* (\w+)\)", text, re.M)
        names = {name for found in names for name in found if name} - reference.HIDDEN - {"body"}
        self.assertGreater(len(names), 100)
        for name in names:
            self.assertRegex(page, rf"\b{name}\b")

    def test_r6_every_function_carries_a_thread_tag(self):
        for struct, slot in self.slots():
            with self.subTest(f"{struct.name}.{slot.name}"):
                words = f"{slot.comment} {self.about[struct.name]}"
                self.assertTrue(any(tag in words for tag in TAGS), words)


if __name__ == "__main__":
    unittest.main()
