// What a tokenizer refuses, and that it says what, where and why.
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "plugins/samplers/tokenizer/tokenizer.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/temporary_folder.hpp"

namespace winnow {
namespace {

using Json = nlohmann::json;
using Catch::Contains;

std::string read_golden(const std::string& name) {
  std::ifstream file(TOKENIZERS "/" + name + ".json");
  return {std::istreambuf_iterator<char>(file), {}};
}

Tokenizer load(const std::string& bytes) {
  const test::TemporaryFolder folder(test::Medium::kMemory);
  test::write_bytes(folder / "tokenizer.json", bytes);
  return Tokenizer::load((folder / "tokenizer.json").string());
}

std::string refusal(const std::string& bytes) {
  try {
    load(bytes);
  } catch (const std::runtime_error& error) {
    const std::string text = error.what();
    CHECK(text.find("tokenizer.json: ") != std::string::npos);
    CHECK(text.find('\n') == std::string::npos);
    CHECK_NOTHROW(Json(text).dump());  // is UTF-8
    return text;
  }
  return "nothing was refused";
}

// The refusal after an RFC 6902 change ("replace", "add" or "remove") of a golden file.
std::string refusal(const char* name, const char* change, const char* place,
                    const Json& value = {}) {
  const Json step = {{"op", change}, {"path", place}, {"value", value}};
  return refusal(Json::parse(read_golden(name)).patch(Json::array({step})).dump());
}

std::string refusal_of_regex(const char* expression) {
  const Json split = {{"type", "Split"},
                      {"pattern", {{"Regex", expression}}},
                      {"behavior", "Isolated"},
                      {"invert", false}};
  return refusal("probe", "replace", "/pre_tokenizer", split);
}

TEST_CASE("files that are no tokenizer.json are refused") {
  CHECK_THROWS_WITH(Tokenizer::load("/no/such/tokenizer.json"), Contains("there is no such file"));
  CHECK_THROWS_WITH(Tokenizer::load("/"), Contains("not a regular file"));
  CHECK_THAT(refusal(""), Contains("is not JSON"));
  CHECK_THAT(refusal("[1, 2]"), Contains("holds an array"));
  CHECK_THAT(refusal("{\"version\": \xff\x89}"), Contains("is not JSON"));
  CHECK_THAT(refusal("{}"), Contains("has no \"model\""));
  CHECK_THAT(refusal(R"({"model": {"vocab": {"a": 1, "a": 2}}})"), Contains("\"a\" stands twice"));
  CHECK_THAT(refusal(std::string(1000, '[')), Contains("nested more than"));
  CHECK_THAT(refusal("probe", "replace", "/version", "2.0"), Contains("version: is \"2.0\""));
  CHECK_THAT(refusal("probe", "add", "/extra", 1), Contains("has a key \"extra\""));
  const std::string whole = read_golden("bert");
  for (size_t i = 0; i < 100; ++i)
    CHECK_THAT(refusal(whole.substr(0, i * (whole.size() - 2) / 100)), Contains("is not JSON"));
}

TEST_CASE("parts that are not supported are refused by name") {
  const auto kind = [](const char* name) { return Json{{"type", name}}; };
  CHECK_THAT(refusal("bert", "replace", "/model/type", "WordLevel"),
             Contains("model.type: is \"WordLevel\", which is not supported"));
  CHECK_THAT(refusal("bert", "replace", "/normalizer", kind("Unheard")),
             Contains("normalizer.type: is \"Unheard\""));
  CHECK_THAT(refusal("bert", "replace", "/pre_tokenizer", kind("UnicodeScripts")),
             Contains("pre_tokenizer.type: is \"UnicodeScripts\""));
  CHECK_THAT(refusal("clip", "replace", "/pre_tokenizer/pretokenizers/1", kind("Delimiter")),
             Contains("pre_tokenizer.pretokenizers[1].type: is \"Delimiter\""));
  CHECK_THAT(refusal("bert", "replace", "/post_processor", kind("Other")),
             Contains("post_processor.type: is \"Other\""));
  CHECK_THAT(refusal("clip", "replace", "/model/dropout", 0.5), Contains("random merges"));
  CHECK_THAT(refusal("t5", "add", "/model/alpha", 0.5), Contains("has a key \"alpha\""));
  CHECK_THAT(refusal("roberta", "replace", "/truncation/strategy", "OnlySecond"),
             Contains("truncation.strategy: is \"OnlySecond\""));
}

TEST_CASE("missing fields and wrong types are refused with their place") {
  CHECK_THAT(refusal("bert", "remove", "/model/unk_token"),
             Contains("model: has no \"unk_token\""));
  CHECK_THAT(refusal("clip", "remove", "/model/merges"), Contains("model: has no \"merges\""));
  CHECK_THAT(refusal("clip", "replace", "/model/vocab", Json::array()),
             Contains("model.vocab: is an array, expected an object"));
  CHECK_THAT(refusal("t5", "replace", "/model/vocab/7/1", "x"),
             Contains("model.vocab[7][1]: is a string, expected a number"));
  CHECK_THAT(refusal("t5", "replace", "/model/vocab/7", Json::array({"x"})),
             Contains("model.vocab[7]: is not [token, score]"));
  CHECK_THAT(refusal("clip", "replace", "/added_tokens/0/lstrip", 1),
             Contains("added_tokens[0].lstrip: is an integer, expected true or false"));
  CHECK_THAT(refusal("bert", "remove", "/normalizer/lowercase"),
             Contains("normalizer: has no \"lowercase\""));
  CHECK_THAT(refusal("roberta", "replace", "/padding/pad_id", -1),
             Contains("padding.pad_id: is -1"));
  CHECK_THAT(refusal("roberta", "replace", "/padding/pad_id", 1e300), Contains("padding.pad_id"));
  CHECK_THAT(refusal("clip", "replace", "/post_processor/sep", Json::array({"x"})),
             Contains("post_processor.sep: is not [token, id]"));
  CHECK_THAT(refusal("t5", "replace", "/pre_tokenizer/replacement", "ab"),
             Contains("is not one character"));
  CHECK_THAT(refusal("t5", "add", "/pre_tokenizer/add_prefix_space", false),
             Contains("does not agree with the prepend_scheme"));
}

TEST_CASE("vocabularies that contradict themselves are refused") {
  CHECK_THAT(refusal("bert", "add", "/model/vocab/zzz", 5),
             Contains("gives the id 5 to") && Contains("\"zzz\""));
  CHECK_THAT(refusal("bert", "add", "/model/vocab/zzz", -5),
             Contains("model.vocab[\"zzz\"]: is -5"));
  CHECK_THAT(refusal("bert", "replace", "/model/vocab", Json::object()), Contains("is empty"));
  CHECK_THAT(refusal("t5", "add", "/model/vocab/9", Json::array({"</s>", -1.0})),
             Contains("has the token \"</s>\" twice"));
  CHECK_THAT(refusal("t5", "replace", "/model/unk_id", 100000),
             Contains("model.unk_id: is 100000"));
  CHECK_THAT(refusal("clip", "replace", "/model/merges/3", Json::array({"q", "nothing"})),
             Contains("model.merges[3]: names the token \"nothing\""));
  CHECK_THAT(refusal("clip", "replace", "/model/merges/3", "a b c"),
             Contains("model.merges[3]: is \"a b c\", expected two tokens"));
  CHECK_THAT(refusal("clip", "add", "/model/merges/0", Json::array({"q", "x"})),
             Contains("model.merges[0]: names the token \"qx\""));
  const Json merge = Json::parse(read_golden("clip"))["model"]["merges"][0];
  CHECK_THAT(refusal("clip", "add", "/model/merges/-", merge), Contains("a second time"));
  CHECK_THAT(refusal("clip", "replace", "/model/unk_token", "?!"),
             Contains("model.unk_token: names the token \"?!\""));
  CHECK_THAT(
      refusal("clip", "replace", "/added_tokens/1/id", 7),
      Contains(
          "added_tokens[1]: gives the token \"<|endoftext|>\" the id 7, but model.vocab gives it"));
  CHECK_THAT(
      refusal("roberta", "replace", "/added_tokens/4/id", 9999),
      Contains(
          "added_tokens[4]: gives the token \"<mask>\" the id 9999, but the tokens before it"));
  CHECK_THAT(refusal("clip", "replace", "/post_processor/sep/1", 100000),
             Contains("post_processor.sep[1]: is 100000, but the vocabulary has"));
  const Json file = Json::parse(read_golden("clip"));
  CHECK_THAT(refusal("clip", "add", "/added_tokens/-", file["added_tokens"][0]),
             Contains("\"<|startoftext|>\" a second time"));
}

TEST_CASE("templates without the text or its tokens are refused") {
  CHECK_THAT(refusal("bert", "remove", "/post_processor/single/1"),
             Contains("post_processor.single: has the text 0 times"));
  CHECK_THAT(refusal("bert", "replace", "/post_processor/single/1/Sequence/id", "B"),
             Contains("post_processor.single[1].Sequence.id: is \"B\""));
  CHECK_THAT(refusal("bert", "replace", "/post_processor/special_tokens", Json::object()),
             Contains("names \"[CLS]\", which special_tokens does not have"));
}

TEST_CASE("regular expressions that another library would read differently are refused") {
  CHECK_THAT(refusal_of_regex("^a"), Contains("the anchor ^ at byte 0"));
  CHECK_THAT(refusal_of_regex("a$"), Contains("the anchor $ at byte 1"));
  CHECK_THAT(refusal_of_regex("\\bword"), Contains("\\b at byte 0"));
  CHECK_THAT(refusal_of_regex("\\h+"), Contains("\\h"));
  CHECK_THAT(refusal_of_regex("(a)\\1"), Contains("\\1 at byte 3"));
  CHECK_THAT(refusal_of_regex("(?<name>a)"), Contains("the group (?<n"));
  CHECK_THAT(refusal_of_regex("(?m:a)"), Contains("the group (?m:"));
  CHECK_THAT(refusal_of_regex("(?i:[a-z])"), Contains("[...] under (?i:"));
  CHECK_THAT(refusal_of_regex("(?i:\u00e4)"), Contains("more than plain letters"));
  CHECK_THAT(refusal_of_regex("[a-z&&[^b]]"), Contains("an operation within [...]"));
  CHECK_THAT(refusal_of_regex("[\\w-z]"), Contains("a - next to a class"));
  CHECK_THAT(refusal_of_regex("[abc"), Contains("a [ without its ]"));
  CHECK_THAT(refusal_of_regex("\\p{Script=Han}"), Contains("the property Script=Han"));
  CHECK_THAT(refusal_of_regex("a{,3}"), Contains("a { that repeats nothing"));
  CHECK_THAT(refusal_of_regex("a{2}?"), Contains("{...}?"));
  CHECK_THAT(refusal_of_regex("a\\"), Contains("a lone \\"));
  CHECK_THAT(refusal_of_regex("\\\u00e9"), Contains("\\? at byte 0"));
  CHECK_THAT(refusal_of_regex("\\xe9"), Contains("\\xe9"));
  CHECK_THAT(refusal_of_regex("(a"), Contains("is not valid"));
  CHECK_THAT(refusal_of_regex(""), Contains("is empty"));
}

TEST_CASE("an expression that never comes to an end is stopped") {
  Json file = Json::parse(read_golden("probe"));
  file["normalizer"] = {
      {"type", "Replace"}, {"pattern", {{"Regex", "(?:a|aa|a)+b"}}}, {"content", ""}};
  CHECK_THROWS_WITH(load(file.dump()).encode(std::string(20000, 'a')), Contains("takes too long"));
}

TEST_CASE("character maps that do not fit together are refused") {
  const char* place = "/normalizer/normalizers/0/precompiled_charsmap";
  CHECK_THAT(refusal("t5", "replace", place, "?"), Contains("is not base64"));
  CHECK_THAT(refusal("t5", "replace", place, "????"), Contains("is not base64"));
  CHECK_THAT(refusal("t5", "replace", place, "AAA="), Contains("has 2 bytes"));
  CHECK_THAT(refusal("t5", "replace", place, "/////w=="), Contains("claims a trie of 4294967295"));
  CHECK_THAT(refusal("t5", "replace", place, "BAAAAAAAAAD/"), Contains("is not UTF-8"));
  Json file = Json::parse(read_golden("t5"));
  file["normalizer"]["normalizers"][0]["precompiled_charsmap"] = "BAAAAP//////";
  CHECK_THROWS_WITH(load(Json(file).dump()), Contains("is not UTF-8"));
  file["normalizer"]["normalizers"][0]["precompiled_charsmap"] = "BAAAAP////8=";
  const Tokenizer tokenizer = load(file.dump());
  CHECK_THROWS_WITH(tokenizer.encode("a"), Contains("points outside itself"));
}

TEST_CASE("texts that are not UTF-8 are refused with the place") {
  const Tokenizer tokenizer = load(read_golden("clip"));
  for (const char* bad : {"\xff", "\xc3", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\x80"})
    CHECK_THROWS_WITH(tokenizer.encode(std::string("abc") + bad + "def"),
                      Contains("is not UTF-8: byte 3 begins no character"));
  CHECK_THROWS_WITH(tokenizer.encode(std::string((16 << 20) + 1, 'a')), Contains("16777217 bytes"));
}

TEST_CASE("lengths and paddings that cannot be are refused") {
  const Tokenizer clip = load(read_golden("clip"));
  CHECK_THROWS_WITH(clip.encode("a", 77), Contains("names no padding token"));
  CHECK_THROWS_WITH(clip.encode("a", 1, 0), Contains("leaves no room for the 2 special tokens"));
  CHECK_THROWS_WITH(clip.encode("a", 77, 100000), Contains("padding token 100000"));
  CHECK(clip.encode("a", 2, 0).mask == std::vector<int64_t>{1, 1});
}

TEST_CASE("an unknown character without an unknown token is refused") {
  Json file = Json::parse(read_golden("t5"));
  file["model"]["unk_id"] = nullptr;
  CHECK_THROWS_WITH(load(file.dump()).encode("\u2603"), Contains("names no unk_id"));
}

TEST_CASE("damaged files are read or refused, and nothing else") {
  std::mt19937 random(7);
  int refused = 0;
  for (const char* name : {"clip", "bert", "t5"}) {
    const std::string whole = read_golden(name);
    for (int i = 0; i < 60; ++i) {
      std::string bytes = whole;
      for (int k = 0; k < 3; ++k)
        bytes[random() % bytes.size()] = static_cast<char>(random() % 128);
      try {
        load(bytes).encode("a na\u0131\u0308ve \u6771\u4eac test of \uff21\u2122");
      } catch (const std::runtime_error&) {
        ++refused;
      }
    }
  }
  CHECK(refused > 0);
}

}  // namespace
}  // namespace winnow
