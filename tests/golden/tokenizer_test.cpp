// Tokenizers against the ids that Hugging Face's library gives (tokenizer_reference.py), one by
// one.
#include "plugins/samplers/tokenizer/tokenizer.hpp"

#include <cstdint>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/support/catch.hpp"
#include "tests/support/temporary_folder.hpp"

namespace winnow {
namespace {

using Json = nlohmann::json;
using Ids = std::vector<int64_t>;

Json read_golden(const std::string& name) {
  return Json::parse(std::ifstream(TOKENIZERS "/" + name + ".json"));
}

Tokenizer load(const Json& file) {
  const test::TemporaryFolder folder;
  test::write_bytes(folder / "tokenizer.json", file.dump());
  return Tokenizer::load((folder / "tokenizer.json").string());
}

Tokenizer load_entry(const Json& entry) {
  Json file = read_golden(entry["base"]);
  for (const auto& part : entry["patch"].items()) {
    if (part.key() == "model")
      file["model"].merge_patch(part.value());
    else
      file[part.key()] = part.value();
  }
  return load(file);
}

// FNV-1a over the ids.
std::string hash(const Ids& ids) {
  uint64_t value = 0xCBF29CE484222325;
  for (const int64_t id : ids) value = (value ^ static_cast<uint64_t>(id)) * 0x100000001B3;
  char text[17];
  std::snprintf(text, sizeof text, "%016lx", static_cast<unsigned long>(value));
  return text;
}

// Many ids are recorded as their number and hash.
void check_ids(const Ids& ids, const Json& expected) {
  if (expected.size() == 2 && expected[1].is_string()) {
    CHECK(ids.size() == expected[0]);
    CHECK(hash(ids) == expected[1]);
  } else {
    CHECK(ids == expected.get<Ids>());
  }
}

TEST_CASE("tokenizers of every kind give the ids of the library they are read from") {
  const Json golden = read_golden("expected");
  REQUIRE(golden["tokenizers"].size() >= 50);
  for (const Json& entry : golden["tokenizers"]) {
    INFO(entry["name"]);
    const Tokenizer tokenizer = load_entry(entry);
    REQUIRE(entry["ids"].size() == golden["texts"].size());
    for (size_t i = 0; i < golden["texts"].size(); ++i) {
      INFO("text " << i);
      const Encoding encoding = tokenizer.encode(golden["texts"][i].get<std::string>());
      check_ids(encoding.ids, entry["ids"][i]);
      CHECK(encoding.mask.size() == encoding.ids.size());
    }
  }
}

TEST_CASE("texts are cut and padded to a length, with the mask of the library") {
  const Json golden = read_golden("expected");
  int compared = 0;
  for (const Json& entry : golden["tokenizers"]) {
    if (entry["fixed"].empty()) continue;
    INFO(entry["name"]);
    const Tokenizer tokenizer = load_entry(entry);
    for (const Json& item : entry["fixed"]) {
      const std::string text = golden["texts"][item[0].get<size_t>()];
      const Encoding encoding = tokenizer.encode(text, item[1].get<size_t>(), item[2]);
      CHECK(encoding.ids == item[3].get<Ids>());
      CHECK(encoding.mask == item[4].get<Ids>());
      ++compared;
    }
  }
  CHECK(compared == 18);
}

TEST_CASE("a file's own length and padding token are used when none are given") {
  const Json file = read_golden("roberta");
  const Tokenizer tokenizer = load(file);
  const int64_t pad = file["padding"]["pad_id"];
  const Encoding whole = tokenizer.encode("a cat");
  CHECK(whole.ids.size() == 24);
  CHECK(whole.ids.back() == pad);
  CHECK(whole.mask.front() == 1);
  CHECK(whole.mask.back() == 0);
  const Encoding short_one = tokenizer.encode("a cat", 6);
  CHECK(short_one.ids == Ids(whole.ids.begin(), whole.ids.begin() + 6));
  Json left = file;
  left["padding"]["direction"] = left["truncation"]["direction"] = "Left";
  const Encoding mirrored = load(left).encode("a cat", 24);
  CHECK(mirrored.ids.front() == pad);
  CHECK(mirrored.mask.front() == 0);
  CHECK(mirrored.mask.back() == 1);
  Json multiple = file;
  multiple["padding"]["strategy"] = "BatchLongest";
  multiple["padding"]["pad_to_multiple_of"] = 8;
  CHECK(load(multiple).encode("a cat").ids.size() == 8);
}

TEST_CASE("a tokenizer knows its tokens and the rows that they need") {
  const Tokenizer tokenizer = load(read_golden("clip"));
  const int64_t end = *tokenizer.id("<|endoftext|>");
  CHECK(tokenizer.encode("").ids.back() == end);
  CHECK(tokenizer.size() == end + 1);
  CHECK_FALSE(tokenizer.id("no such token").has_value());
  CHECK_NOTHROW(tokenizer.check_rows(end + 1));
  CHECK_THROWS_WITH(tokenizer.check_rows(10), Catch::Contains("ids up to " + std::to_string(end)) &&
                                                  Catch::Contains("has 10 rows"));
}

TEST_CASE("files without a type of model and with merges in one string are read as before") {
  Json file = read_golden("clip");
  const Ids expected = load(file).encode("a photo of a cat").ids;
  file["model"].erase("type");
  for (Json& merge : file["model"]["merges"])
    merge = merge[0].get<std::string>() + " " + merge[1].get<std::string>();
  file["model"]["merges"].insert(file["model"]["merges"].begin(), "#version: 0.2");
  CHECK(load(file).encode("a photo of a cat").ids == expected);
  for (const char* name : {"bert", "t5"}) {
    Json old = read_golden(name);
    const Ids same = load(old).encode("a photo of a cat").ids;
    old["model"].erase("type");
    CHECK(load(old).encode("a photo of a cat").ids == same);
  }
}

TEST_CASE("a word of 200,000 characters is merged in the order of the list") {
  Json file = read_golden("probe");
  file["model"]["end_of_word_suffix"] = nullptr;
  Json& vocab = file["model"]["vocab"];
  std::string token = "a";
  for (int i = 0; i < 6; ++i) {  // aa, aaaa, ...
    file["model"]["merges"].push_back({token, token});
    token += token;
    vocab[token] = 512 + i;
  }
  const Ids ids = load(file).encode(std::string(200'000, 'a')).ids;
  CHECK(ids == Ids(200'000 / 64, 517));
}

}  // namespace
}  // namespace winnow
