#include "encoded_prompts.hpp"

#include <nlohmann/json.hpp>
#include <stdexcept>

#include "network_messages.hpp"
#include "safetensors_torch.hpp"
#include "vocabulary.hpp"

namespace winnow {
namespace {

constexpr size_t kNearest = 3;

std::vector<std::string> prompts_of(const SafetensorsFile& file) {
  const auto entry = file.metadata.find("prompts");
  if (entry == file.metadata.end())
    throw std::runtime_error(file.path + ": the metadata has no entry 'prompts', so these are no " +
                             "prompts of encode_prompts.py");
  const auto list = nlohmann::json::parse(entry->second, nullptr, false);
  std::vector<std::string> out;
  for (const auto& prompt : list) {
    if (!prompt.is_string()) break;
    out.push_back(prompt.get<std::string>());
  }
  if (!list.is_array() || out.empty() || out.size() != list.size())
    throw std::runtime_error(
        file.path + ": the metadata entry 'prompts' is no JSON list of texts, " + "one at least");
  return out;
}

void check_tensor(const SafetensorsFile& file, const std::string& name,
                  const std::vector<int64_t>& row, size_t prompts) {
  const auto found = file.tensors.find(name);
  if (found == file.tensors.end())
    throw std::runtime_error(file.path + ": tensor '" + name + "' is missing");
  std::vector<int64_t> expected = {static_cast<int64_t>(prompts)};
  expected.insert(expected.end(), row.begin(), row.end());
  const SafetensorsView& view = found->second;
  if (view.shape != expected)
    throw std::runtime_error(file.path + ": tensor '" + name + "' is " + shape_text(view.shape) +
                             ", expected " + shape_text(expected) + " for " +
                             std::to_string(prompts) + " prompts of this bundle");
  if (safetensors_dtypes().count(view.dtype) == 0)
    throw std::runtime_error(file.path + ": tensor '" + name + "' has the dtype " + view.dtype +
                             ", which is not read");
}

}  // namespace

EncodedPrompts::EncodedPrompts(const std::string& path,
                               const std::map<std::string, std::vector<int64_t>>& shapes)
    : file_(read_safetensors(path)) {
  const std::vector<std::string> prompts = prompts_of(file_);
  for (const auto& [name, shape] : shapes) check_tensor(file_, name, shape, prompts.size());
  for (size_t i = 0; i < prompts.size(); ++i) rows_.emplace(prompts[i], static_cast<int64_t>(i));
}

at::Tensor EncodedPrompts::row(const std::string& tensor, const std::string& prompt) const {
  const SafetensorsView& view = file_.tensors.at(tensor);
  std::vector<int64_t> shape = view.shape;
  const size_t bytes = view.bytes / static_cast<size_t>(shape[0]);
  shape[0] = 1;
  const at::Tensor out = at::empty(shape, safetensors_dtypes().at(view.dtype));
  if (bytes > 0)
    std::memcpy(out.data_ptr(), view.data + static_cast<size_t>(rows_.at(prompt)) * bytes, bytes);
  return out;
}

std::string EncodedPrompts::unknown(const std::string& prompt) const {
  std::vector<std::string> known;
  for (const auto& [text, row] : rows_)
    if (!text.empty()) known.push_back(text);
  std::string why = "the prompt '" + prompt + "' is not among the " + std::to_string(known.size()) +
                    " encoded ones of " + file_.path;
  std::string near;
  for (const std::string& other : Vocabulary(known).nearest(prompt, kNearest))
    near += (near.empty() ? "; the nearest are '" : "', '") + other;
  if (!near.empty()) why += near + "'";
  return why +
         "; to encode it: python examples/export/encode_prompts.py PIPELINE_DIR "
         "prompts.safetensors --prompts FILE, then option prompts = \"prompts.safetensors\"";
}

}  // namespace winnow
