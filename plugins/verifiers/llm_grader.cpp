// winnow.llm_grader: a chat model that sees pictures grades the sample for its prompt.
//
//   head 0       the mean of five aspects, each from 0 to 100 (Ma et al., 2025, arXiv:2501.09732,
//                figure 16): accuracy to prompt, creativity and originality, visual quality and
//                realism, consistency and cohesion, emotional or thematic resonance
//   head 1 to 5  the aspects
//   head 6, 7    tokens of the question and of the answer, head 8 what they cost
//
// Any endpoint that speaks OpenAI's chat completions with pictures and JSON schemas:
//
//   [[verifier]]
//   plugin = "winnow.llm_grader"
//   url = "https://api.openai.com/v1/chat/completions"
//   model = "gpt-4o-mini"
//   key_env = "OPENAI_API_KEY"        # the variable that holds the key; "": no key is sent
//
// An answer is kept under the SHA-256 of its question (address, model, words, prompt, picture), so
// a run that goes on asks nothing twice. An endpoint that does not answer is waited for, `patience`
// seconds; then the run stops, and the same command goes on. An answer that is no grades fails its
// item after `attempts` tries.
#include <algorithm>
#include <cstdlib>
#include <map>

#include "verifiers/llm/answer_cache.hpp"
#include "verifiers/llm/grades.hpp"
#include "verifiers/llm/http_batch.hpp"
#include "winnow/winnow.hpp"

namespace {

namespace fs = std::filesystem;
namespace http = winnow::http;
using winnow::Grades;

constexpr std::uint32_t kHeads = 4 + winnow::kAspects.size();
constexpr double kPriceUnit = 1e6;  // tokens
constexpr std::uint32_t kLeastSide = 256;

wn::Error refused(const std::string& text) { return {WN_E_INVALID_ARGUMENT, text}; }

std::string environment(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value ? value : "";
}

bool is_on_loopback(const std::string& url) {
  for (const char* host : {"http://127.0.0.1", "http://localhost", "http://[::1]"}) {
    const std::string start = host;
    if (url.compare(0, start.size(), start) != 0) continue;
    const char next = url.size() > start.size() ? url[start.size()] : '/';
    if (next == ':' || next == '/') return true;
  }
  return false;
}

std::vector<std::string> headers(const wn::Options& options, const std::string& url) {
  std::vector<std::string> out = {"Content-Type: application/json", "Expect:"};
  const std::string name = options.str("key_env");
  if (name.empty()) return out;
  const std::string key = environment(name);
  if (key.empty()) {
    throw refused("key_env: the environment has no " + name +
                  "; set it to the key, or key_env = \"\" to send none");
  }
  if (key.find_first_of("\r\n") != std::string::npos) {
    throw refused("key_env: " + name + " holds a line break, expected a key");
  }
  if (url.compare(0, 8, "https://") != 0 && !is_on_loopback(url)) {
    throw refused("url: " + url + " would show the key to everyone on the way, expected https://");
  }
  out.push_back("Authorization: Bearer " + key);
  return out;
}

http::Settings settings_from(const wn::Options& options) {
  http::Settings out;
  out.url = options.str("url");
  if (out.url.compare(0, 8, "https://") != 0 && out.url.compare(0, 7, "http://") != 0) {
    throw refused("url: found \"" + out.url + "\", expected one that begins with https://");
  }
  out.headers = headers(options, out.url);
  out.timeout = options.f64("timeout");
  out.connect_timeout = std::min(out.connect_timeout, out.timeout);
  out.patience = options.f64("patience");
  out.pause = options.f64("pause");
  out.concurrency = static_cast<std::size_t>(options.i64("concurrency"));
  out.attempts = static_cast<std::size_t>(options.i64("attempts"));
  return out;
}

fs::path cache_folder(const std::string& wanted) {
  if (wanted == "none") return {};
  if (!wanted.empty()) return wanted;
  const std::string base = environment("XDG_CACHE_HOME"), home = environment("HOME");
  if (base.empty() && home.empty()) {
    throw refused("cache: there is no HOME to keep answers under, expected a folder or \"none\"");
  }
  return (base.empty() ? fs::path(home) / ".cache" : fs::path(base)) / "winnow/llm_grader";
}

class LlmGrader {
 public:
  static constexpr const char* kId = "winnow.llm_grader";
  static constexpr const char* kOptions = WINNOW_OPTIONS_WINNOW_LLM_GRADER;

  LlmGrader(const wn::Host& host, const wn::Options& options)
      : host_(host),
        settings_(settings_from(options)),
        question_{options.str("model"), options.i64("max_tokens"), options.f64("temperature")},
        cache_(cache_folder(options.str("cache"))),
        price_in_(options.f64("price_in")),
        price_out_(options.f64("price_out")) {}

  // Not deterministic: another process may get another answer.
  wn::VerifierInfo info() const { return {.n_heads = kHeads, .preferred_batch = 64}; }

  void score(const wn::VerifierBatch& batch, std::span<float> scores) {
    // Equal questions are asked once.
    std::map<std::string, std::vector<std::size_t>> items;  // by key
    std::vector<std::string> keys, bodies;                  // to be asked
    for (std::size_t i = 0; i < batch.size(); ++i) {
      if (batch.prompt(i).empty()) {
        batch.fail(i, WN_E_INVALID_ARGUMENT, "the task has no prompt");
        continue;
      }
      std::string body = request(batch, i);
      const std::string key = winnow::AnswerCache::key_of(settings_.url + "\n" + body);
      const auto [place, is_new] = items.try_emplace(key);
      place->second.push_back(i);
      if (!is_new || found_before(key)) continue;
      keys.push_back(key);
      bodies.push_back(std::move(body));
    }
    const std::vector<std::string> reasons = ask(batch.call(), keys, bodies);
    for (std::size_t k = 0; k < keys.size(); ++k) {
      if (reasons[k].empty()) continue;
      for (const std::size_t i : items[keys[k]]) batch.fail(i, WN_E_INTERNAL, reasons[k]);
      items.erase(keys[k]);
    }
    for (const auto& [key, which] : items) {
      for (const std::size_t i : which) write(graded_.at(key), scores.subspan(kHeads * i, kHeads));
    }
    graded_.clear();
  }

 private:
  std::string request(const wn::VerifierBatch& batch, std::size_t i) const {
    const auto samples = batch.samples();
    if (batch.samples_raw().ndim != 4 || (samples.dim(1) != 1 && samples.dim(1) != 3)) {
      throw refused("samples are no pictures of 1 or 3 channels, and only those can be shown");
    }
    const auto extent = [&](std::size_t d) { return static_cast<std::uint32_t>(samples.dim(d)); };
    return winnow::chat_request(
        question_, std::string(batch.prompt(i)),
        winnow::png_of(samples.item(i), extent(1), extent(2), extent(3), kLeastSide));
  }

  bool found_before(const std::string& key) {
    const auto answer = cache_.find(key);
    if (!answer) return false;
    try {
      graded_[key] = winnow::read_grades(*answer);
      return true;
    } catch (const std::runtime_error&) {
      return false;  // a damaged file is asked for again
    }
  }

  std::vector<std::string> ask(const wn::Call& call, const std::vector<std::string>& keys,
                               const std::vector<std::string>& bodies) {
    http::Callbacks callbacks;
    callbacks.refuse = [&](std::size_t i, const std::string& answer) -> std::string {
      try {
        graded_[keys[i]] = winnow::read_grades(answer);
      } catch (const std::runtime_error& error) {
        return error.what();
      }
      cache_.keep(keys[i], answer);
      return "";
    };
    callbacks.tick = [&](std::size_t done) {
      call.check_stop();
      call.progress(static_cast<double>(done), static_cast<double>(keys.size()), "grading");
    };
    callbacks.notice = [&](const std::string& text) { host_.log(WN_LOG_WARNING, text); };
    try {
      return http::post_all(settings_, bodies, callbacks);
    } catch (const http::Unreachable& error) {
      throw wn::Error(WN_E_FAILED_PRECONDITION,
                      std::string(error.what()) + "; the same command goes on from here");
    }
  }

  void write(const Grades& grades, std::span<float> out) const {
    const double cost =
        (price_in_ * grades.prompt_tokens + price_out_ * grades.completion_tokens) / kPriceUnit;
    out[0] = static_cast<float>(grades.mean());
    for (std::size_t a = 0; a < grades.aspects.size(); ++a) {
      out[1 + a] = static_cast<float>(grades.aspects[a]);
    }
    const std::size_t next = 1 + grades.aspects.size();
    out[next] = static_cast<float>(grades.prompt_tokens);
    out[next + 1] = static_cast<float>(grades.completion_tokens);
    out[next + 2] = static_cast<float>(cost);
  }

  wn::Host host_;
  http::Settings settings_;
  winnow::Question question_;
  winnow::AnswerCache cache_;
  double price_in_, price_out_;
  std::map<std::string, Grades> graded_;  // of the batch at hand, by key
};

}  // namespace

WN_EXPORT_PLUGINS(LlmGrader)
