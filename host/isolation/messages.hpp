// messages.hpp: the structs of winnow.h as bytes, and back into structs that own what they point
// to.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "host/isolation/wire.hpp"
#include "winnow/winnow.h"

namespace winnow {

// How a call ended: its status, what errors->set and errors->set_item were told, its results.
struct Reply {
  wn_status status = WN_OK;
  std::string text;
  std::vector<std::pair<std::uint64_t, std::string>> items;
  std::string body;
};
std::string bytes_of(const Reply& reply);
Reply read_reply(std::string_view bytes);
// Tells the call's own sink.
void forward(const Reply& reply, const wn_call* call);

// Of a GROWABLE struct as much as its writer knew and this side knows.
template <typename T>
T known_part(const T& from) {
  T known{};
  std::memcpy(&known, &from, std::min<std::size_t>(from.struct_size, sizeof known));
  return known;
}

// Bytes of a compact tensor; 0 for one that is not.
std::uint64_t size_of(const wn_tensor& tensor);
void* data_of(const wn_tensor& tensor);

// A tensor in memory that both sides see: where, and its shape.
enum class Place : std::uint32_t { kInputs, kExchange };
void write_placed(Writer& writer, const wn_tensor& tensor, Place place, std::uint64_t offset);
struct PlacedTensor {
  // `at`: the address of so many bytes at an offset.
  PlacedTensor(Reader& reader, const std::function<void*(Place, std::uint64_t, std::uint64_t)>& at);
  PlacedTensor(const PlacedTensor&) = delete;
  std::vector<std::int64_t> shape;
  wn_tensor table{};
};

void write_tensor(Writer& writer, const wn_tensor& tensor);  // with its values
struct OwnedTensor {
  explicit OwnedTensor(Reader& reader);
  OwnedTensor(const OwnedTensor&) = delete;
  std::vector<std::int64_t> shape;
  std::vector<double> storage;  // aligned for all element types
  wn_tensor table{};
};

void write_options(Writer& writer, std::span<const wn_option* const> options);
struct OwnedOptions {
  explicit OwnedOptions(Reader& reader);
  OwnedOptions(const OwnedOptions&) = delete;
  std::deque<std::string> texts;
  std::deque<std::vector<double>> lists;
  std::deque<std::vector<wn_str>> text_lists;
  std::deque<wn_option> options;
  std::vector<const wn_option*> pointers;
};

std::string bytes_of(const wn_condition& condition);
struct OwnedCondition {
  explicit OwnedCondition(std::string_view bytes);
  OwnedCondition(const OwnedCondition&) = delete;
  std::string prompt;
  std::deque<std::string> names;
  std::deque<OwnedTensor> tensors;
  std::vector<wn_named_tensor> named;
  wn_condition table{};
};

// The conditions of some rows, each distinct one once.
void write_conditions(Writer& writer, const wn_condition* const* conditions,
                      std::span<const std::uint64_t> rows);

void write_recipe(Writer& writer, const wn_noise_recipe& recipe);
struct OwnedRecipe {
  explicit OwnedRecipe(Reader& reader);
  OwnedRecipe(const OwnedRecipe&) = delete;
  std::vector<std::uint64_t> parents;
  std::vector<double> weights;
  std::unique_ptr<OwnedTensor> tensor;
  wn_noise_recipe table{};
};

void write_problem(Writer& writer, const wn_problem& problem);
struct OwnedProblem {
  explicit OwnedProblem(Reader& reader);
  OwnedProblem(const OwnedProblem&) = delete;
  std::vector<double> times[2], nfe[2], noise_scale[2];
  std::unique_ptr<OwnedCondition> condition;
  wn_problem table{};
};

void write_results(Writer& writer, const wn_result* const* results, std::uint64_t n);
struct OwnedResults {
  explicit OwnedResults(Reader& reader);
  OwnedResults(const OwnedResults&) = delete;
  std::deque<std::vector<double>> scores;
  std::deque<wn_result> results;
  std::vector<const wn_result*> pointers;
};

void write_sampler_info(Writer& writer, const wn_sampler_info& info);
struct OwnedSamplerInfo {
  OwnedSamplerInfo() = default;
  explicit OwnedSamplerInfo(Reader& reader);
  std::vector<double> times, noise_scale;
  wn_sampler_info table{};       // without the two arrays
  wn_sampler_info lent() const;  // with them
};

}  // namespace winnow
