// served.cpp: see served.hpp.
#include "host/isolation/served.hpp"

namespace winnow {
namespace {

constexpr std::uint64_t kMostConditions = 64 << 20;  // bytes that are kept
constexpr std::uint32_t kMostSteps = 1'000'000;      // that are believed

// The tensors of a batch that are there, the others null.
struct Columns {
  Columns(Reader& reader, const Peer& peer) {
    n = reader.get<std::uint64_t>();
    for (auto left = reader.get<std::uint64_t>(); left > 0; --left) {
      const bool there = reader.get<std::uint8_t>();
      tensors.push_back(there ? &placed.emplace_back(reader, at(peer)).table : nullptr);
    }
  }
  static std::function<void*(Place, std::uint64_t, std::uint64_t)> at(const Peer& peer) {
    return [&peer](Place place, std::uint64_t offset, std::uint64_t bytes) {
      return peer.at(place, offset, bytes);
    };
  }
  wn_tensor* tensor(std::size_t i) const { return i < tensors.size() ? tensors[i] : nullptr; }
  float* numbers(std::size_t i) const {
    return tensor(i) ? static_cast<float*>(tensor(i)->data) : nullptr;
  }

  std::uint64_t n = 0;
  std::deque<PlacedTensor> placed;
  std::vector<wn_tensor*> tensors;
};

wn_status sampler_info(Served& served, ServedCall& call, const wn_sampler_1& table) {
  wn_sampler_info info{};
  info.struct_size = WN_SIZE(wn_sampler_info, flops);
  const wn_status status = table.info(served.instance, call.reader.get<std::uint32_t>(), &info);
  if (info.n_steps > kMostSteps) info.times = info.noise_scale = nullptr;
  if (status == WN_OK) write_sampler_info(call.results, info);
  return status;
}

wn_status leg(Served& served, ServedCall& call, const wn_sampler_1& table) {
  const auto profile = call.reader.get<std::uint32_t>();
  const auto from = call.reader.get<double>(), to = call.reader.get<double>(),
             stochasticity = call.reader.get<double>();
  const auto steps = call.reader.get<std::uint32_t>(), room = call.reader.get<std::uint32_t>();
  std::vector<double> times(room + 1ull), nfe(room);
  std::uint32_t count = 0;
  const wn_status status = table.leg(served.instance, profile, from, to, stochasticity, steps, room,
                                     times.data(), nfe.data(), &count);
  const std::uint32_t written = std::min(count, room);
  call.results.put(count);
  call.results.array(times.data(), written + 1ull);
  call.results.array(nfe.data(), written);
  return status;
}

wn_status sampler_batch(Served& served, ServedCall& call, const Peer& peer,
                        ConditionStore& conditions) {
  Reader& reader = call.reader;
  const Columns columns(reader, peer);
  const auto profile = reader.get<std::uint32_t>();
  const auto rows = conditions.rows(reader);
  auto has_eval = reader.array<std::uint8_t>();
  const auto from = reader.array<double>(), to = reader.array<double>(),
             stochasticity = reader.array<double>();
  const auto noise = reader.array<std::uint64_t>();
  const auto position = reader.array<std::uint32_t>();
  const wn_sampler_batch batch{.struct_size = WN_SIZE(wn_sampler_batch, position),
                               .profile = profile,
                               .n = columns.n,
                               .conditions = rows.data(),
                               .latents = columns.tensor(0),
                               .carry = columns.tensor(1),
                               .has_eval = has_eval.data(),
                               .from_time = from.data(),
                               .to_time = to.data(),
                               .stochasticity = stochasticity.data(),
                               .noise = noise.data(),
                               .position = position.data()};
  std::vector<wn_status> status(columns.n, WN_OK);
  const auto* table = served.table<wn_sampler_1>(WN_SAMPLER_1);
  const auto run = [&]() -> wn_status {
    switch (call.message) {
      case Message::kInit:
        return table->init(served.instance, call.call, &batch, status.data());
      case Message::kStep:
        return table->step(served.instance, call.call, &batch, status.data());
      case Message::kRenoise:
        return served.table<wn_sampler_renoise_1>(WN_SAMPLER_RENOISE_1)
            ->renoise(served.instance, call.call, &batch, status.data());
      case Message::kPreview:
        return table->preview(served.instance, call.call, &batch, columns.tensor(2), status.data());
      case Message::kDecode:
        return table->decode(served.instance, call.call, &batch, columns.tensor(2), status.data());
      case Message::kVjp:
        return served.table<wn_sampler_vjp_1>(WN_SAMPLER_VJP_1)
            ->vjp(served.instance, call.call, &batch, columns.tensor(2), columns.tensor(3),
                  status.data());
      default:
        throw Malformed();
    }
  };
  const wn_status result = run();
  call.results.array(status);
  call.results.array(has_eval);
  return result;
}

wn_status verifier_batch(Served& served, ServedCall& call, const Peer& peer,
                         ConditionStore& conditions) {
  const Columns columns(call.reader, peer);
  const auto rows = conditions.rows(call.reader);
  const auto ids = call.reader.array<std::uint64_t>();
  const wn_verifier_batch batch{.struct_size = WN_SIZE(wn_verifier_batch, previews),
                                .reserved0 = 0,
                                .n = columns.n,
                                .samples = columns.tensor(0),
                                .conditions = rows.data(),
                                .candidate_ids = ids.data(),
                                .previews = columns.tensor(1)};
  std::vector<wn_status> status(columns.n, WN_OK);
  const auto run = [&]() -> wn_status {
    switch (call.message) {
      case Message::kScore:
        return served.table<wn_verifier_1>(WN_VERIFIER_1)
            ->score(served.instance, call.call, &batch, columns.numbers(2), status.data());
      case Message::kGrad:
        return served.table<wn_verifier_grad_1>(WN_VERIFIER_GRAD_1)
            ->grad(served.instance, call.call, &batch, columns.tensor(2), status.data());
      case Message::kFeatures:
        return served.table<wn_verifier_features_1>(WN_VERIFIER_FEATURES_1)
            ->features(served.instance, call.call, &batch, columns.numbers(2), columns.numbers(3),
                       status.data());
      case Message::kAccept:
        return served.table<wn_verifier_set_1>(WN_VERIFIER_SET_1)
            ->accept(served.instance, call.call, &batch);
      default:
        throw Malformed();
    }
  };
  const wn_status result = run();
  call.results.array(status);
  return result;
}

}  // namespace

std::vector<const wn_condition*> ConditionStore::rows(Reader& reader) {
  if (bytes_ > kMostConditions) {
    known_.clear();
    bytes_ = 0;
  }
  std::vector<const wn_condition*> distinct, rows;
  for (auto n = reader.get<std::uint64_t>(); n > 0; --n) {
    const std::string_view bytes = reader.text();
    auto found = known_.find(bytes);
    if (found == known_.end()) {
      found = known_.try_emplace(std::string(bytes), bytes).first;
      bytes_ += 2 * bytes.size();
    }
    distinct.push_back(&found->second.table);
  }
  for (const std::uint64_t which : reader.array<std::uint64_t>())
    rows.push_back(distinct.at(which));
  return rows;
}

wn_status call_sampler(Served& served, ServedCall& call, const Peer& peer,
                       ConditionStore& conditions) {
  const auto* table = served.table<wn_sampler_1>(WN_SAMPLER_1);
  if (call.message == Message::kSamplerInfo) return sampler_info(served, call, *table);
  if (call.message == Message::kLeg) return leg(served, call, *table);
  return sampler_batch(served, call, peer, conditions);
}

wn_status call_verifier(Served& served, ServedCall& call, const Peer& peer,
                        ConditionStore& conditions) {
  if (call.message == Message::kVerifierInfo) {
    wn_verifier_info info{};
    info.struct_size = WN_SIZE(wn_verifier_info, preview_time);
    info.preview_time = -1;
    const wn_status status =
        served.table<wn_verifier_1>(WN_VERIFIER_1)->info(served.instance, &info);
    call.results.put(info);
    return status;
  }
  if (call.message == Message::kFeaturesInfo) {
    wn_features_info info{};
    info.struct_size = WN_SIZE(wn_features_info, network);
    const wn_status status =
        served.table<wn_verifier_features_1>(WN_VERIFIER_FEATURES_1)->info(served.instance, &info);
    call.results.put(info);
    call.results.text({info.network.data, info.network.data ? info.network.size : 0});
    return status;
  }
  if (call.message == Message::kReset)
    return served.table<wn_verifier_set_1>(WN_VERIFIER_SET_1)->reset(served.instance);
  return verifier_batch(served, call, peer, conditions);
}

wn_status call_search(Served& served, ServedCall& call, Peer& peer) {
  const auto* table = served.table<wn_search_1>(WN_SEARCH_1);
  switch (call.message) {
    case Message::kBegin:
      served.problem = std::make_unique<OwnedProblem>(call.reader);
      return table->begin(served.instance, call.call, &served.problem->table);
    case Message::kAsk: {
      const PeerProposals proposals(peer);
      return table->ask(served.instance, call.call, call.reader.get<std::uint64_t>(),
                        proposals.table());
    }
    case Message::kTell: {
      const OwnedResults results(call.reader);
      return table->tell(served.instance, call.call, results.pointers.data(),
                         results.pointers.size());
    }
    case Message::kBest: {
      std::vector<std::uint64_t> ids(call.reader.get<std::uint64_t>());
      std::uint64_t count = 0;
      const wn_status status = table->best(served.instance, ids.size(), ids.data(), &count);
      call.results.put(count);
      call.results.array(ids.data(), std::min<std::uint64_t>(count, ids.size()));
      return status;
    }
    default:
      throw Malformed();
  }
}

}  // namespace winnow
