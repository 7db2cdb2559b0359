"""The golden layout is no ornament: every way to break the header, tried on a copy, is found by it."""
import pathlib
import tempfile
import unittest

import golden_layout
from raise_minor import raised


class GoldenLayout(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.header = pathlib.Path(folder.name) / "winnow.h"

    def changed(self, *edits):
        """What is found in a copy of the header after replacing each (old, new), which must stand there once."""
        text = golden_layout.HEADER.read_text()
        for old, new in edits:
            self.assertEqual(text.count(old), 1, old)
            text = text.replace(old, new)
        self.header.write_text(text)
        return golden_layout.changes(0, self.header)

    def test_the_header_itself_is_as_released(self):
        self.assertEqual(self.changed(), "")

    def test_a_field_inserted_in_the_middle(self):
        found = self.changed(("  double from_time; /* RENOISE", "  double extra;\n  double from_time; /* RENOISE"))
        self.assertIn("wn_candidate", found)
        self.assertIn("extra", found)

    def test_a_field_appended_without_a_minor_of_its_own(self):
        found = self.changed(("  uint64_t pool; /*", "  uint64_t extra;\n  uint64_t pool; /*"))
        self.assertIn("extra", found)

    def test_a_function_pointer_with_another_signature(self):
        found = self.changed(("const wn_verifier_batch*, float* scores,", "const wn_verifier_batch*, double* scores,"))
        self.assertIn("wn_verifier_1", found)
        self.assertIn("from 'float' to 'double'", found)

    def test_slots_in_another_order(self):
        init = "wn_status(WN_CALL* init)(wn_instance*, const wn_call*"
        step = "wn_status(WN_CALL* step)(wn_instance*, const wn_call*"
        found = self.changed((init, "INIT"), (step, init), ("INIT", step))
        self.assertIn("wn_sampler_1", found)

    def test_fields_of_one_type_in_another_order(self):
        found = self.changed(("  uint64_t seed;\n  uint64_t stream;", "  uint64_t stream;\n  uint64_t seed;"))
        self.assertIn("wn_noise_addr", found)

    def test_a_slot_that_is_gone_and_one_too_many(self):
        slot = "  void(WN_CALL* release)(const wn_host*, wn_tensor*); /* [any-thread] */\n"
        self.assertIn("wn_host_alloc_1", self.changed((slot, "")))
        self.assertIn("wn_host_alloc_1", self.changed((slot, slot + "  void(WN_CALL* extra)(const wn_host*);\n")))

    def test_another_type_of_the_same_size(self):
        self.assertIn("class_id", self.changed(("int64_t class_id;", "double class_id;")))
        self.assertIn("position", self.changed(("  uint32_t position;       /* TENSOR */", "  int32_t position;")))

    def test_a_constant_with_another_value_or_none(self):
        self.assertIn("WN_E_CANCELLED", self.changed(("#define WN_E_CANCELLED 1\n", "#define WN_E_CANCELLED 2\n")))
        self.assertIn("WN_F_VJP", self.changed(("#define WN_F_VJP 128u", "#define WN_F_VJP 129u")))
        self.assertIn("WN_SEARCH_1", self.changed(('WN_SEARCH_1 "wn.search/1"', 'WN_SEARCH_1 "wn.search/2"')))
        self.assertIn("WN_LOG_DEBUG", self.changed(("#define WN_LOG_DEBUG 0\n", "")))

    def test_what_a_new_minor_adds_leaves_the_old_one_alone_and_needs_a_record_of_its_own(self):
        self.header.write_text(raised(golden_layout.HEADER.read_text()))
        newest = golden_layout.newest_minor(self.header)
        self.assertEqual(newest, golden_layout.newest_minor(golden_layout.HEADER) + 1)
        self.assertEqual(golden_layout.changes(0, self.header), "")
        self.assertIn(f"minor {newest} has no golden layout", golden_layout.changes(newest, self.header))
        golden_layout.record(newest, self.header, self.header.parent)
        self.assertEqual(golden_layout.changes(newest, self.header, self.header.parent), "")
        self.assertIn("wn_host_echo_1", (self.header.parent / f"minor-{newest}.abi").read_text())


if __name__ == "__main__":
    unittest.main()
