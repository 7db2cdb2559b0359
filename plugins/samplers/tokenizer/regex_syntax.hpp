// Regular expressions in the syntax of Oniguruma (Ruby's), which tokenizer.json uses, as ICU writes
// them: https://github.com/kkos/oniguruma/blob/master/doc/RE and
// https://unicode-org.github.io/icu/userguide/strings/regexp.html.
#pragma once

#include <unicode/unistr.h>

#include <string>

namespace winnow::tokenizer {

// Takes what means the same to both, rewriting \w, \W and \v, and throws std::runtime_error naming
// anything else: anchors, \b, back references, named groups, options other than (?i:...) around
// plain letters, operations on classes.
icu::UnicodeString to_icu_syntax(const std::string& expression);

}  // namespace winnow::tokenizer
