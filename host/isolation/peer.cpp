// peer.cpp: see peer.hpp.
#include "host/isolation/peer.hpp"

#include <unistd.h>

#include <utility>

namespace winnow {
namespace {

constexpr std::uint64_t kMostFromHost = 1ull << 40;  // which may have large pictures for each item

}  // namespace

Peer::Peer(int socket, int inputs, int exchange)
    : channel_(socket, kMostFromHost),
      files_{inputs, exchange},
      inputs_(inputs, /*writable=*/false),
      exchange_(exchange, /*writable=*/true) {}

void Peer::close_arenas() {
  for (int& file : files_)
    if (const int open = std::exchange(file, -1); open >= 0) ::close(open);
}

std::optional<Packet> Peer::receive() {
  for (;;) {
    if (auto packet = channel_.next()) return packet;
    channel_.soon();
    if (!channel_.fill(/*wait=*/true)) return std::nullopt;
  }
}

void Peer::log(std::int32_t level, std::string_view text) {
  Writer writer;
  writer.put(level);
  writer.text(text);
  channel_.send(Message::kLog, writer.bytes());
}

std::string Peer::ask(Message message, std::string_view payload) {
  const std::lock_guard lock(asking_);
  channel_.send(message, payload);
  auto packet = receive();
  if (!packet || packet->message != Message::kAnswer) ::_exit(0);
  return std::move(packet->payload);
}

void* Peer::at(Place place, std::uint64_t offset, std::uint64_t bytes) const {
  return (place == Place::kInputs ? inputs_ : exchange_).at(offset, bytes);
}

const std::atomic<wn_status>* Peer::stop_word() const {
  return static_cast<const std::atomic<wn_status>*>(exchange_.at(0, sizeof(wn_status)));
}

void PeerNoise::normals(std::span<const std::uint64_t> handles,
                        std::span<const std::uint32_t> positions, std::span<float> out) {
  Writer writer;
  writer.array(handles.data(), handles.size());
  writer.array(positions.data(), positions.size());
  writer.put<std::uint64_t>(out.size() / handles.size());
  writer.put(peer_.offset_of(out.data(), out.size_bytes()).value_or(kElsewhere));
  const std::lock_guard lock(asking_);
  const std::string answer = peer_.ask(Message::kNormal, writer.bytes());
  Reader reader(answer);
  const auto status = reader.get<wn_status>();
  const std::string_view text = reader.text();
  if (status != WN_OK) throw Error(Exit::kPlugin, std::string(text));
  const void* from = peer_.at(Place::kExchange, reader.get<std::uint64_t>(), out.size_bytes());
  if (from != out.data()) std::memcpy(out.data(), from, out.size_bytes());
}

PeerProposals::Answer PeerProposals::ask(void* ctx, Message message, const Writer& question) {
  const std::string bytes = static_cast<PeerProposals*>(ctx)->peer_.ask(message, question.bytes());
  Reader reader(bytes);
  const auto status = reader.get<wn_status>();
  return {status, reader.get<double>()};
}

PeerProposals::PeerProposals(Peer& peer) : peer_(peer) {
  table_ = {.struct_size = WN_SIZE(wn_proposals, forget),
            .reserved0 = 0,
            .ctx = this,
            .noise =
                [](void* ctx, const wn_noise_recipe* recipe) {
                  Writer writer;
                  write_recipe(writer, *recipe);
                  return ask(ctx, Message::kPushNoise, writer).status;
                },
            .candidate =
                [](void* ctx, const wn_candidate* candidate) {
                  Writer writer;
                  writer.put(known_part(*candidate));
                  return ask(ctx, Message::kPushCandidate, writer).status;
                },
            .cost =
                [](void* ctx, const wn_candidate* const* all, uint64_t n, double* nfe) {
                  std::vector<wn_candidate> known;
                  for (uint64_t i = 0; i < n; ++i) known.push_back(known_part(*all[i]));
                  Writer writer;
                  writer.array(known);
                  const Answer answer = ask(ctx, Message::kCost, writer);
                  if (answer.status == WN_OK) *nfe = answer.number;
                  return answer.status;
                },
            .left = [](void* ctx) { return ask(ctx, Message::kLeft, {}).number; },
            .forget =
                [](void* ctx, const uint64_t* ids, uint64_t n) {
                  Writer writer;
                  writer.array(ids, n);
                  return ask(ctx, Message::kForget, writer).status;
                }};
}

}  // namespace winnow
