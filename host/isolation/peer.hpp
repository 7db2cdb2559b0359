// peer.hpp: the host, as a plugin's process sees it.
#pragma once

#include <atomic>
#include <mutex>
#include <optional>
#include <string>

#include "host/host_services.hpp"
#include "host/isolation/arena.hpp"
#include "host/isolation/channel.hpp"
#include "host/isolation/messages.hpp"

namespace winnow {

class Peer {
 public:
  // Takes the descriptors over. Those of the arenas stay open, for a program that this process may
  // become.
  Peer(int socket, int inputs, int exchange);
  ~Peer() { close_arenas(); }
  void close_arenas();

  std::optional<Packet> receive();  // nothing: the host is gone
  void reply(const Reply& reply) { channel_.send(Message::kReply, bytes_of(reply)); }
  void log(std::int32_t level, std::string_view text);
  // A question during a call. Any thread; ends this process when the host is gone.
  std::string ask(Message message, std::string_view payload);

  void* at(Place place, std::uint64_t offset, std::uint64_t bytes) const;
  std::optional<std::uint64_t> offset_of(const void* data, std::uint64_t bytes) const {
    return exchange_.offset_of(data, bytes);
  }
  const std::atomic<wn_status>* stop_word() const;

 private:
  Channel channel_;
  int files_[2];
  ArenaView inputs_, exchange_;
  std::mutex asking_;
};

// The noise of the host's batch. Any thread.
class PeerNoise final : public NoiseSource {
 public:
  explicit PeerNoise(Peer& peer) : peer_(peer) {}
  void normal(std::uint64_t handle, std::uint32_t position, std::span<float> out) override {
    normals({&handle, 1}, {&position, 1}, out);
  }
  void normals(std::span<const std::uint64_t> handles, std::span<const std::uint32_t> positions,
               std::span<float> out) override;

 private:
  Peer& peer_;
  std::mutex asking_;  // until the answer is taken: the next question frees the memory it lies in
};

// wn_proposals that asks the host.
class PeerProposals {
 public:
  explicit PeerProposals(Peer& peer);
  const wn_proposals* table() const { return &table_; }

 private:
  struct Answer {
    wn_status status;
    double number;
  };
  static Answer ask(void* ctx, Message message, const Writer& question);

  Peer& peer_;
  wn_proposals table_;
};

}  // namespace winnow
