// option_views.hpp: checked values as the wn_options that create() gets.
#pragma once

#include <list>
#include <span>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

#include "host/options.hpp"
#include "winnow/winnow.h"

namespace winnow {

// Borrows the values.
class OptionViews {
 public:
  explicit OptionViews(const std::vector<OptionValue>& values) {
    for (const OptionValue& value : values) pointers_.push_back(&views_.emplace_back(of(value)));
  }
  OptionViews(const OptionViews&) = delete;
  std::span<const wn_option* const> all() const { return pointers_; }

 private:
  static wn_str of(const std::string& text) { return {text.c_str(), text.size()}; }

  wn_option of(const OptionValue& value) {
    wn_option option{};
    option.struct_size = WN_SIZE(wn_option, list_len);
    option.type = value.type;
    option.key = of(value.key);
    std::visit(
        [&](const auto& data) {
          using T = std::decay_t<decltype(data)>;
          if constexpr (std::is_same_v<T, bool> || std::is_same_v<T, std::int64_t>) {
            option.i = data;
          } else if constexpr (std::is_same_v<T, double>) {
            option.f = data;
          } else if constexpr (std::is_same_v<T, std::string>) {
            option.s = of(data);
          } else {
            option.list = data.data();
            option.list_len = data.size();
            if constexpr (std::is_same_v<T, std::vector<std::string>>) {
              std::vector<wn_str>& texts = texts_.emplace_back();
              for (const std::string& text : data) texts.push_back(of(text));
              option.list = texts.data();
            }
          }
        },
        value.data);
    return option;
  }

  std::list<std::vector<wn_str>> texts_;
  std::list<wn_option> views_;
  std::vector<const wn_option*> pointers_;
};

}  // namespace winnow
