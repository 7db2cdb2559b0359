// report.hpp: what the validator found, for people, for programs and for CI; and its page.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "host/validator/validate.hpp"

namespace winnow::validator {

// "passed   scores-finite            0.1s", and a line with the reason unless it passed.
std::string result_text(const Result& result);
// The sum, and how to run it again.
std::string summary_text(const Report& report);
nlohmann::ordered_json report_json(const Report& report);
// JUnit's XML, a suite per subject; warnings stand in system-out.
std::string junit_text(const Report& report);
std::string tests_text();  // for --list
std::string tests_page();  // docs/check.md

}  // namespace winnow::validator
