// records.cpp: see records.hpp. Records are formatted by hand: a run of a million candidates writes
// two of them for each.
#include "host/records.hpp"

#include <fmt/format.h>

#include <bit>
#include <charconv>
#include <cmath>
#include <set>

namespace winnow {
namespace {

using nlohmann::json;
using Buffer = fmt::memory_buffer;

constexpr int kFormat = 1;

template <typename... Args>
void put(Buffer& out, fmt::format_string<Args...> format, Args&&... args) {
  fmt::format_to(std::back_inserter(out), format, std::forward<Args>(args)...);
}

template <typename Range, typename Write>
void put_list(Buffer& out, const Range& range, Write write) {
  out.push_back('[');
  bool first = true;
  for (const auto& value : range) {
    if (!first) out.push_back(',');
    first = false;
    write(value);
  }
  out.push_back(']');
}

void put_text(Buffer& out, const std::string& text) {
  put(out, "{}", json(text).dump(-1, ' ', true, json::error_handler_t::replace));
}

void put_scores(Buffer& out, const ScoreTable& scores) {
  put_list(out, scores, [&](const std::vector<float>& heads) {
    put_list(out, heads, [&](float score) { put(out, "{}", score); });
  });
}

void put_noise(Buffer& out, const Noise& n) {
  put(out, "{{\"id\":{},\"op\":{},\"at\":[{},{},{}],\"s\":{}", n.id, n.op, n.at.seed, n.at.stream,
      n.at.domain, n.s);
  if (n.candidate) put(out, ",\"c\":{}", n.candidate);
  if (!n.parents.empty()) put(out, ",\"p\":[{}]", fmt::join(n.parents, ","));
  if (!n.weights.empty()) put(out, ",\"w\":[{}]", fmt::join(n.weights, ","));
  if (!n.tensor.empty())
    put(out, ",\"at_pos\":{},\"x\":[{}]", n.position, fmt::join(n.tensor, ","));
  out.push_back('}');
}

void put_candidate(Buffer& out, const Candidate& c) {
  put(out, "{{\"id\":{},\"op\":{},\"p\":{},\"n\":{},\"to\":{},\"score\":{}", c.id, c.op, c.parent,
      c.own_noise ? c.noise : 0, c.stop_time, c.scored ? 1 : 0);
  if (c.s != 0) put(out, ",\"s\":{}", c.s);
  if (c.from_time != 0) put(out, ",\"from\":{}", c.from_time);
  if (c.stochasticity != 0) put(out, ",\"st\":{}", c.stochasticity);
  if (c.leg_steps) put(out, ",\"leg\":{}", c.leg_steps);
  if (c.profile) put(out, ",\"prof\":{}", c.profile);
  if (c.pool) put(out, ",\"pool\":{}", c.pool);
  out.push_back('}');
}

Noise noise_of(const json& value) {
  Noise n;
  n.id = value.at("id");
  n.op = value.at("op");
  const json& at = value.at("at");
  n.at = {at.at(0), at.at(1), at.at(2)};
  n.s = value.at("s");
  n.candidate = value.value("c", std::uint64_t{0});
  if (value.contains("p")) value.at("p").get_to(n.parents);
  if (value.contains("w")) value.at("w").get_to(n.weights);
  if (value.contains("x")) value.at("x").get_to(n.tensor);
  n.position = value.value("at_pos", 0u);
  return n;
}

Candidate candidate_of(const json& value) {
  Candidate c;
  c.id = value.at("id");
  c.op = value.at("op");
  c.parent = value.at("p");
  c.noise = value.at("n");
  c.own_noise = c.noise != 0;
  c.stop_time = value.at("to");
  c.scored = value.at("score") == 1;
  c.s = value.value("s", 0.0);
  c.from_time = value.value("from", 0.0);
  c.stochasticity = value.value("st", 0.0);
  c.leg_steps = value.value("leg", 0u);
  c.profile = value.value("prof", 0u);
  c.pool = value.value("pool", std::uint64_t{0});
  return c;
}

ScoreTable scores_of(const json& value) { return value.get<ScoreTable>(); }

std::vector<float> values_of(const std::string& hexadecimal) {
  constexpr std::size_t kDigits = 8;
  std::vector<float> values(hexadecimal.size() / kDigits);
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::uint32_t bits = 0;
    const char* first = hexadecimal.data() + i * kDigits;
    if (std::from_chars(first, first + kDigits, bits, 16).ptr != first + kDigits)
      throw Error(Exit::kJournal, "a gradient with digits that are not hexadecimal");
    values[i] = std::bit_cast<float>(bits);
  }
  return values;
}

std::string text_of(const json& record, const char* key) {
  const auto found = record.find(key);
  return found == record.end() ? std::string() : found->get<std::string>();
}

}  // namespace

std::string run_record(const std::string& config_hash, std::uint64_t tasks, std::uint32_t batch) {
  return fmt::format(R"({{"k":"run","format":{},"config":"{}","tasks":{},"batch":{}}})", kFormat,
                     config_hash, tasks, batch);
}

std::string ask_record(Task& task, const Asked& asked) {
  Buffer out;
  put(out, "{{\"k\":\"ask\",\"t\":{},\"st\":{}", task.index(), asked.status);
  if (asked.time_up_after >= 0) put(out, ",\"up\":{}", asked.time_up_after);
  put(out, ",\"n\":");
  put_list(out, asked.noises, [&](std::uint64_t id) { put_noise(out, task.noises().at(id)); });
  put(out, ",\"c\":");
  put_list(out, asked.candidates,
           [&](std::uint64_t id) { put_candidate(out, task.candidate(id)); });
  out.push_back('}');
  return fmt::to_string(out);
}

std::string done_record(const DoneRecord& r) {
  Buffer out;
  if (!r.error.empty()) {
    put(out, "{{\"k\":\"fail\",\"t\":{},\"c\":{},\"why\":", r.task, r.candidate);
    put_text(out, r.error);
  } else {
    put(out, "{{\"k\":\"done\",\"t\":{},\"c\":{},\"s\":", r.task, r.candidate);
    put_scores(out, r.scores);
    if (!r.hash.empty()) put(out, ",\"h\":\"{}\"", r.hash);
    if (!r.unscored.empty()) put(out, ",\"u\":{}", json(r.unscored).dump());
  }
  out.push_back('}');
  return fmt::to_string(out);
}

std::string gradient_record(std::uint64_t task, std::uint64_t noise,
                            std::span<const float> values) {
  Buffer out;
  put(out, "{{\"k\":\"grad\",\"t\":{},\"n\":{},\"x\":\"", task, noise);
  for (float value : values) put(out, "{:08x}", std::bit_cast<std::uint32_t>(value));
  put(out, "\"}}");
  return fmt::to_string(out);
}

std::string final_record(std::uint64_t task, const nlohmann::ordered_json& entry,
                         const Ledger& ledger) {
  return nlohmann::ordered_json{
      {"k", "final"}, {"t", task}, {"entry", entry}, {"ledger", to_json(ledger)}}
      .dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string clock_record(const ClockRecord& c) {
  Buffer out;
  put(out, R"({{"k":"clock","seconds":{:.3f},"nfe":{},"re":{})", c.seconds, c.walked_nfe,
      c.recomputed_nfe);
  if (c.replayed_candidates)
    put(out, ",\"rc\":{},\"rn\":{}", c.replayed_candidates, c.replayed_nfe);
  out.push_back('}');
  return fmt::to_string(out);
}

void require_same_ask(const Task& task, const std::string& record, const std::string& expected) {
  if (record == expected) return;
  const auto differ = std::ranges::mismatch(record, expected).in1 - record.begin();
  const auto from = static_cast<std::size_t>(std::max<std::ptrdiff_t>(0, differ - 20));
  throw Error(Exit::kPlugin,
              fmt::format("task {}: {} asked '...{}' where the journal has '...{}': the plugin is "
                          "not deterministic",
                          task.index(), task.search_id(), record.substr(from, 80),
                          expected.substr(from, 80)));
}

void History::add(std::string_view payload) try {
  ++records;
  // Ask records are kept as text: that is what a replay is compared with.
  const json record = json::parse(payload);
  const std::string kind = record.at("k");
  if (kind == "run") {
    if (record.at("format") != kFormat)
      throw Error(Exit::kJournal, fmt::format("journal format {}; this winnow reads {}",
                                              record.at("format").dump(), kFormat));
    ++parts;
    config_hash = record.at("config");
    tasks = record.at("tasks");
    batches.push_back(record.value("batch", 0u));
  } else if (kind == "ask") {
    asks[record.at("t")].emplace_back(payload);
  } else if (kind == "done" || kind == "fail") {
    DoneRecord r;
    r.task = record.at("t");
    r.candidate = record.at("c");
    if (kind == "fail") r.error = record.at("why");
    if (record.contains("s")) r.scores = scores_of(record.at("s"));
    r.hash = text_of(record, "h");
    if (record.contains("u")) record.at("u").get_to(r.unscored);
    done[r.task][r.candidate] = std::move(r);
  } else if (kind == "grad") {
    gradients[record.at("t")][record.at("n")] = values_of(record.at("x"));
  } else if (kind == "final") {
    const std::uint64_t task = record.at("t");
    const auto ordered = nlohmann::ordered_json::parse(payload);
    finals[task] = {ordered.at("entry"), ledger_from(ordered.at("ledger"))};
    if (!keep_finished) {
      asks.erase(task);
      done.erase(task);
      gradients.erase(task);
    }
  } else if (kind == "clock") {
    clock = {record.at("seconds"), record.at("nfe"), record.at("re"),
             record.value("rc", std::uint64_t{0}), record.value("rn", 0.0)};
  } else {
    throw Error(Exit::kJournal, fmt::format("unknown kind of record '{}'", kind));
  }
} catch (const json::exception& error) {
  throw Error(Exit::kJournal, fmt::format("record {} of the journal is not what this winnow "
                                          "writes: {}",
                                          records, error.what()));
}

std::vector<float> gradient_of(const json& record) { return values_of(record.at("x")); }

AskedRecipes recipes_of(const json& ask) {
  AskedRecipes recipes;
  for (const json& noise : ask.at("n")) recipes.noises.push_back(noise_of(noise));
  for (const json& candidate : ask.at("c")) recipes.candidates.push_back(candidate_of(candidate));
  return recipes;
}

std::int64_t time_up_after(const std::string& ask_payload) {
  return json::parse(ask_payload).value("up", std::int64_t{-1});
}

nlohmann::ordered_json recipe_json(Task& task, std::uint64_t id) {
  std::vector<std::uint64_t> path;
  std::set<std::uint64_t> noises;
  for (std::uint64_t next = id; next; next = task.candidate(next).parent) {
    path.push_back(next);
    if (const std::uint64_t noise = task.candidate(next).noise) noises.insert(noise);
  }
  // Ids grow from parents to children, so walking down from the largest finds every ancestor.
  for (auto next = noises.rbegin(); next != noises.rend(); ++next)
    for (std::uint64_t parent : task.noises().at(*next).parents) noises.insert(parent);
  Buffer out;
  put(out, "{{\"task\":{},\"candidate\":{},\"noises\":", task.index(), id);
  put_list(out, noises, [&](std::uint64_t noise) { put_noise(out, task.noises().at(noise)); });
  put(out, ",\"path\":");
  put_list(out, std::vector<std::uint64_t>(path.rbegin(), path.rend()),
           [&](std::uint64_t step) { put_candidate(out, task.candidate(step)); });
  out.push_back('}');
  return nlohmann::ordered_json::parse(fmt::to_string(out));
}

std::string sample_hash(std::span<const float> sample) {
  std::uint64_t hash = 14695981039346656037ull;
  for (float value : sample) hash = (hash ^ std::bit_cast<std::uint32_t>(value)) * 1099511628211ull;
  return fmt::format("{:016x}", hash);
}

}  // namespace winnow
