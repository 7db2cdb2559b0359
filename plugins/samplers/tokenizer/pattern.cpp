#include "pattern.hpp"

#include <algorithm>
#include <stdexcept>

#include "regex_syntax.hpp"

namespace winnow::tokenizer {
namespace {

// ICU counts ten thousand steps as one; Oniguruma gives up after as many.
constexpr int32_t kMaxTime = 1000;

void check(UErrorCode status, const char* what) {
  if (U_FAILURE(status))
    throw std::runtime_error(std::string(what) + " (ICU: " + u_errorName(status) + ')');
}

class Cover {
 public:
  explicit Cover(int32_t length) : length_(length) {}
  void add_match(int32_t begin, int32_t end) {
    if (done_ != begin) ranges_.push_back({done_, begin, false});
    ranges_.push_back({begin, end, true});
    done_ = end;
  }
  Ranges finish() {
    if (done_ != length_) ranges_.push_back({done_, length_, false});
    return std::move(ranges_);
  }

 private:
  int32_t length_;
  int32_t done_ = 0;
  Ranges ranges_;
};

Ranges find_literal(const icu::UnicodeString& wanted, const icu::UnicodeString& text) {
  Cover cover(text.length());
  int32_t place = text.indexOf(wanted);
  while (place >= 0) {
    cover.add_match(place, place + wanted.length());
    place = text.indexOf(wanted, place + wanted.length());
  }
  return cover.finish();
}

Ranges find_regex(const icu::RegexPattern& regex, const icu::UnicodeString& text) {
  UErrorCode status = U_ZERO_ERROR;
  const std::unique_ptr<icu::RegexMatcher> matcher(regex.matcher(text, status));
  check(status, "a pattern cannot be used");
  matcher->setTimeLimit(kMaxTime, status);
  Cover cover(text.length());
  int32_t from = 0;
  int32_t last_end = -1;
  while (from <= text.length() && matcher->find(from, status)) {
    const int32_t begin = matcher->start(status);
    const int32_t end = matcher->end(status);
    // An empty match where the last one ended would be found for ever.
    if (begin == end && end == last_end) {
      if (from == text.length()) break;
      from = text.moveIndex32(from, 1);
      continue;
    }
    cover.add_match(begin, end);
    from = last_end = end;
  }
  check(status, "a pattern of the tokenizer takes too long on this text");
  return cover.finish();
}

// Joins a range to the one before it where `joins` says so.
template <class Iterator, class Joins>
Ranges fold(Iterator first, Iterator last, Joins joins) {
  Ranges out;
  bool previous = false;
  for (; first != last; ++first) {
    if (!out.empty() && joins(first->match, previous)) {
      out.back().begin = std::min(out.back().begin, first->begin);
      out.back().end = std::max(out.back().end, first->end);
    } else {
      out.push_back(*first);
    }
    previous = first->match;
  }
  return out;
}

Ranges arrange(const Ranges& ranges, Behavior behavior) {
  const auto begins_match = [](bool match, bool previous) { return match && !previous; };
  switch (behavior) {
    case Behavior::kIsolated:
      return ranges;
    case Behavior::kRemoved: {
      Ranges kept;
      std::copy_if(ranges.begin(), ranges.end(), std::back_inserter(kept),
                   [](const Range& range) { return !range.match; });
      return kept;
    }
    case Behavior::kContiguous:
      return fold(ranges.begin(), ranges.end(),
                  [](bool match, bool previous) { return match == previous; });
    case Behavior::kMergedWithPrevious:
      return fold(ranges.begin(), ranges.end(), begins_match);
    case Behavior::kMergedWithNext: {
      Ranges folded = fold(ranges.rbegin(), ranges.rend(), begins_match);
      std::reverse(folded.begin(), folded.end());
      return folded;
    }
  }
  return ranges;
}

}  // namespace

Behavior read_behavior(const Field& field) {
  return static_cast<Behavior>(
      field.choice({"Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"}));
}

Pattern Pattern::read(const Field& field) {
  field.allow_only({"String", "Regex"});
  if (field.object().size() != 1) field.refuse("expected either \"String\" or \"Regex\"");
  const bool is_regex = field.find("Regex").has_value();
  const Field pattern = field.at(is_regex ? "Regex" : "String");
  const std::string text = pattern.text();
  if (text.empty()) pattern.refuse("is empty, which is not supported");
  if (!is_regex) return literal(text);
  try {
    return regex(text);
  } catch (const std::runtime_error& error) {
    pattern.refuse(error.what());
  }
}

Pattern Pattern::regex(const std::string& expression) {
  UErrorCode status = U_ZERO_ERROR;
  UParseError place;
  Pattern pattern;
  pattern.regex_.reset(
      icu::RegexPattern::compile(to_icu_syntax(expression), UREGEX_UNIX_LINES, place, status));
  check(status, ("the expression " + shown(expression) + " is not valid").c_str());
  return pattern;
}

Pattern Pattern::literal(const std::string& text) {
  Pattern pattern;
  pattern.literal_ = icu::UnicodeString::fromUTF8(text);
  return pattern;
}

Ranges Pattern::find(const icu::UnicodeString& text) const {
  return regex_ ? find_regex(*regex_, text) : find_literal(literal_, text);
}

Ranges find_characters(const icu::UnicodeString& text, const std::function<bool(UChar32)>& wanted) {
  Cover cover(text.length());
  for (int32_t i = 0; i < text.length();) {
    const int32_t begin = i;
    i = text.moveIndex32(i, 1);
    if (wanted(text.char32At(begin))) cover.add_match(begin, i);
  }
  return cover.finish();
}

std::vector<Text> split(const Text& text, const Ranges& ranges, Behavior behavior) {
  std::vector<Text> pieces;
  for (const Range& range : arrange(ranges, behavior))
    if (range.begin != range.end) pieces.push_back(slice(text, range.begin, range.end));
  return pieces;
}

}  // namespace winnow::tokenizer
