// The safetensors reader: what it wrote comes back, and every kind of lie in a header is refused by
// name.
#include "plugins/safetensors.hpp"

#include <cstring>
#include <limits>

#include "tests/support/catch.hpp"
#include "tests/support/temporary_folder.hpp"

namespace winnow {
namespace {

using test::TemporaryFolder;

std::string with_header(const std::string& header, size_t data_bytes,
                        uint64_t claimed = std::numeric_limits<uint64_t>::max()) {
  if (claimed == std::numeric_limits<uint64_t>::max()) claimed = header.size();
  std::string out;
  for (int i = 0; i < 8; ++i) out.push_back(static_cast<char>(claimed >> (8 * i)));
  return out + header + std::string(data_bytes, '\x01');
}

std::string refusal(const std::string& bytes) {
  const TemporaryFolder folder;
  test::write_bytes(folder / "model.safetensors", bytes);
  try {
    read_safetensors((folder / "model.safetensors").string());
  } catch (const std::runtime_error& error) {
    const std::string text = error.what();
    CHECK(text.find("model.safetensors") != std::string::npos);
    return text;
  }
  return "nothing was refused";
}

std::string one_tensor(const std::string& dtype, const std::string& shape,
                       const std::string& offsets) {
  return R"({"a":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets +
         "}}";
}

TEST_CASE("tensors and metadata come back as they were written") {
  const TemporaryFolder folder;
  const std::string path = (folder / "model.safetensors").string();
  const float values[6] = {0, 1, 2, 3, 4, 5};
  const int64_t number = 42;
  const auto bytes = [](const void* p) { return static_cast<const std::byte*>(p); };
  write_safetensors(path,
                    {{"half", {"F16", {3}, bytes(values), 6}},
                     {"table", {"F32", {2, 3}, bytes(values), sizeof values}},
                     {"scalar", {"I64", {}, bytes(&number), sizeof number}},
                     {"empty", {"F32", {0, 4}, bytes(values), 0}}},
                    {{"heads", "4"}});
  const SafetensorsFile file = read_safetensors(path);
  CHECK(file.tensors.size() == 4);
  CHECK(file.tensors.at("table").shape == std::vector<int64_t>{2, 3});
  CHECK(std::memcmp(file.tensors.at("table").data, values, sizeof values) == 0);
  CHECK(std::memcmp(file.tensors.at("scalar").data, &number, sizeof number) == 0);
  CHECK(file.tensors.at("half").bytes == 6);
  CHECK(metadata_integer(file, "heads", 1, 16) == 4);
  CHECK_THROWS_WITH(metadata_integer(file, "heads", 1, 3), Catch::Contains("from 1 to 3"));
  CHECK_THROWS_WITH(metadata_integer(file, "depth", 1, 3), Catch::Contains("no 'depth'"));
  for (const auto& [name, view] : file.tensors) {
    const auto address = reinterpret_cast<uintptr_t>(view.data);
    CHECK(address % safetensors_dtype_size(view.dtype) == 0);
  }
}

TEST_CASE("files that are no safetensors are refused") {
  using Catch::Contains;
  CHECK_THAT(refusal(""), Contains("at least 8"));
  CHECK_THAT(refusal("1234567"), Contains("7 bytes"));
  CHECK_THAT(refusal(with_header("{}", 0, 1ull << 62)), Contains("header claims"));
  CHECK_THAT(refusal(with_header("{}", 0, 200'000'000)), Contains("header claims"));
  CHECK_THAT(refusal(with_header("{}", 0, 3)), Contains("header claims"));
  CHECK_THAT(refusal(with_header("{\"a\":", 0)), Contains("not valid JSON"));
  CHECK_THAT(refusal(with_header("{\"\xff\":1}", 0)), Contains("not valid JSON"));
  CHECK_THAT(refusal(with_header("[]", 0)), Contains("not a JSON object"));
  CHECK_THAT(refusal(with_header(std::string(100000, '['), 0)), Contains("nested"));
  CHECK_THROWS_WITH(read_safetensors("/does/not/exist"), Contains("/does/not/exist"));
  CHECK_THROWS_WITH(read_safetensors("/tmp"), Contains("not a regular file"));
}

TEST_CASE("headers that lie about tensors are refused") {
  using Catch::Contains;
  const auto refused = [](const std::string& header, size_t data = 16) {
    return refusal(with_header(header, data));
  };
  CHECK_THAT(refused(one_tensor("F32", "[4]", "[0,16]")), Contains("nothing was refused"));
  CHECK_THAT(refused(one_tensor("F33", "[4]", "[0,16]")), Contains("unknown dtype"));
  CHECK_THAT(refused(one_tensor("F32", "[5]", "[0,16]")), Contains("needs 20"));
  CHECK_THAT(refused(one_tensor("F32", "[4]", "[0,32]")), Contains("of 16"));
  CHECK_THAT(refused(one_tensor("F32", "[4]", "[16,0]")), Contains("of 16"));
  CHECK_THAT(refused(one_tensor("F32", "[-4]", "[0,16]")), Contains("not a whole number"));
  CHECK_THAT(refused(one_tensor("F32", "[4.0]", "[0,16]")), Contains("not a whole number"));
  CHECK_THAT(refused(one_tensor("F32", "[4294967296,4294967296,4]", "[0,16]")),
             Contains("too large"));
  CHECK_THAT(refused(one_tensor("F32", "[0,18446744073709551615]", "[0,0]"), 0),
             Contains("too large"));
  CHECK_THAT(refused(one_tensor("F32", "[1,1,1,1,1,1,1,1,4]", "[0,16]")), Contains("at most 8"));
  CHECK_THAT(refused(one_tensor("F32", "4", "[0,16]")), Contains("must be a list"));
  CHECK_THAT(refused(one_tensor("F32", "[4]", "[0]")), Contains("two numbers"));
  CHECK_THAT(refused(R"({"a":{"dtype":"F32","shape":[4]}})"), Contains("no 'data_offsets'"));
  CHECK_THAT(refused(R"({"a":3})"), Contains("no 'dtype'"));
  CHECK_THAT(refused(one_tensor("F32", "[3]", "[0,12]")), Contains("the data at 16"));
  CHECK_THAT(refused(one_tensor("F32", "[3]", "[4,16]")), Contains("hole"));
  const std::string a = R"("a":{"dtype":"F32","shape":[3],"data_offsets":[0,12]})";
  const std::string b = R"("b":{"dtype":"F32","shape":[2],"data_offsets":[8,16]})";
  CHECK_THAT(refused("{" + a + "," + b + "}"), Contains("overlap"));
  CHECK_THAT(refused("{" + a + "," + a + "}"), Contains("twice"));
  CHECK_THAT(refused(R"({"__metadata__":{"heads":4}})", 0), Contains("not a string"));
  CHECK_THAT(refused(R"({"__metadata__":[]})", 0), Contains("not an object"));
}

}  // namespace
}  // namespace winnow
