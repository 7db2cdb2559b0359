"""Packages from the outside: inspect, pack, install, remove, verify, docs, list --why."""
import gzip
import hashlib
import io
import os
import pathlib
import shutil
import subprocess
import tarfile
import unittest

from winnow_cli import TEST_PLUGINS, CliTest

ID = "winnow.brightness"
LIBRARY = "libwinnow_brightness.so"


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Packages(CliTest):
    def setUp(self):
        super().setUp()
        self.environment["XDG_DATA_HOME"] = str(self.folder / "data")
        self.installed = self.folder / "data/winnow/plugins"
        self.source = self.package("source", ID)
        self.manifest = self.source / "winnow-plugin.toml"

    def change(self, before, after):
        text = self.manifest.read_text()
        self.assertIn(before, text)
        self.manifest.write_text(text.replace(before, after))

    def pack(self, name="p.tar.gz"):
        self.done("plugins", "pack", self.source, "--out", name)
        return self.folder / name

    def test_packing_twice_gives_the_same_bytes(self):
        (self.source / "README.md").write_text("Bright.\n")
        (self.source / "build.log").write_text("not for others\n")
        done = self.done("plugins", "pack", self.source, "--out", "a.tar.gz")
        self.assertIn("build.log", done.stderr)
        os.utime(self.source / LIBRARY, (1, 1))
        (self.source / LIBRARY).chmod(0o755)
        moved = self.folder / "elsewhere"
        shutil.copytree(self.source, moved)
        value = self.json("plugins", "pack", moved)
        self.assertEqual(value["file"], f"{ID}-1.0.0.tar.gz")
        self.assertEqual((self.folder / "a.tar.gz").read_bytes(), (self.folder / value["file"]).read_bytes())
        self.assertEqual(value["sha256"], sha256(self.folder / value["file"]))
        with tarfile.open(self.folder / "a.tar.gz") as tar:
            names = [f"{ID}/{name}" for name in ("README.md", LIBRARY, "winnow-plugin.toml")]
            self.assertEqual(tar.getnames(), names)
            for member in tar:
                self.assertEqual((member.mtime, member.mode, member.uid, member.gid, member.uname, member.gname),
                                 (0, 0o644, 0, 0, "", ""))
        self.assertEqual((self.folder / "a.tar.gz").read_bytes()[3:8], b"\0" * 5)  # neither name nor time

    def test_hashes_are_filled_in_and_all_else_stays_as_the_author_wrote_it(self):
        (self.source / "table.bin").write_bytes(b"\1\2\3")
        head = self.manifest.read_text().split("[[variant]]")[0]
        variants = """\
[[variant]]   # the only one: naïve, but small
  file   = "libwinnow_brightness.so" # built by make
  sha256 = "%s"# filled in
  os     = "linux"
  arch   = "x86_64"

[[data]]
file="table.bin"
"""
        self.manifest.write_text(head + variants % "")
        value = self.json("plugins", "pack", self.source)
        self.assertTrue(value["manifest_changed"])
        library = self.source / LIBRARY
        wanted = (variants % sha256(library)).replace(
            "# built by make\n", f"# built by make\n  size   = {library.stat().st_size}\n")
        wanted = wanted.rstrip("\n") + f'\nsha256 = "{sha256(self.source / "table.bin")}"\n'
        self.assertEqual(self.manifest.read_text(), head + wanted)
        self.assertFalse(self.json("plugins", "pack", self.source)["manifest_changed"])
        with tarfile.open(self.folder / value["file"]) as tar:
            self.assertIn(f"{ID}/table.bin", tar.getnames())
        (self.source / "table.bin").write_bytes(b"\4")
        self.pack()
        self.assertIn(sha256(self.source / "table.bin"), self.manifest.read_text())

    def test_tables_on_one_line_are_filled_in_too(self):
        head = self.manifest.read_text().split("[[variant]]")[0]
        self.manifest.write_text(f'variant = [{{ os = "linux", file = "{LIBRARY}", size = 1 }}]\r\n' + head)
        self.pack()
        library = self.source / LIBRARY
        self.assertEqual(self.manifest.read_bytes().decode(),
                         f'variant = [{{ os = "linux", file = "{LIBRARY}", sha256 = "{sha256(library)}", '
                         f'size = {library.stat().st_size} }}]\r\n' + head)

    def test_a_package_that_would_not_be_taken_is_not_packed(self):
        good = self.manifest.read_text()
        for before, after, says in [("major = 1", "major = 2", "needs plugin ABI 2"),
                                    ("needs_minor = 0\nbuilt_minor = 0", "needs_minor = 9\nbuilt_minor = 9", "1.9"),
                                    ('arch = "x86_64"', 'arch = "aarch64"', "is for aarch64"),
                                    (f'file = "{LIBRARY}"', 'file = "other.so"', "other.so"),
                                    ("summary", "sumary", "did you mean 'summary'?"),
                                    ("file_format", "file format", "winnow-plugin.toml:1"),
                                    ('kind = "verifier"\n', 'kind = "verifier"\nrequires = ["wn.host.magic/1"]\n',
                                     "wn.host.magic/1")]:
            with self.subTest(after):
                self.manifest.write_text(good.replace(before, after, 1).replace("sha256 = \"", "sha256 = \"0"))
                bad = self.manifest.read_text()
                self.refused(3, "plugins", "pack", self.source, "--out", "p.tar.gz", says=[says])
                self.assertFalse((self.folder / "p.tar.gz").exists())
                self.assertEqual(self.manifest.read_text(), bad)
        self.manifest.write_text(good)
        (self.source / LIBRARY).write_text("no library")
        self.refused(3, "plugins", "pack", self.source, says=["is no ELF shared library"])
        self.refused(2, "plugins", "pack", self.folder, says=["holds no winnow-plugin.toml"])
        self.refused(2, "plugins", "pack", "nothing", says=["is not there"])

    def test_an_installed_package_is_found_verified_and_removed(self):
        archive = self.pack()
        value = self.json("plugins", "install", archive, WN_PLUGIN_PATH="")
        self.assertEqual((value["version"], value["before"], value["unchanged"]), ("1.0.0", None, False))
        self.assertEqual(sorted(path.name for path in (self.installed / ID).iterdir()), [LIBRARY, "winnow-plugin.toml"])
        listed = [p for p in self.json("plugins", "list", WN_PLUGIN_PATH="")["plugins"] if p["id"] == ID]
        self.assertEqual([p["origin"] for p in listed], ["user"])
        self.assertTrue(self.json("plugins", "install", archive, WN_PLUGIN_PATH="")["unchanged"])
        self.assertIn("WN_PLUGIN_PATH is set", self.done("plugins", "install", archive).stderr)
        self.assertTrue(self.json("plugins", "verify")["packages"][0]["good"])
        with (self.installed / ID / LIBRARY).open("ab") as library:
            library.write(b"\0")
        (self.installed / ID / "extra.so").write_bytes(b"")
        done = self.winnow("plugins", "verify", "brightness")
        self.assertEqual(done.returncode, 3)
        self.assertIn("did you mean 'winnow.brightness'?", done.stderr)
        done = self.winnow("plugins", "verify", ID)
        self.assertEqual(done.returncode, 3)
        self.assertIn(LIBRARY, done.stdout)
        self.assertIn("extra.so", done.stdout)
        self.done("plugins", "install", archive)  # repairs what is damaged
        self.assertEqual(self.json("plugins", "verify")["exit"], 0)
        self.assertEqual(self.json("plugins", "remove", ID)["version"], "1.0.0")
        self.assertEqual([path.name for path in self.installed.iterdir()], [".lock"])
        self.refused(3, "plugins", "remove", ID, says=["none is"])

    def test_what_a_package_wants_is_said_where_it_is_installed_and_looked_at(self):
        self.change("[abi]", "[isolation]\nnetwork = true\nwrites = [\"cache\", \"/srv/x\"]\n\n[abi]")
        done = self.done("plugins", "install", self.source)
        for words in ("may use the network", "may write in 'cache' of a cache folder", "may write in '/srv/x'\n"):
            self.assertIn(words, done.stdout)
        for verb in ("info", "inspect"):
            value = self.json("plugins", verb, ID, WN_PLUGIN_PATH="")
            self.assertEqual((value["network"], value["writes"]), (True, ["cache", "/srv/x"]), verb)

    def test_names_beyond_ascii_are_packed_and_installed_in_any_locale(self):
        self.manifest.write_text(self.manifest.read_text() + '\n[[data]]\nfile = "données.bin"\n')
        (self.source / "données.bin").write_bytes(b"1")
        for locale in ("C", "C.UTF-8"):
            with self.subTest(locale):
                self.done("plugins", "pack", self.source, "--out", "p.tar.gz", LC_ALL=locale)
                for archive in ("p.tar.gz", self.archive("pax.tar.gz")):
                    self.done("plugins", "install", archive, LC_ALL=locale)
                    self.assertEqual((self.installed / ID / "données.bin").read_bytes(), b"1")
                    self.done("plugins", "remove", ID)

    def test_an_archive_goes_to_a_file_not_a_folder(self):
        (self.folder / "out").mkdir()
        for out in ("out", "out/"):
            self.refused(2, "plugins", "pack", self.source, "--out", out, says=["'%s' is a folder" % out])
        self.refused(2, "plugins", "pack", self.source, "--out", "nothing/p.tar.gz", says=["nothing", "No such file"])
        self.assertEqual(list((self.folder / "out").iterdir()), [])

    def test_names_that_no_archive_may_have_are_left_out_or_refused(self):
        (self.source / "README\x1b[2J.md").write_text("")
        os.close(os.open(bytes(self.source) + b"/LICENSE\xff", os.O_CREAT))
        done = self.done("plugins", "pack", self.source, "--out", "p.tar.gz")
        self.assertIn("1 more", done.stderr)
        self.assertNotIn("\x1b", done.stderr)
        self.assertEqual(sorted(self.json("plugins", "inspect", self.source)["others"]), ["LICENSE\ufffd", "README\x1b[2J.md"])
        self.done("plugins", "install", "p.tar.gz")

    def test_what_a_manifest_says_cannot_steer_a_terminal_or_a_path(self):
        good = self.manifest.read_text()
        for before, after, says in [('summary = "', 'summary = "\\u001b[2J', "control characters"),
                                    ("[provenance]", '[provenance]\nbuilt_with = "gcc\\u0007"', "control characters"),
                                    ('vendor = "', 'vendor = "\\u009b2J', "control characters"),
                                    ('version = "1.0.0"', 'version = "1.0.0-../../evil"', "is no version"),
                                    ('id = "winnow.', 'id = "../winnow.', "is no id")]:
            with self.subTest(after):
                self.manifest.write_text((good if before in good else good + "\n[provenance]\n").replace(before, after, 1))
                for verb in ("inspect", "pack", "install"):
                    self.assertNotIn("\x1b", self.refused(3, "plugins", verb, self.source, says=[says]).stderr)

    def test_whose_place_a_new_package_takes_is_said(self):
        self.done("plugins", "install", self.source, XDG_DATA_DIRS="", WN_PLUGIN_PATH="")
        system = self.folder / "system"
        shutil.copytree(self.source, system / "winnow/plugins/before")
        environment = {"WN_PLUGIN_PATH": "", "XDG_DATA_DIRS": str(system)}
        done = self.done("plugins", "install", self.source, **environment)
        self.assertIn(f"takes the place of {ID} of '{system}/winnow/plugins/before' (system)", done.stderr)
        value = self.json("plugins", "install", self.source, **environment)
        self.assertIn("(system)", value["takes_the_place_of"][0])

    def test_a_package_is_removed_by_its_own_id_before_those_of_its_plugins(self):
        self.done("plugins", "install", self.source)
        for name in ("a.first", "b.second"):
            other = self.package(name, ID)
            manifest = other / "winnow-plugin.toml"
            manifest.write_text(manifest.read_text().replace(f'id = "{ID}"', f'id = "{name}"', 1))
            self.done("plugins", "install", other)
        self.assertEqual(self.json("plugins", "remove", ID)["id"], ID)
        self.refused(3, "plugins", "remove", ID, says=["2 packages offer", "a.first", "b.second"])
        self.done("plugins", "remove", "a.first")
        self.assertEqual(self.json("plugins", "remove", ID)["id"], "b.second")

    def test_a_package_that_was_being_replaced_when_its_installer_was_killed_comes_back(self):
        self.installed.mkdir(parents=True)
        left = self.installed / ".tmp-install-abcdef"
        shutil.copytree(self.source, left / "replaced" / ID)
        other = self.package("other", "winnow.sharpness")
        self.done("plugins", "install", other)
        self.assertFalse(left.exists())
        self.assertTrue(self.json("plugins", "verify", ID)["packages"][0]["good"])
        shutil.copytree(self.source, left / "removed")
        self.done("plugins", "remove", ID)  # and what was being removed does not
        self.assertEqual(sorted(path.name for path in self.installed.iterdir()), [".lock", "winnow.sharpness"])

    def test_a_pipe_in_a_package_is_no_file_to_wait_for(self):
        (self.source / LIBRARY).unlink()
        os.mkfifo(self.source / LIBRARY)
        value = self.json("plugins", "inspect", self.source)
        self.assertEqual(value["files"][0]["problem"], "is no file")
        self.refused(3, "plugins", "install", self.source, says=["is missing"])

    def test_a_folder_is_installed_without_what_its_manifest_does_not_name(self):
        (self.source / "LICENSE").write_text("Free.\n")
        (self.source / "junk").mkdir()
        (self.source / "junk/a.o").write_text("")
        self.done("plugins", "install", self.source)
        self.assertEqual(sorted(path.name for path in (self.installed / ID).iterdir()),
                         ["LICENSE", LIBRARY, "winnow-plugin.toml"])

    def test_only_a_newer_version_replaces_an_installed_one_unasked(self):
        self.done("plugins", "install", self.pack("old.tar.gz"))
        self.change("Prefers", "Likes")
        changed = self.pack("changed.tar.gz")
        self.refused(3, "plugins", "install", changed, says=["1.0.0 is installed", "same version", "--force"])
        self.change('version = "1.0.0"', 'version = "1.0.1-rc.1"')
        self.assertEqual(self.json("plugins", "install", self.pack("new.tar.gz"))["before"], "1.0.0")
        self.refused(3, "plugins", "install", "old.tar.gz", says=["1.0.1-rc.1 is installed", "holds 1.0.0"])
        self.assertEqual(self.json("plugins", "verify")["packages"][0]["version"], "1.0.1-rc.1")
        self.done("plugins", "install", "old.tar.gz", "--force")
        self.assertEqual(self.json("plugins", "verify")["packages"][0]["version"], "1.0.0")
        self.assertEqual(sorted(path.name for path in self.installed.iterdir()), [".lock", ID])

    def test_what_stands_in_the_way_is_kept(self):
        (self.installed / ID).mkdir(parents=True)
        (self.installed / ID / "notes.txt").write_text("mine")
        self.refused(3, "plugins", "install", self.source, says=["is no package", "--force"])
        self.assertTrue((self.installed / ID / "notes.txt").exists())
        self.done("plugins", "install", self.source, "--force")
        (self.installed / ID).rename(self.installed / "mine")
        self.refused(3, "plugins", "install", self.source, says=["mine", "winnow plugins remove"])

    def archive(self, name, *members, good=True):
        """A .tar.gz of the package and of more members."""
        with tarfile.open(self.folder / name, "w:gz", format=tarfile.PAX_FORMAT) as tar:
            if good:
                tar.add(self.source, arcname=ID)
            for member, data in members:
                member.size = member.size or len(data)
                tar.addfile(member, io.BytesIO(data) if data else None)
        return self.folder / name

    def member(self, name, data=b"x", **fields):
        info = tarfile.TarInfo(name)
        for key, value in fields.items():
            setattr(info, key, value)
        return info, data

    def test_archives_that_reach_out_of_their_package_are_refused_and_leave_nothing(self):
        link = {"data": b"", "type": tarfile.SYMTYPE}
        twice = self.member(f"{ID}/README")
        bad = {
            "leads out of it": self.member(f"{ID}/../../../evil"),
            "has an absolute name": self.member(str(self.folder / "evil")),
            "is a symbolic link": self.member(f"{ID}/evil", linkname="/etc", **link),
            "is a hard link": self.member(f"{ID}/evil", data=b"", type=tarfile.LNKTYPE, linkname=f"{ID}/{LIBRARY}"),
            "is a device": self.member(f"{ID}/evil", data=b"", type=tarfile.CHRTYPE),
            "is neither a file nor a folder": self.member(f"{ID}/evil", data=b"", type=tarfile.FIFOTYPE),
            "lies below a file": self.member(f"{ID}/{LIBRARY}/evil"),
            "has a name that no package needs": self.member(f"{ID}/ev\x1bil"),
            "would unpack to more than 64 GiB": self.member(f"{ID}/evil", data=b"", size=1 << 45),
            "would unpack to more than 100 times its size": self.member(f"{ID}/evil", data=b"", size=1 << 30),
        }
        for says, member in bad.items():
            with self.subTest(says):
                archive = self.archive("bad.tar.gz", member)
                self.refused(3, "plugins", "install", archive, says=["bad.tar.gz", says])
                self.refused(3, "plugins", "inspect", archive, says=[says])
                self.assertFalse(self.installed.exists())
                self.assertFalse((self.folder / "evil").exists())
        self.refused(3, "plugins", "install", self.archive("bad.tar.gz", twice, twice), says=["stands twice"])
        self.refused(3, "plugins", "install", self.archive("bad.tar.gz", twice, good=False), says=["holds no winnow-plugin.toml"])
        self.assertFalse(self.installed.exists())

    def test_a_damaged_or_false_archive_leaves_nothing_behind(self):
        archive = self.pack()
        data = archive.read_bytes()
        for name, content in {"cut": data[:len(data) // 2], "none": b"", "text": b"no archive at all",
                            "flipped": data[:200] + bytes([data[200] ^ 255]) + data[201:],
                            "tar": gzip.decompress(data)[:5000]}.items():
            with self.subTest(name):
                (self.folder / name).write_bytes(content)
                self.refused(3, "plugins", "install", name, says=[f"'{name}'"])
                self.assertFalse((self.installed / ID).exists())
        (self.source / LIBRARY).write_bytes((self.source / LIBRARY).read_bytes() + b"\0")
        done = self.refused(3, "plugins", "install", self.archive("false.tar.gz"), says=["false.tar.gz", LIBRARY, "bytes"])
        self.assertNotIn(".tmp", done.stderr)
        self.source = self.package("again", ID)
        extra = self.archive("extra.tar.gz", self.member(f"{ID}/other.so"))
        self.refused(3, "plugins", "install", extra, says=["does not name 'other.so'"])
        self.assertEqual([path.name for path in self.installed.iterdir()], [".lock"])
        self.refused(2, "plugins", "install", "nothing.tar.gz", says=["'nothing.tar.gz' is not there"])

    def test_what_a_killed_install_left_is_cleared_and_never_listed(self):
        left = self.installed / ".tmp-install-abcdef"
        shutil.copytree(self.source, left / "new")
        self.assertFalse(any(p["origin"] == "user" for p in self.json("plugins", "list", "--why", WN_PLUGIN_PATH="")["plugins"]))
        self.done("plugins", "install", self.source)
        self.assertFalse(left.exists())

    def test_without_a_home_there_is_nowhere_to_install(self):
        del self.environment["HOME"], self.environment["XDG_DATA_HOME"]
        self.refused(2, "plugins", "install", self.source, says=["XDG_DATA_HOME", "HOME"])

    def test_inspect_says_what_readelf_says(self):
        value = self.json("plugins", "inspect", ID)
        self.assertEqual((value["id"], value["version"], value["intact"]), (ID, "1.0.0", True))
        self.assertEqual(value["files"][0]["sha256"], sha256(self.source / LIBRARY))
        for id in (ID, "winnow.zero_order", "winnow.toy.verifiers"):
            value = self.json("plugins", "inspect", self.package("look", id))
            library = value["libraries"][0]
            file = pathlib.Path(value["directory"]) / library["file"]
            dynamic = subprocess.run(["readelf", "-dW", file], capture_output=True, text=True, check=True).stdout
            self.assertEqual(library["needed"], [line.split("[")[1].rstrip("]\n") for line in dynamic.splitlines()
                                                 if "(NEEDED)" in line])
            needs = subprocess.run(["readelf", "-VW", file], capture_output=True, text=True, check=True).stdout
            names = {word for line in needs.splitlines() if "Name: " in line and "Flags:" in line
                     for word in [line.split("Name: ")[1].split()[0]]}
            highest = {}
            for family, _, version in (name.rpartition("_") for name in names):
                number = tuple(map(int, version.split(".")))
                highest[family] = max(highest.get(family, ()), number)
            self.assertEqual({f: tuple(map(int, v.split("."))) for f, v in library["versions"].items()}, highest)
            self.assertEqual(library["exports"], ["wn_plugin_negotiate_v1"])
            self.assertEqual((library["machine"], library["bits"]), ("x86_64", 64))
            self.assertEqual((library["static_tls"], library["fast_math"], library["notes"]), (False, False, []))

    def test_inspect_looks_into_archives_and_at_damage(self):
        archive = self.pack()
        packed, folder = self.json("plugins", "inspect", archive), self.json("plugins", "inspect", self.source)
        self.assertEqual(packed.pop("directory"), str(archive))
        folder.pop("directory")
        self.assertEqual(packed, folder)
        (self.source / "extra.txt").write_text("")
        (self.source / LIBRARY).write_bytes(b"\x7fELF" + b"\0" * 60)
        value = self.json("plugins", "inspect", self.source)
        self.assertFalse(value["intact"])
        self.assertEqual(value["others"], ["extra.txt"])
        self.assertIn("cannot be read", value["libraries"][0]["error"])
        self.refused(3, "plugins", "inspect", "winnow.brightnes", says=["did you mean 'winnow.brightness'?"])
        self.refused(2, "plugins", "inspect", "./nothing", says=["is not there"])

    def test_inspect_and_pack_speak_of_fast_math_static_tls_and_a_newer_glibc(self):
        code = self.write("p.c", "#include <math.h>\n__thread int x __attribute__((tls_model(\"initial-exec\")));\n"
                                 "int wn_plugin_negotiate_v1(void) { return x + (int)exp(x); }\n"
                                 "int another(void) { return 0; }\n")
        subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-ffast-math", code, "-o", self.source / LIBRARY, "-lm"], check=True)
        self.change('arch = "x86_64"', 'arch = "x86_64"\nlibc = "glibc>=2.2"')
        done = self.done("plugins", "pack", self.source)
        self.assertIn("says libc = \"glibc>=2.2\"", done.stderr)
        library = self.json("plugins", "inspect", self.source)["libraries"][0]
        self.assertTrue(library["static_tls"])
        self.assertTrue(library["fast_math"])
        self.assertIn("another", library["exports"])
        self.assertEqual(len(library["notes"]), 4)

    def test_docs_holds_every_option_and_the_table_that_turns_it_on(self):
        page = self.done("plugins", "docs", ID).stdout
        for text in ("# `winnow.brightness`\n", '[[verifier]]\nplugin = "winnow.brightness"\n',
                     "| `target` | f64 in [0, 1] | `0.5` |", "Apache-2.0", "`wn.verifier/1`", "`deterministic`"):
            self.assertIn(text, page)
        row = next(line for line in page.splitlines() if line.startswith("| `target`"))
        self.assertIn(row, self.done("docs", "configuration").stdout)
        search = self.done("plugins", "docs", "winnow.zero_order").stdout
        self.assertIn('[search]\nplugin = "winnow.zero_order"\n', search)
        self.refused(3, "plugins", "docs", "winnow.zero_ordr", says=["did you mean 'winnow.zero_order'?"])

    def test_why_gives_one_reason_for_everything_that_is_not_taken(self):
        """Each case spoils a package of its own."""
        cases = {
            "toml": ("file_format", "file format", "winnow-plugin.toml:1"),
            "major": ("major = 1", "major = 2", "needs plugin ABI 2, this host speaks 1.0"),
            "minor": ("needs_minor = 0\nbuilt_minor = 0", "needs_minor = 9\nbuilt_minor = 9", "needs plugin ABI 1.9"),
            "interface": ('kind = "verifier"\n', 'kind = "verifier"\nrequires = ["wn.host.magic/1"]\n', "needs wn.host.magic/1"),
            "variant": ('arch = "x86_64"', 'arch = "riscv64"', "is for riscv64, this machine is"),
            "shadowed": ("Prefers", "Likes", f"shadowed by {self.folder}/all/a-good/winnow-plugin.toml"),
            "older": ('version = "1.0.0"', 'version = "1.0.0-rc.2"', "is 1.0.0-rc.2, older than 1.0.0: shadowed by"),
            "disabled": ("winnow.brightness", "winnow.disabled", "disabled by WN_PLUGINS_DISABLE"),
            "twice": ("[[variant]]", '[[plugin]]\nid = "winnow.brightness"\nkind = "verifier"\n[[variant]]', "a second plugin"),
            "size": ("winnow.brightness", "winnow.size", "bytes, winnow-plugin.toml says"),
            "hash": ("winnow.brightness", "winnow.hash", "its sha256 is"),
            "data": ("winnow.brightness", "winnow.data", "table.bin: is missing"),
            "machine": ("winnow.brightness", "winnow.machine", "is built for riscv, this program for"),
            "text": ("winnow.brightness", "winnow.text", "is no ELF shared library"),
            "missing": ("winnow.brightness", "winnow.missing", "no variant fits: libwinnow_brightness.so is missing"),
            "unlocked": ("winnow.brightness", "winnow.unlocked", "is not in the lock"),
        }
        folder = self.folder / "all"
        shutil.copytree(self.source, folder / "a-good")
        self.done("plugins", "lock", "--file", "winnow-plugins.lock", ID, WN_PLUGIN_PATH=str(folder))
        for name, (before, after, _) in cases.items():
            shutil.copytree(self.source, folder / name)
            manifest, library = folder / name / "winnow-plugin.toml", folder / name / LIBRARY
            self.assertIn(before, manifest.read_text())
            manifest.write_text(manifest.read_text().replace(before, after))
            if name == "data":
                manifest.write_text(manifest.read_text() + f'\n[[data]]\nfile = "table.bin"\nsha256 = "{"0" * 64}"\n')
            good = library.read_bytes()
            bad = {"size": good + b"\0", "hash": good[:-1] + bytes([good[-1] ^ 1]), "text": b"no library".ljust(len(good)),
                   "machine": good[:18] + b"\xf3\0" + good[20:]}
            if name in bad:
                library.write_bytes(bad[name])
            if name in ("text", "machine"):
                manifest.write_text(manifest.read_text().replace(hashlib.sha256(good).hexdigest(), sha256(library)))
            if name == "missing":
                library.unlink()
        environment = {"WN_PLUGIN_PATH": str(folder), "WN_PLUGINS_DISABLE": "winnow.disabled"}
        text = self.done("plugins", "list", "--why", **environment).stdout
        value = self.json("plugins", "list", "--why", **environment)
        reasons = {path: [p["reason"] for p in value["plugins"] if pathlib.Path(p["directory"]).name == path and "reason" in p] +
                   [b["reason"] for b in value["broken"] if pathlib.Path(b["path"]).name == path] for path in cases}
        for name, (_, _, says) in cases.items():
            with self.subTest(name):
                self.assertEqual(len(reasons[name]), 1, reasons[name])
                self.assertIn(says, reasons[name][0])
                self.assertEqual(text.count(str(folder / name) + " (WN_PLUGIN_PATH)"), 1)
        taken = [p["directory"] for p in value["plugins"] if p["usable"]]
        self.assertEqual(taken, [str(folder / "a-good")])
        for package in folder.iterdir():  # and no more than one line
            self.assertEqual(text.count(f"from {package} (") + text.count(f"\n{package} ("), 1, package)

    def test_of_two_versions_in_one_folder_the_newer_is_taken(self):
        for name, version in [("a", "1.9.0"), ("b", "1.10.0"), ("c", "1.10.0-rc.1")]:
            shutil.copytree(self.source, self.folder / "all" / name)
            manifest = self.folder / "all" / name / "winnow-plugin.toml"
            manifest.write_text(manifest.read_text().replace('version = "1.0.0"', f'version = "{version}"'))
        value = self.json("plugins", "list", WN_PLUGIN_PATH=str(self.folder / "all"))
        self.assertEqual([p["version"] for p in value["plugins"]], ["1.10.0"])

    def test_plugins_of_one_package_share_a_line(self):
        text = self.done("plugins", "list", "--why", WN_PLUGIN_PATH=str(TEST_PLUGINS / "winnow.toy.verifiers")).stdout
        lines = [line for line in text.splitlines() if "taken from" in line]
        self.assertEqual(len(lines), 1)
        self.assertIn("winnow.toy.first_pixel, ", lines[0])

    def test_a_library_with_another_hash_is_refused_when_it_is_loaded(self):
        with (self.source / LIBRARY).open("r+b") as library:
            library.seek(-1, os.SEEK_END)
            library.write(b"!")
        self.refused(3, "run", "toy.toml", "--plugin", self.source, says=["its sha256 is", sha256(self.source / LIBRARY)])
        self.assertFalse((self.folder / "runs").exists())


if __name__ == "__main__":
    unittest.main()
