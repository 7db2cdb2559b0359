// What a verifier makes of each prompt, made once.
#pragma once

#include <c10/util/Exception.h>

#include <stdexcept>
#include <string>
#include <unordered_map>

#include "winnow/winnow.hpp"

namespace winnow {

// What the networks refuse is the user's input.
template <class Body>
auto or_refuse(const Body& body) {
  try {
    return body();
  } catch (const c10::Error&) {
    throw;
  } catch (const std::runtime_error& error) {
    throw wn::Error(WN_E_INVALID_ARGUMENT, error.what());
  }
}

template <class Value>
class PromptCache {
 public:
  // make(prompt) for item i's prompt, valid until the next call; nullptr, and the item has failed,
  // when there is no prompt or make throws a std::runtime_error.
  template <class Make>
  const Value* of(const wn::VerifierBatch& batch, size_t i, const Make& make,
                  const std::string& without_prompt = "the task has no prompt") {
    const std::string prompt(batch.prompt(i));
    if (const auto found = kept_.find(prompt); found != kept_.end()) return &found->second;
    if (prompt.empty()) {
      batch.fail(i, WN_E_INVALID_ARGUMENT, without_prompt);
      return nullptr;
    }
    try {
      Value value = or_refuse([&] { return make(prompt); });
      if (kept_.size() == kMost) kept_.clear();
      return &kept_.emplace(prompt, std::move(value)).first->second;
    } catch (const wn::Error& error) {
      batch.fail(i, error.status(), error.what());
      return nullptr;
    }
  }

 private:
  static constexpr size_t kMost = 4096;
  std::unordered_map<std::string, Value> kept_;
};

}  // namespace winnow
