// winnow.text_sit: text-conditional SiT in pixel space. The laptop's stand-in for the
// text-to-image models of arXiv:2501.09732: prompts of a closed vocabulary, pictures of scenes.
//
//   [tasks]
//   prompts = ["a red circle left of a blue square"]
//   [sampler]
//   plugin = "winnow.text_sit"
//   weights = "scenes-sit-s.safetensors"   # of examples/training/train_text_sit
//   solver = "euler"          # 1 NFE a step
//   steps = 12
//   cfg_scale = 2
//
// Guidance: v = v_null + cfg_scale (v_prompt - v_null), v_null being the velocity without a prompt.
// A prompt is encoded once and kept, so a step costs no more than its network passes. A prompt with
// a word that the network does not know fails its task, and the message names the nearest words
// that it does know. The network stands in text_sit_network.hpp, solvers and their options in
// flow_solvers.hpp and flow_sampler.hpp.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <stdexcept>
#include <unordered_map>

#include "flow_sampler.hpp"
#include "samplers/text_sit_network.hpp"

namespace {

using namespace winnow;

constexpr size_t kKeptPrompts = 4096;  // about 100 MB for the larger of the shipped networks

text_sit::Network load(const std::string& path, at::Device device, at::ScalarType precision) {
  try {
    text_sit::Network net = text_sit::load_network(path);
    if (net.config.channels != 1 && net.config.channels != 3) {
      throw std::runtime_error(path + ": the network works on " +
                               std::to_string(net.config.channels) +
                               " channels, expected pixels (1 or 3)");
    }
    text_sit::for_each_tensor(net, [&](const std::string&, at::Tensor& tensor) {
      tensor = tensor.to(device, precision);
    });
    return net;
  } catch (const c10::Error&) {
    throw;
  } catch (const std::runtime_error& error) {
    throw wn::Error(WN_E_INVALID_ARGUMENT, error.what());
  }
}

class TextSit : public flow::FlowSampler<TextSit, text_sit::Texts> {
 public:
  static constexpr const char* kId = "winnow.text_sit";
  static constexpr const char* kOptions = WINNOW_OPTIONS_WINNOW_TEXT_SIT;

  TextSit(const wn::Host&, const wn::Options& options)
      : FlowSampler(options),
        net_(load(options.path("weights").string(), device(), precision())),
        null_(encode({})) {}

  flow::FlowShape shape() const { return {net_.config.channels, net_.config.size}; }
  double flops() const { return text_sit::velocity_flops(net_.config, net_.config.length); }

  text_sit::Texts conditions(const wn::SamplerBatch& batch) {
    std::vector<text_sit::Texts> texts;
    for (size_t i = 0; i < batch.size(); ++i) texts.push_back(text(batch, i));
    return joined(texts);
  }

  text_sit::Texts with_null(const text_sit::Texts& texts) const {
    const at::Tensor all = at::zeros({texts.states.size(0)}, at::kLong).to(device());
    return joined({texts, null_.select(all)});
  }

  at::Tensor network(const at::Tensor& x, const at::Tensor& s, const text_sit::Texts& texts) const {
    return text_sit::velocity(net_, x, s, texts);
  }

 private:
  // The prompt of one item; that of none, and the item has failed, where there is no prompt that
  // the network reads.
  text_sit::Texts text(const wn::SamplerBatch& batch, size_t i) {
    const std::string prompt(batch.prompt(i));
    const auto found = kept_.find(prompt);
    if (found != kept_.end()) return found->second;
    try {
      if (prompt.empty()) throw std::runtime_error(no_prompt(batch.class_id(i)));
      const std::vector<int64_t> words = text_sit::words_of(net_, prompt);
      if (kept_.size() == kKeptPrompts) kept_.clear();
      return kept_[prompt] = encode(words);
    } catch (const c10::Error&) {
      throw;
    } catch (const std::runtime_error& error) {
      batch.fail(i, WN_E_INVALID_ARGUMENT, error.what());
      return null_;
    }
  }

  static std::string no_prompt(int64_t class_id) {
    if (class_id < 0) return "the task has no prompt";
    return "class " + std::to_string(class_id) + ", the model takes prompts";
  }

  // Alone and with room for the longest text, so that nothing depends on the rest of the batch.
  // Never as an inference tensor: gradients go through what it is used for.
  text_sit::Texts encode(const std::vector<int64_t>& words) const {
    const c10::InferenceMode normal(false);
    const at::NoGradGuard no_grad;
    return text_sit::encode(net_, {words}, net_.config.length);
  }

  static text_sit::Texts joined(const std::vector<text_sit::Texts>& texts) {
    std::vector<at::Tensor> states, bias, pooled;
    for (const text_sit::Texts& one : texts) {
      states.push_back(one.states), bias.push_back(one.bias), pooled.push_back(one.pooled);
    }
    return {at::cat(states), at::cat(bias), at::cat(pooled)};
  }

  text_sit::Network net_;
  text_sit::Texts null_;
  std::unordered_map<std::string, text_sit::Texts> kept_;
};

}  // namespace

WN_EXPORT_PLUGINS(TextSit)
