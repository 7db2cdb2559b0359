// manifest_test.cpp: winnow-plugin.toml, good ones and bad ones.
#include "host/manifest.hpp"

#include "host/error.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/temporary_folder.hpp"

using namespace winnow;
using test::TemporaryFolder;

namespace {

std::string sum(char digit) { return std::string(64, digit); }

std::string good_manifest() {
  return R"(file_format = "1.0"
[package]
id = "org.example.tree"
version = "1.4.2"
summary = "Tree search."
license = "Apache-2.0"
vendor = "Example Lab"
url = "https://example.org"
citation = "doi:10.0000/example"
[abi]
major = 1
needs_minor = 0
built_minor = 1
[isolation]
mode = "any"
network = false
writes = []
[[plugin]]
id = "org.example.tree.best"
kind = "search"
aliases = ["org.example.best"]
provides = ["wn.search/1", "wn.state/1"]
requires = ["wn.host.noise/1"]
optional = ["wn.host.parallel/1"]
keywords = ["tree"]
claims = { deterministic = true, reentrant = false, rounds = "ordered", depth = 3 }
[[plugin.option]]
key = "width"
type = "i64"
default = 8
[[variant]]
file = "lib/x86_64/libtree.so"
sha256 = ")" +
         sum('0') +
         R"("
size = 1234567
os = "linux"
arch = "x86_64"
libc = "glibc>=2.28"
cpu = ["avx2", "fma"]
cuda = { min_driver = "525.60", sm = ["80"], ptx = "90", runtime = "static" }
libtorch = { link = "host", version = "==2.13.*" }
[[data]]
file = "share/table.bin"
sha256 = ")" +
         sum('a') +
         R"("
[provenance]
repo = "https://example.org/tree.git"
commit = "00"
dirty = false
built_with = "gcc 12.2"
)";
}

// `text` with the first `from` replaced by `to`.
std::string changed(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

PackageManifest read(const TemporaryFolder& folder, const std::string& text) {
  test::write_bytes(folder.path() / "winnow-plugin.toml", text);
  return read_manifest(folder.path() / "winnow-plugin.toml");
}

// The report on a manifest that is refused.
std::string refusal(const std::string& text) {
  TemporaryFolder folder;
  try {
    read(folder, text);
  } catch (const Error& error) {
    CHECK(error.exit() == Exit::kPlugin);
    return error.what();
  }
  FAIL("the manifest was taken");
  return "";
}

std::string refusal_of(const std::string& from, const std::string& to) {
  return refusal(changed(good_manifest(), from, to));
}

}  // namespace

TEST_CASE("a manifest answers everything about its package", "[manifest]") {
  TemporaryFolder folder;
  const PackageManifest manifest = read(folder, good_manifest());
  CHECK(manifest.path == folder.path() / "winnow-plugin.toml");
  CHECK(manifest.directory == folder.path());
  CHECK(manifest.id == "org.example.tree");
  CHECK(manifest.version == "1.4.2");
  CHECK(manifest.abi_major == 1);
  CHECK(manifest.built_minor == 1);
  CHECK(manifest.isolation == "any");
  REQUIRE(manifest.plugins.size() == 1);
  const PluginManifest& plugin = manifest.plugins[0];
  CHECK(plugin.kind == PluginKind::kSearch);
  CHECK(plugin.summary == "Tree search.");  // the package's, as it has none of its own
  CHECK(plugin.aliases == std::vector<std::string>{"org.example.best"});
  CHECK(plugin.provides.size() == 2);
  CHECK(plugin.requires_host == std::vector<std::string>{"wn.host.noise/1"});
  CHECK(plugin.claims_true("deterministic"));
  CHECK_FALSE(plugin.claims_true("reentrant"));
  CHECK(plugin.claims.at("rounds") == "ordered");
  CHECK(plugin.claims.at("depth") == "3");
  REQUIRE(plugin.options.size() == 1);
  CHECK(plugin.options[0].key == "width");
  REQUIRE(manifest.variants.size() == 1);
  const Variant& variant = manifest.variants[0];
  CHECK(variant.file == "lib/x86_64/libtree.so");
  CHECK(variant.sha256 == sum('0'));
  CHECK(variant.size == 1234567);
  CHECK(variant.cpu == std::vector<std::string>{"avx2", "fma"});
  CHECK(variant.libtorch.link == "host");
  CHECK(variant.libtorch.version == "==2.13.*");
  CHECK(variant.python.empty());
  REQUIRE(manifest.data.size() == 1);
  CHECK(manifest.data[0].file == "share/table.bin");
}

TEST_CASE("a variant that is written in Python says for which versions", "[manifest]") {
  TemporaryFolder folder;
  const std::string text = changed(good_manifest(), "os = \"linux\"", "python = \">=3.11\"");
  CHECK(read(folder, text).variants[0].python == ">=3.11");
  CHECK(refusal(changed(text, ">=3.11", "")).find("such as \">=3.11\"") != std::string::npos);
}

TEST_CASE("a typing error in a manifest is shown with its place and the nearest name",
          "[manifest]") {
  const std::string text = refusal_of("summary =", "sumary =");
  CHECK(text.find("unknown key 'sumary' in [package]") != std::string::npos);
  CHECK(text.find("winnow-plugin.toml:5:1\n") != std::string::npos);
  CHECK(text.find("5 | sumary = \"Tree search.\"\n  | ^^^^^^\n") != std::string::npos);
  CHECK(text.find("did you mean 'summary'?") != std::string::npos);
}

TEST_CASE("all mistakes of a manifest come at once", "[manifest]") {
  std::string text = changed(good_manifest(), "kind = \"search\"", "kind = \"serach\"");
  text = changed(text, "version = \"1.4.2\"", "version = \"1.4\"");
  text = changed(text, sum('0'), "00");
  const std::string report = refusal(text);
  CHECK(report.find("'kind' is 'serach', expected 'sampler', 'verifier' or 'search'") !=
        std::string::npos);
  CHECK(report.find("'1.4' is no version, expected 1.2.3") != std::string::npos);
  CHECK(report.find("expected 64 hexadecimal digits") != std::string::npos);
}

TEST_CASE("what a manifest lacks or gets wrong is named", "[manifest]") {
  const auto says = [](const std::string& from, const std::string& to, const std::string& what) {
    INFO(what);
    const std::string report = refusal_of(from, to);
    INFO(report);
    CHECK(report.find(what) != std::string::npos);
  };
  says("file_format = \"1.0\"\n", "", "'file_format' is missing");
  says("\"1.0\"", "\"2.0\"", "'file_format' is '2.0', this host reads 1.x");
  says("\"1.0\"", "1.0", "'file_format' is the number 1, expected text");
  says("id = \"org.example.tree\"\n", "", "'id' is missing in [package]");
  says("id = \"org.example.tree\"", "id = \"Org Example\"", "'Org Example' is no id");
  says("major = 1\n", "", "'major' is missing in [abi]");
  says("major = 1\n", "major = -1\n", "'major' is -1, expected a value in [0, ");
  says("needs_minor = 0", "needs_minor = 3", "'built_minor' is below 'needs_minor'");
  says("mode = \"any\"", "mode = \"proces\"", "did you mean 'process'?");
  says("kind = \"search\"\n", "", "'kind' is missing in [[plugin]]");
  says("\"wn.search/1\", ", "", "a search provides 'wn.search/1', found 'wn.state/1'");
  says("depth = 3", "depth = [3]", "claim 'depth' is a list");
  says("link = \"host\", version = \"==2.13.*\"", "link = \"host\"",
       "link = \"host\" needs 'version' or 'stable_abi'");
  says("size = 1234567", "size = -4", "'size' is -4");
  says("[package]", "[[package]]", "expected one table [package], found a list");
  says("[[data]]", "[data]", "expected tables [[data]], found a table");
}

TEST_CASE("a package must hold a plugin and a library, and no plugin twice", "[manifest]") {
  const std::string text = good_manifest();
  const std::size_t plugin = text.find("[[plugin]]"), variant = text.find("[[variant]]"),
                    data = text.find("[[data]]");
  const std::string without_plugin = text.substr(0, plugin) + text.substr(variant);
  CHECK(refusal(without_plugin).find("no [[plugin]]") != std::string::npos);
  const std::string without_variant = text.substr(0, variant) + text.substr(data);
  CHECK(refusal(without_variant).find("no [[variant]]") != std::string::npos);
  const std::string twice = text.substr(0, variant) + text.substr(plugin);
  CHECK(refusal(twice).find("a second plugin 'org.example.tree.best'") != std::string::npos);
}

TEST_CASE("no file of a manifest lies outside its package", "[manifest]") {
  const auto says = [](const std::string& file, const std::string& what) {
    const std::string report = refusal_of("lib/x86_64/libtree.so", file);
    INFO(report);
    CHECK(report.find(what) != std::string::npos);
  };
  says("../libtree.so", "'../libtree.so' is not a path relative to the package without '..'");
  says("lib/../../libtree.so", "without '..'");
  says("/usr/lib/libtree.so", "without '..'");
  says("", "without '..'");
  const std::string report = refusal_of("share/table.bin", "../table.bin");
  CHECK(report.find("'../table.bin' is not a path") != std::string::npos);
}

TEST_CASE("a symbolic link that leads out of the package is refused, one inside is not",
          "[manifest]") {
  TemporaryFolder folder;
  const auto package = folder.path() / "package";
  std::filesystem::create_directories(package / "real");
  test::write_bytes(folder.path() / "outside.so", "x");
  test::write_bytes(package / "real" / "libtree.so", "x");
  std::filesystem::create_directories(package / "lib");
  std::filesystem::create_directory_symlink("../real", package / "lib" / "x86_64");
  test::write_bytes(package / "winnow-plugin.toml", good_manifest());
  CHECK_NOTHROW(read_manifest(package / "winnow-plugin.toml"));
  std::filesystem::remove(package / "real" / "libtree.so");
  std::filesystem::create_symlink("../../outside.so", package / "real" / "libtree.so");
  CHECK_THROWS_WITH(read_manifest(package / "winnow-plugin.toml"),
                    Catch::Contains("leads out of the package"));
}

TEST_CASE("a package reached through a symbolic link is read", "[manifest]") {
  TemporaryFolder folder;
  std::filesystem::create_directories(folder.path() / "real");
  test::write_bytes(folder.path() / "real" / "winnow-plugin.toml", good_manifest());
  std::filesystem::create_directory_symlink("real", folder.path() / "link");
  CHECK_NOTHROW(read_manifest(folder.path() / "link" / "winnow-plugin.toml"));
}

TEST_CASE("a newer minor format may hold keys this host does not know", "[manifest]") {
  TemporaryFolder folder;
  const std::string newer = changed(good_manifest(), "\"1.0\"", "\"1.1\"");
  CHECK_NOTHROW(read(folder, changed(newer, "url =", "motto = \"new\"\nurl =")));
  CHECK_NOTHROW(read(folder, changed(newer, "default = 8", "default = 8\nfuture = 1")));
  CHECK_THROWS_AS(read(folder, changed(newer, "kind = \"search\"", "kind = \"other\"")), Error);
}

TEST_CASE("a manifest is capped in size, depth and keys", "[manifest]") {
  CHECK(refusal(std::string((1 << 20) + 1, '\n')).find("larger than") != std::string::npos);
  const std::string deep = "x = " + std::string(100'000, '[');
  CHECK(refusal(deep).find("nested more than 64 deep") != std::string::npos);
  std::string dotted = "a";
  for (int i = 0; i < 200'000; ++i) dotted += ".a";
  CHECK(refusal(dotted + " = 1").find("nested more than 64 deep") != std::string::npos);
  std::string many;
  for (int i = 0; i < 10'001; ++i) many += "k" + std::to_string(i) + "=1\n";
  CHECK(refusal(many).find("10001 keys") != std::string::npos);
}

TEST_CASE("a manifest that is not there, or no TOML, is one clear sentence", "[manifest]") {
  TemporaryFolder folder;
  CHECK_THROWS_WITH(read_manifest(folder.path() / "winnow-plugin.toml"),
                    Catch::Contains("no file '"));
  const std::string report = refusal("file_format = 1.0.0\n");
  CHECK(report.find("winnow-plugin.toml:1:15") != std::string::npos);
}
