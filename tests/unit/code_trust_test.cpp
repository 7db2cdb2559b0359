#include "host/code_trust.hpp"

#include "host/error.hpp"
#include "host/sha256.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/temporary_folder.hpp"

namespace winnow {

TEST_CASE("the hash of a folder is that of the sorted list of its files", "[trust]") {
  const test::TemporaryFolder folder;
  namespace fs = std::filesystem;
  fs::create_directory(folder / "b");
  test::write_bytes(folder / "c", "3");
  test::write_bytes(folder / "b" / "x", "2");
  test::write_bytes(folder / "a", "1");
  const std::string list =
      sha256_hex("1") + "  a\n" + sha256_hex("2") + "  b/x\n" + sha256_hex("3") + "  c\n";
  CHECK(sha256_hex_of_code(folder.path()) == sha256_hex(list));
  CHECK(sha256_hex_of_code(folder / "c") == sha256_hex("3"));
  test::write_bytes(folder / "b" / "x", "4");
  CHECK(sha256_hex_of_code(folder.path()) != sha256_hex(list));
  fs::create_symlink("/etc/hostname", folder / "link");
  CHECK_THROWS_WITH(sha256_hex_of_code(folder.path()), Catch::Contains("neither a file nor"));
}

TEST_CASE("a lock keeps the programs that it allows", "[trust]") {
  const test::TemporaryFolder folder;
  const CodeLock code = {{std::string(64, 'a'), "flux"}, {std::string(64, 'b'), "o\"dd"}};
  test::write_bytes(folder / "lock", plugin_lock_text({}, code));
  CHECK(read_code_lock(folder / "lock") == code);
  CHECK(read_plugin_lock(folder / "lock").empty());
  test::write_bytes(folder / "lock",
                    "file_format = \"1.0\"\n[[code]]\nname = \"x\"\nsha256 = \"12\"\n");
  CHECK_THROWS_WITH(read_code_lock(folder / "lock"), Catch::Contains("'sha256' is no sha256"));
}

}  // namespace winnow
