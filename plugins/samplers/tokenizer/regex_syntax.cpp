#include "regex_syntax.hpp"

#include <unicode/uchar.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstring>
#include <stdexcept>
#include <string_view>

#include "json_field.hpp"

namespace winnow::tokenizer {
namespace {

constexpr const char* kWord = "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}";
// Outside of [...] Oniguruma counts six numbers of Latin-1 as well.
constexpr const char* kLatinNumbers = "\\u00B2\\u00B3\\u00B9\\u00BC-\\u00BE";

constexpr std::array kProperties = {
    "L",  "Lu", "Ll", "Lt", "Lm", "Lo", "M",  "Mn", "Mc", "Me",  "N",      "Nd",       "Nl",
    "No", "P",  "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "S",   "Sm",     "Sc",       "Sk",
    "So", "Z",  "Zs", "Zl", "Zp", "C",  "Cc", "Cf", "Co", "Han", "Hangul", "Hiragana", "Katakana",
};

bool is_ascii_mark(char c) { return std::ispunct(static_cast<unsigned char>(c)) != 0; }

class Translator {
 public:
  explicit Translator(const std::string& expression) : in_(expression) {}

  icu::UnicodeString run() {
    while (at_ < in_.size()) step();
    return icu::UnicodeString::fromUTF8(out_);
  }

 private:
  [[noreturn]] void refuse(const std::string& part) const {
    throw std::runtime_error("the regular expression uses " + ascii(part) + " at byte " +
                             std::to_string(at_) + ", which is not supported");
  }
  char next() const { return at_ < in_.size() ? in_[at_] : '\0'; }
  bool starts(const char* text) const { return in_.compare(at_, std::strlen(text), text) == 0; }
  void copy(size_t count) {
    out_.append(in_, at_, count);
    at_ += count;
  }

  void step() {
    switch (next()) {
      case '\\':
        escape(false);
        return;
      case '[':
        set();
        return;
      case '(':
        group();
        return;
      case ')':
        if (folded_ > 0) --folded_;
        copy(1);
        return;
      case '{':
        repeat();
        return;
      case '^':
      case '$':
        refuse("the anchor " + std::string(1, next()));
      case ']':
      case '}':
        refuse("a lone " + std::string(1, next()));
      default:
        plain();
    }
  }

  // Folding of letters beyond ASCII and of classes differs between the libraries.
  void plain() {
    const bool other = static_cast<unsigned char>(next()) >= 0x80 || next() == '.';
    if (folded_ > 0 && other) refuse("more than plain letters under (?i:");
    copy(1);
  }

  void group() {
    constexpr std::array kinds = {"(?:", "(?=", "(?!", "(?<=", "(?<!", "(?>", "(?i:"};
    if (folded_ > 0) ++folded_;
    if (!starts("(?")) return copy(1);
    const auto kind =
        std::find_if(kinds.begin(), kinds.end(), [&](const char* text) { return starts(text); });
    if (kind == kinds.end()) refuse("the group " + in_.substr(at_, 4));
    if (folded_ == 0 && starts("(?i:")) folded_ = 1;
    copy(std::strlen(*kind));
  }

  // {n}, {n,} or {n,m}, without a mark behind it: Ruby reads that as something else.
  void repeat() {
    const size_t end = in_.find('}', at_);
    const std::string body = end == std::string::npos ? "" : in_.substr(at_ + 1, end - at_ - 1);
    const auto comma = std::count(body.begin(), body.end(), ',');
    const bool digits = body.find_first_not_of("0123456789,") == std::string::npos;
    if (body.empty() || body[0] == ',' || comma > 1 || !digits) refuse("a { that repeats nothing");
    const char behind = end + 1 < in_.size() ? in_[end + 1] : '\0';
    if (behind == '?' || behind == '+' || behind == '*') refuse("{...}" + std::string(1, behind));
    copy(body.size() + 2);
  }

  void property() {
    const size_t end = in_.find('}', at_);
    if (at_ + 2 >= in_.size() || in_[at_ + 2] != '{' || end == std::string::npos)
      refuse("\\p without {...}");
    const std::string name = in_.substr(at_ + 3, end - at_ - 3);
    if (std::find(kProperties.begin(), kProperties.end(), name) == kProperties.end())
      refuse("the property " + name);
    copy(end + 1 - at_);
  }

  // \xHH below 80 (above, it is a byte of UTF-8) and \uHHHH.
  void number(size_t digits) {
    const std::string hex = in_.substr(std::min(at_ + 2, in_.size()), digits);
    const bool good = hex.size() == digits && std::all_of(hex.begin(), hex.end(), [](char c) {
                        return std::isxdigit(static_cast<unsigned char>(c)) != 0;
                      });
    if (!good || (digits == 2 && hex[0] > '7')) refuse(in_.substr(at_, digits + 2));
    copy(digits + 2);
  }

  void word(bool negated, bool in_set) {
    const std::string members = std::string(kWord) + (in_set ? "" : kLatinNumbers);
    out_ += in_set && !negated ? members : (negated ? "[^" : "[") + members + ']';
  }

  // Returns true for a single character, false for a class of them.
  bool escape(bool in_set) {
    const char c = at_ + 1 < in_.size() ? in_[at_ + 1] : '\0';
    const bool single =
        c == 'x' || c == 'u' || c == 'v' || std::strchr("rntf ", c) != nullptr || is_ascii_mark(c);
    if (c == '\0') refuse("a lone \\");
    if (folded_ > 0 && !is_ascii_mark(c)) refuse("\\" + std::string(1, c) + " under (?i:");
    if (c == 'p' || c == 'P') {
      property();
    } else if (c == 'w' || c == 'W') {
      word(c == 'W', in_set);
      at_ += 2;
    } else if (c == 'x' || c == 'u') {
      number(c == 'x' ? 2 : 4);
    } else if (c == 'v') {
      out_ += "\\x0B";
      at_ += 2;
    } else if (single || std::strchr("sSdD", c) != nullptr) {
      copy(2);
    } else {
      refuse("\\" + std::string(1, c));
    }
    return single;
  }

  // One member of [...]; true for a single character.
  bool member() {
    if (next() == '\\') return escape(true);
    if (next() == '[' || starts("&&")) refuse("a class or an operation within [...]");
    if (is_ascii_mark(next())) out_ += '\\';
    copy(1);
    while ((static_cast<unsigned char>(next()) & 0xC0) == 0x80) copy(1);
    return true;
  }

  void set() {
    if (folded_ > 0) refuse("[...] under (?i:");
    copy(1);
    if (next() == '^') copy(1);
    if (next() == ']') refuse("an empty [...]");
    bool first = true;
    bool single = false;  // whether the last member could begin a range
    while (at_ < in_.size() && next() != ']') {
      const char behind = at_ + 1 < in_.size() ? in_[at_ + 1] : '\0';
      if (next() != '-' || first || behind == ']') {
        single = member();
        first = false;
        continue;
      }
      if (!single) refuse("a - next to a class");
      copy(1);
      if (next() == '-' || !member()) refuse("a - next to a class");
      single = false;
    }
    if (at_ == in_.size()) refuse("a [ without its ]");
    copy(1);
  }

  const std::string& in_;
  size_t at_ = 0;
  std::string out_;
  int folded_ = 0;  // how many groups deep under (?i:
};

}  // namespace

icu::UnicodeString to_icu_syntax(const std::string& expression) {
  return Translator(expression).run();
}

}  // namespace winnow::tokenizer
