// test.cpp: see test.hpp.
#include "host/validator/test.hpp"

namespace winnow::validator {

const char* to_string(Outcome outcome) {
  switch (outcome) {
    case Outcome::kPassed:
      return "passed";
    case Outcome::kWarned:
      return "warned";
    case Outcome::kSkipped:
      return "skipped";
    case Outcome::kFailed:
      return "failed";
  }
  return "";
}

Needs proved_by(const Test& test) {
  const std::string_view name = test.name;
  if (name == "loads") return Needs::kLibrary;
  if (name == "create") return Needs::kInstance;
  if (name == "scores-finite" || name == "search-ends" || name == "sampler-path")
    return Needs::kUse;
  return Needs::kNothing;
}

std::vector<Test> all_tests() {
  std::vector<Test> all;
  for (const Tests part :
       {file_tests(), library_tests(), lifetime_tests(), option_tests(), process_tests(),
        verifier_tests(), verifier_claims(), search_tests(), sampler_tests(), sampler_claims()})
    all.insert(all.end(), part.begin(), part.end());
  return all;
}

}  // namespace winnow::validator
