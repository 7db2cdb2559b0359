#include "post_processor.hpp"

#include <algorithm>

namespace winnow::tokenizer {
namespace {

int64_t read_id(const Field& field, int64_t size) {
  const int64_t id = field.id();
  if (id >= size)
    field.refuse("is " + std::to_string(id) + ", but the vocabulary has " + std::to_string(size) +
                 " tokens");
  return id;
}

// ["token", id]
int64_t read_pair(const Field& field, int64_t size) {
  const std::vector<Field> pair = field.items();
  if (pair.size() != 2) field.refuse("is not [token, id]");
  pair[0].text();
  return read_id(pair[1], size);
}

Frame read_bert(const Field& field, int64_t size) {
  return {{read_pair(field.at("cls"), size)}, {read_pair(field.at("sep"), size)}};
}

std::vector<int64_t> read_special(const Field& template_field, const Field& piece, int64_t size) {
  const std::string name = piece.at("id").text();
  const auto special = template_field.at("special_tokens").find(name.c_str());
  if (!special) piece.refuse("names " + shown(name) + ", which special_tokens does not have");
  std::vector<int64_t> ids;
  for (const Field& id : special->at("ids").items()) ids.push_back(read_id(id, size));
  return ids;
}

Frame read_template(const Field& field, int64_t size) {
  field.allow_only({"type", "single", "pair", "special_tokens"});
  Frame frame;
  int texts = 0;
  for (const Field& piece : field.at("single").items()) {
    piece.allow_only({"SpecialToken", "Sequence"});
    if (const auto special = piece.find("SpecialToken")) {
      const std::vector<int64_t> ids = read_special(field, *special, size);
      auto& side = texts == 0 ? frame.before : frame.after;
      side.insert(side.end(), ids.begin(), ids.end());
    } else {
      piece.at("Sequence").at("id").choice({"A"});
      ++texts;
    }
  }
  if (texts != 1)
    field.at("single").refuse("has the text " + std::to_string(texts) + " times, expected once");
  return frame;
}

Frame read_sequence(const Field& field, int64_t size) {
  field.allow_only({"type", "processors"});
  Frame frame;
  for (const Field& item : field.at("processors").items()) {
    Frame part = read_post_processor(item, size);
    if (part.size() > 0 && frame.size() > 0)
      item.refuse("adds tokens where an earlier one did, which is not supported");
    if (part.size() > 0) frame = std::move(part);
  }
  return frame;
}

}  // namespace

Frame read_post_processor(const Field& field, int64_t size) {
  switch (field.at("type").choice(
      {"BertProcessing", "ByteLevel", "RobertaProcessing", "Sequence", "TemplateProcessing"})) {
    case 0:
      field.allow_only({"type", "sep", "cls"});
      return read_bert(field, size);
    case 1:  // offsets only
      field.allow_only({"type", "add_prefix_space", "trim_offsets", "use_regex"});
      return {};
    case 2:
      field.allow_only({"type", "sep", "cls", "trim_offsets", "add_prefix_space"});
      return read_bert(field, size);
    case 3:
      return read_sequence(field, size);
    default:
      return read_template(field, size);
  }
}

}  // namespace winnow::tokenizer
