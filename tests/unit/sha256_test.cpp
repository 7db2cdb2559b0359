// sha256_test.cpp: the examples of FIPS 180-4, and files.
#include "host/sha256.hpp"

#include "host/error.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/temporary_folder.hpp"

using winnow::sha256_hex;

TEST_CASE("the published digests come out", "[sha256]") {
  CHECK(sha256_hex("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(sha256_hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(sha256_hex(std::string(1'000'000, 'a')) ==
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_CASE("a file larger than the read block has the digest of its bytes", "[sha256]") {
  const winnow::test::TemporaryFolder folder;
  const std::string bytes(3'000'001, 'x');
  winnow::test::write_bytes(folder / "file", bytes);
  CHECK(winnow::sha256_hex_of_file(folder / "file") == sha256_hex(bytes));
}

TEST_CASE("a file that cannot be read is an error with its name", "[sha256]") {
  const winnow::test::TemporaryFolder folder;
  CHECK_THROWS_WITH(winnow::sha256_hex_of_file(folder / "none"),
                    Catch::Contains("none: cannot be read: No such file"));
  CHECK_THROWS_AS(winnow::sha256_hex_of_file(folder.path()), winnow::Error);
}
