// messages.cpp: see messages.hpp.
#include "host/isolation/messages.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "host/text.hpp"

namespace winnow {
namespace {

constexpr std::size_t kMostText = 64 << 10;

// What a process says of a failure, of some length, and nothing in it that a terminal obeys.
std::string readable(std::string_view text) {
  text = text.substr(0, kMostText);
  std::string lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    lines += printable(text.substr(at, end - at));
    if (end < text.size()) lines += '\n';
    at = end + 1;
  }
  return lines;
}

void write_str(Writer& writer, const wn_str& text) { writer.text({text.data, text.size}); }

wn_str str_of(const std::string& text) { return {text.c_str(), text.size()}; }

std::uint64_t element_size(std::uint32_t option_type) {
  return option_type == WN_OPT_I64_LIST ? sizeof(std::int64_t) : sizeof(double);
}

constexpr std::size_t kMostDimensions = 64;
constexpr std::uint64_t kMostBytes = 1ull << 40;

// Nothing for a shape that no memory could hold.
std::optional<std::uint64_t> bytes_in(const wn_tensor& tensor) {
  std::uint64_t bytes = tensor.dtype.bits / 8u;
  for (std::int32_t d = 0; d < tensor.ndim; ++d) {
    if (tensor.shape[d] < 0) return std::nullopt;
    const auto extent = static_cast<std::uint64_t>(tensor.shape[d]);
    if (extent && bytes > kMostBytes / extent) return std::nullopt;
    bytes *= extent;
  }
  return bytes;
}

// A shape, and the tensor over it without data. What it says of sizes can be multiplied without
// thought.
wn_tensor read_shape(Reader& reader, std::vector<std::int64_t>& shape) {
  wn_tensor table{};
  table.device = {1, 0};
  table.dtype = reader.get<wn_dtype>();
  shape = reader.array<std::int64_t>();
  table.ndim = static_cast<std::int32_t>(shape.size());
  table.shape = shape.data();
  if (shape.size() > kMostDimensions || !bytes_in(table)) throw Malformed();
  return table;
}

void write_shape(Writer& writer, const wn_tensor& tensor) {
  writer.put(tensor.dtype);
  writer.array(tensor.shape, static_cast<std::uint64_t>(tensor.ndim));
}

}  // namespace

std::string bytes_of(const Reply& reply) {
  Writer writer;
  writer.put(reply.status);
  writer.text(reply.text);
  writer.put<std::uint64_t>(reply.items.size());
  for (const auto& [item, text] : reply.items) {
    writer.put(item);
    writer.text(text);
  }
  writer.append(reply.body);
  return writer.bytes();
}

Reply read_reply(std::string_view bytes) {
  Reader reader(bytes);
  Reply reply;
  reply.status = reader.get<wn_status>();
  reply.text = readable(reader.text());
  for (auto n = reader.get<std::uint64_t>(); n > 0; --n) {
    const auto item = reader.get<std::uint64_t>();
    reply.items.emplace_back(item, readable(reader.text()));
  }
  reply.body = reader.rest();
  return reply;
}

void forward(const Reply& reply, const wn_call* call) {
  const wn_errors* errors = call->errors;
  if (!reply.text.empty())
    errors->set(errors->ctx, reply.status, reply.text.data(), reply.text.size());
  for (const auto& [item, text] : reply.items)
    errors->set_item(errors->ctx, item, WN_E_INTERNAL, text.data(), text.size());
}

std::uint64_t size_of(const wn_tensor& tensor) {
  return tensor.strides ? 0 : bytes_in(tensor).value_or(0);
}

void* data_of(const wn_tensor& tensor) {
  return static_cast<char*>(tensor.data) + tensor.byte_offset;
}

void write_placed(Writer& writer, const wn_tensor& tensor, Place place, std::uint64_t offset) {
  write_shape(writer, tensor);
  writer.put(place);
  writer.put(offset);
}

PlacedTensor::PlacedTensor(Reader& reader,
                           const std::function<void*(Place, std::uint64_t, std::uint64_t)>& at) {
  table = read_shape(reader, shape);
  const auto place = reader.get<Place>();
  const auto offset = reader.get<std::uint64_t>();
  table.data = at(place, offset, size_of(table));
}

void write_tensor(Writer& writer, const wn_tensor& tensor) {
  write_shape(writer, tensor);
  writer.array(static_cast<const char*>(data_of(tensor)), size_of(tensor));
}

OwnedTensor::OwnedTensor(Reader& reader) {
  table = read_shape(reader, shape);
  const std::string_view values = reader.text();
  if (values.size() != size_of(table)) throw Malformed();
  storage.resize(values.size() / sizeof(double) + 1);
  std::memcpy(storage.data(), values.data(), values.size());
  table.data = storage.data();
}

void write_options(Writer& writer, std::span<const wn_option* const> options) {
  writer.put<std::uint64_t>(options.size());
  for (const wn_option* option : options) {
    writer.put(option->type);
    write_str(writer, option->key);
    writer.put(option->i);
    writer.put(option->f);
    write_str(writer, option->s);
    writer.put(option->list_len);
    if (option->type == WN_OPT_STR_LIST) {
      for (std::uint64_t i = 0; i < option->list_len; ++i)
        write_str(writer, static_cast<const wn_str*>(option->list)[i]);
    } else {
      writer.text(
          {static_cast<const char*>(option->list), option->list_len * element_size(option->type)});
    }
  }
}

OwnedOptions::OwnedOptions(Reader& reader) {
  const auto text = [&] { return str_of(texts.emplace_back(reader.text())); };
  for (auto n = reader.get<std::uint64_t>(); n > 0; --n) {
    wn_option& option = options.emplace_back();
    option.struct_size = WN_SIZE(wn_option, list_len);
    option.type = reader.get<std::uint32_t>();
    option.key = text();
    option.i = reader.get<std::int64_t>();
    option.f = reader.get<double>();
    option.s = text();
    option.list_len = reader.get<std::uint64_t>();
    if (option.type == WN_OPT_STR_LIST) {
      auto& list = text_lists.emplace_back();
      for (std::uint64_t i = 0; i < option.list_len; ++i) list.push_back(text());
      option.list = list.data();
    } else {
      const std::string_view values = reader.text();
      auto& list = lists.emplace_back(values.size() / sizeof(double) + 1);
      if (values.size()) std::memcpy(list.data(), values.data(), values.size());
      option.list = list.data();
    }
    pointers.push_back(&option);
  }
}

std::string bytes_of(const wn_condition& condition) {
  Writer writer;
  writer.put(condition.task);
  write_str(writer, condition.prompt);
  writer.put(condition.class_id);
  writer.put(condition.n_tensors);
  for (std::uint32_t i = 0; i < condition.n_tensors; ++i) {
    write_str(writer, condition.tensors[i].name);
    write_tensor(writer, *condition.tensors[i].tensor);
  }
  return writer.bytes();
}

OwnedCondition::OwnedCondition(std::string_view bytes) {
  Reader reader(bytes);
  table.struct_size = WN_SIZE(wn_condition, tensors);
  table.task = reader.get<std::uint64_t>();
  prompt = reader.text();
  table.prompt = str_of(prompt);
  table.class_id = reader.get<std::int64_t>();
  table.n_tensors = reader.get<std::uint32_t>();
  for (std::uint32_t i = 0; i < table.n_tensors; ++i) {
    const wn_str name = str_of(names.emplace_back(reader.text()));
    named.push_back({name, &tensors.emplace_back(reader).table});
  }
  table.tensors = named.data();
}

void write_conditions(Writer& writer, const wn_condition* const* conditions,
                      std::span<const std::uint64_t> rows) {
  std::map<const wn_condition*, std::uint64_t> known;
  std::vector<const wn_condition*> distinct;
  std::vector<std::uint64_t> which;
  for (std::uint64_t row : rows) {
    const auto [found, added] = known.emplace(conditions[row], distinct.size());
    if (added) distinct.push_back(conditions[row]);
    which.push_back(found->second);
  }
  writer.put<std::uint64_t>(distinct.size());
  for (const wn_condition* condition : distinct) writer.text(bytes_of(*condition));
  writer.array(which);
}

void write_recipe(Writer& writer, const wn_noise_recipe& recipe) {
  wn_noise_recipe known = known_part(recipe);
  // Addresses differ from process to process, and equal recipes must be equal bytes.
  const auto* parents = std::exchange(known.parents, nullptr);
  const auto* weights = std::exchange(known.weights, nullptr);
  const auto* tensor = std::exchange(known.tensor, nullptr);
  if (tensor && size_of(*tensor) == 0) tensor = nullptr;  // the host refuses both alike
  writer.put(known);
  for (bool there : {parents != nullptr, weights != nullptr, tensor != nullptr})
    writer.put<std::uint8_t>(there);
  if (parents) writer.array(parents, known.n_parents);
  if (weights) writer.array(weights, known.n_parents);
  if (tensor) write_tensor(writer, *tensor);
}

OwnedRecipe::OwnedRecipe(Reader& reader) {
  table = reader.get<wn_noise_recipe>();
  const bool has_parents = reader.get<std::uint8_t>(), has_weights = reader.get<std::uint8_t>(),
             has_tensor = reader.get<std::uint8_t>();
  if (has_parents) parents = reader.array<std::uint64_t>();
  if (has_weights) weights = reader.array<double>();
  if (has_tensor) tensor = std::make_unique<OwnedTensor>(reader);
  if ((has_parents && parents.size() != table.n_parents) ||
      (has_weights && weights.size() != table.n_parents))
    throw Malformed();
  table.parents = has_parents ? parents.data() : nullptr;
  table.weights = has_weights ? weights.data() : nullptr;
  table.tensor = tensor ? &tensor->table : nullptr;
}

// Equal problems are equal bytes, and no address of the host's leaves it.
void write_problem(Writer& writer, const wn_problem& problem) {
  wn_problem plain = problem;
  plain.condition = nullptr;
  for (int p : {0, 1}) plain.times[p] = plain.nfe[p] = plain.noise_scale[p] = nullptr;
  writer.put(plain);
  for (int p : {0, 1}) {
    for (bool there : {problem.times[p] != nullptr, problem.nfe[p] != nullptr,
                       problem.noise_scale[p] != nullptr})
      writer.put<std::uint8_t>(there);
    const std::uint64_t n = problem.n_steps[p];
    writer.array(problem.times[p], problem.times[p] ? n + 1 : 0);
    writer.array(problem.nfe[p], problem.nfe[p] ? n : 0);
    writer.array(problem.noise_scale[p], problem.noise_scale[p] ? n : 0);
  }
  writer.put<std::uint8_t>(problem.condition != nullptr);
  if (problem.condition) writer.text(bytes_of(*problem.condition));
}

OwnedProblem::OwnedProblem(Reader& reader) {
  table = reader.get<wn_problem>();
  const auto lent = [&](std::vector<double>& values, bool there) {
    values = reader.array<double>();
    return there ? values.data() : nullptr;
  };
  for (int p : {0, 1}) {
    const bool has_times = reader.get<std::uint8_t>(), has_nfe = reader.get<std::uint8_t>(),
               has_noise_scale = reader.get<std::uint8_t>();
    table.times[p] = lent(times[p], has_times);
    table.nfe[p] = lent(nfe[p], has_nfe);
    table.noise_scale[p] = lent(noise_scale[p], has_noise_scale);
  }
  table.condition = nullptr;
  if (!reader.get<std::uint8_t>()) return;
  condition = std::make_unique<OwnedCondition>(reader.text());
  table.condition = &condition->table;
}

void write_results(Writer& writer, const wn_result* const* results, std::uint64_t n) {
  writer.put(n);
  for (std::uint64_t i = 0; i < n; ++i) {
    wn_result plain = *results[i];
    plain.scores = nullptr;
    writer.put(plain);
    writer.put<std::uint8_t>(results[i]->scores != nullptr);
    writer.array(results[i]->scores, results[i]->scores ? results[i]->n_scores : 0);
  }
}

OwnedResults::OwnedResults(Reader& reader) {
  for (auto n = reader.get<std::uint64_t>(); n > 0; --n) {
    wn_result& result = results.emplace_back(reader.get<wn_result>());
    const bool there = reader.get<std::uint8_t>();
    const auto& values = scores.emplace_back(reader.array<double>());
    result.scores = there ? values.data() : nullptr;
    pointers.push_back(&result);
  }
}

void write_sampler_info(Writer& writer, const wn_sampler_info& info) {
  writer.put(info);
  writer.array(info.times, info.times ? info.n_steps + 1ull : 0);
  writer.array(info.noise_scale, info.noise_scale ? info.n_steps : 0);
}

OwnedSamplerInfo::OwnedSamplerInfo(Reader& reader) {
  table = reader.get<wn_sampler_info>();
  times = reader.array<double>();
  noise_scale = reader.array<double>();
  const std::uint64_t n = table.n_steps;
  if ((!times.empty() && times.size() != n + 1) ||
      (!noise_scale.empty() && noise_scale.size() != n))
    throw Malformed();
}

wn_sampler_info OwnedSamplerInfo::lent() const {
  wn_sampler_info info = table;
  info.times = times.empty() ? nullptr : times.data();
  info.noise_scale = noise_scale.empty() ? nullptr : noise_scale.data();
  return info;
}

}  // namespace winnow
