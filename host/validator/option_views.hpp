// option_views.hpp: checked values as the wn_options that create() gets.
#pragma once

#include <list>
#include <vector>

#include "host/options.hpp"
#include "winnow/winnow.h"

namespace winnow::validator {

// Borrows the values.
class OptionViews {
 public:
  explicit OptionViews(const std::vector<OptionValue>& values) {
    for (const OptionValue& value : values) views_.push_back(view_of(value));
    for (const wn_option& view : views_) pointers_.push_back(&view);
  }
  OptionViews(const OptionViews&) = delete;
  const wn_option* const* data() const { return pointers_.data(); }
  std::uint64_t size() const { return pointers_.size(); }

 private:
  static wn_str text_of(const std::string& text) { return {text.c_str(), text.size()}; }

  wn_option view_of(const OptionValue& value) {
    wn_option option{};
    option.struct_size = WN_SIZE(wn_option, list_len);
    option.type = value.type;
    option.key = text_of(value.key);
    if (const auto* flag = std::get_if<bool>(&value.data)) option.i = *flag;
    if (const auto* whole = std::get_if<std::int64_t>(&value.data)) option.i = *whole;
    if (const auto* number = std::get_if<double>(&value.data)) option.f = *number;
    if (const auto* text = std::get_if<std::string>(&value.data)) option.s = text_of(*text);
    if (const auto* list = std::get_if<std::vector<std::int64_t>>(&value.data))
      option.list = list->data(), option.list_len = list->size();
    if (const auto* list = std::get_if<std::vector<double>>(&value.data))
      option.list = list->data(), option.list_len = list->size();
    if (const auto* list = std::get_if<std::vector<std::string>>(&value.data)) {
      std::vector<wn_str>& texts = texts_.emplace_back();
      for (const std::string& text : *list) texts.push_back(text_of(text));
      option.list = texts.data(), option.list_len = texts.size();
    }
    return option;
  }

  std::list<std::vector<wn_str>> texts_;
  std::vector<wn_option> views_;
  std::vector<const wn_option*> pointers_;
};

}  // namespace winnow::validator
