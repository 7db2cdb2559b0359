#include "normalizer.hpp"

#include <unicode/locid.h>
#include <unicode/normalizer2.h>
#include <unicode/uniset.h>

#include <algorithm>
#include <memory>
#include <stdexcept>
#include <utility>

#include "charsmap.hpp"
#include "pattern.hpp"

namespace winnow::tokenizer {
namespace {

void check(UErrorCode status, const char* what) {
  if (U_FAILURE(status))
    throw std::runtime_error(std::string("ICU has no ") + what + ": " + u_errorName(status));
}

// A normal form by the tables of Unicode 9, as the library has them.
class Form {
 public:
  enum Name { kNfc, kNfd, kNfkc, kNfkd };

  explicit Form(Name name) {
    UErrorCode status = U_ZERO_ERROR;
    const char* tables = name == kNfc || name == kNfd ? "nfc" : "nfkc";
    const bool composes = name == kNfc || name == kNfkc;
    const icu::Normalizer2* form = icu::Normalizer2::getInstance(
        nullptr, tables, composes ? UNORM2_COMPOSE : UNORM2_DECOMPOSE, status);
    check(status, "normal form");
    known_ = std::make_unique<icu::UnicodeSet>("[:age=9.0:]", status);
    check(status, "characters of Unicode 9");
    known_->freeze();
    form_ = std::make_unique<icu::FilteredNormalizer2>(*form, *known_);
  }

  void apply(Text& text) const {
    int32_t head = 0;
    if (text.head > 0) {
      int32_t end = text.head;  // of what the head may be joined with
      while (end < text.units.length() && !form_->hasBoundaryBefore(text.units.char32At(end)))
        end = text.units.moveIndex32(end, 1);
      head = std::min(run(text.units.tempSubString(0, text.head)).length(),
                      run(text.units.tempSubString(0, end)).length());
    }
    text = {run(text.units), head};
  }

 private:
  icu::UnicodeString run(const icu::UnicodeString& units) const {
    UErrorCode status = U_ZERO_ERROR;
    icu::UnicodeString out = form_->normalize(units, status);
    check(status, "normal form of this text");
    return out;
  }

  std::unique_ptr<icu::UnicodeSet> known_;
  std::unique_ptr<icu::Normalizer2> form_;
};

Normalizer form(Form::Name name) {
  return [form = std::make_shared<const Form>(name)](Text& text) { form->apply(text); };
}

// Character by character, so that no sigma becomes a final one.
void lower(Text& text) {
  std::vector<Change> changes;
  for (int32_t i = 0; i < text.units.length(); i = text.units.moveIndex32(i, 1)) {
    const auto small = icu::UnicodeString(text.units.char32At(i)).toLower(icu::Locale::getRoot());
    for (int32_t k = 0; k < small.length(); k = small.moveIndex32(k, 1))
      changes.push_back({small.char32At(k), k > 0 ? 1 : 0});
  }
  transform(text, changes);
}

// Replaces characters one by one.
template <class Map>
void map(Text& text, Map change) {
  std::vector<Change> changes;
  for (int32_t i = 0; i < text.units.length(); i = text.units.moveIndex32(i, 1))
    changes.push_back({change(text.units.char32At(i)), 0});
  transform(text, changes);
}

void strip(Text& text, bool left, bool right) {
  int32_t begin = 0;
  int32_t end = text.units.length();
  while (left && begin < end && is_white(text.units.char32At(begin)))
    begin = text.units.moveIndex32(begin, 1);
  while (right && end > begin && is_white(text.units.char32At(end - 1)))
    end = text.units.moveIndex32(end, -1);
  text = slice(text, begin, end);
}

void replace(Text& text, const Pattern& pattern, const icu::UnicodeString& content) {
  Text out;
  for (const Range& range : pattern.find(text.units)) {
    out.units.append(range.match ? content
                                 : text.units.tempSubStringBetween(range.begin, range.end));
    // The content stems from the last character that it replaces.
    if (range.match ? range.end <= text.head : range.begin < text.head)
      out.head = out.units.length() - (range.match ? 0 : std::max(range.end - text.head, 0));
  }
  text = std::move(out);
}

bool is_bert_blank(UChar32 c) { return c == '\t' || c == '\n' || c == '\r'; }

// The blocks that BERT's own code counts as Chinese.
bool is_chinese(UChar32 c) {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) ||
         (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B73F) ||
         (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
         (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

void clean(Text& text) {
  filter(text,
         [](UChar32 c) { return c != 0 && c != 0xFFFD && (is_bert_blank(c) || !is_other(c)); });
  map(text, [](UChar32 c) { return is_bert_blank(c) || is_white(c) ? UChar32{' '} : c; });
}

void space_chinese(Text& text) {
  std::vector<Change> changes;
  for (int32_t i = 0; i < text.units.length(); i = text.units.moveIndex32(i, 1)) {
    const UChar32 c = text.units.char32At(i);
    if (is_chinese(c))
      changes.insert(changes.end(), {{' ', 0}, {c, 1}, {' ', 1}});
    else
      changes.push_back({c, 0});
  }
  transform(text, changes);
}

Normalizer read_bert(const Field& field) {
  field.allow_only({"type", "clean_text", "handle_chinese_chars", "strip_accents", "lowercase"});
  const bool cleans = field.at("clean_text").flag();
  const bool chinese = field.at("handle_chinese_chars").flag();
  const bool lowers = field.at("lowercase").flag();
  const auto accents = field.find("strip_accents");
  const bool strips = accents ? accents->flag() : lowers;
  return [=, decompose = form(Form::kNfd)](Text& text) {
    if (cleans) clean(text);
    if (chinese) space_chinese(text);
    if (strips) {
      decompose(text);
      filter(text, [](UChar32 c) { return !is_nonspacing_mark(c); });
    }
    if (lowers) lower(text);
  };
}

// NMT's cleaning as SentencePiece defines it.
void clean_nmt(Text& text) {
  filter(text, [](UChar32 c) {
    return !((c >= 0x01 && c <= 0x08) || c == 0x0B || (c >= 0x0E && c <= 0x1F) || c == 0x7F ||
             c == 0x8F || c == 0x9F);
  });
  map(text, [](UChar32 c) {
    const bool blank = c == 0x09 || c == 0x0A || c == 0x0C || c == 0x0D || c == 0x1680 ||
                       (c >= 0x200B && c <= 0x200F) || c == 0x2028 || c == 0x2029 || c == 0x2581 ||
                       c == 0xFEFF || c == 0xFFFD;
    return blank ? UChar32{' '} : c;
  });
}

Normalizer read_precompiled(const Field& field) {
  field.allow_only({"type", "precompiled_charsmap"});
  const Field map = field.at("precompiled_charsmap");
  const std::string base64 = map.text();
  try {
    return [charsmap = std::make_shared<const Charsmap>(Charsmap::read(base64))](Text& text) {
      charsmap->apply(text);
    };
  } catch (const std::runtime_error& error) {
    map.refuse(error.what());
  }
}

Normalizer read_prepend(const Field& field) {
  field.allow_only({"type", "prepend"});
  return [front = icu::UnicodeString::fromUTF8(field.at("prepend").text())](Text& text) {
    if (text.units.isEmpty()) return;
    text.units.insert(0, front);
    if (text.head > 0) text.head += front.length();
  };
}

Normalizer read_replace(const Field& field) {
  field.allow_only({"type", "pattern", "content"});
  return [pattern = Pattern::read(field.at("pattern")),
          content = icu::UnicodeString::fromUTF8(field.at("content").text())](Text& text) {
    replace(text, pattern, content);
  };
}

Normalizer read_strip(const Field& field) {
  field.allow_only({"type", "strip_left", "strip_right"});
  const bool left = field.at("strip_left").flag();
  const bool right = field.at("strip_right").flag();
  return [=](Text& text) { strip(text, left, right); };
}

Normalizer read_sequence(const Field& field) {
  field.allow_only({"type", "normalizers"});
  std::vector<Normalizer> parts;
  for (const Field& item : field.at("normalizers").items()) parts.push_back(read_normalizer(item));
  return [parts](Text& text) {
    for (const Normalizer& part : parts) part(text);
  };
}

Normalizer read_plain(const Field& field, Normalizer normalizer) {
  field.allow_only({"type"});
  return normalizer;
}

}  // namespace

Normalizer read_normalizer(const Field& field) {
  switch (field.at("type").choice({"BertNormalizer", "Lowercase", "NFC", "NFD", "NFKC", "NFKD",
                                   "Nmt", "Precompiled", "Prepend", "Replace", "Sequence", "Strip",
                                   "StripAccents"})) {
    case 0:
      return read_bert(field);
    case 1:
      return read_plain(field, lower);
    case 2:
      return read_plain(field, form(Form::kNfc));
    case 3:
      return read_plain(field, form(Form::kNfd));
    case 4:
      return read_plain(field, form(Form::kNfkc));
    case 5:
      return read_plain(field, form(Form::kNfkd));
    case 6:
      return read_plain(field, clean_nmt);
    case 7:
      return read_precompiled(field);
    case 8:
      return read_prepend(field);
    case 9:
      return read_replace(field);
    case 10:
      return read_sequence(field);
    case 11:
      return read_strip(field);
    default:
      return read_plain(field,
                        [](Text& text) { filter(text, [](UChar32 c) { return !is_mark(c); }); });
  }
}

}  // namespace winnow::tokenizer
