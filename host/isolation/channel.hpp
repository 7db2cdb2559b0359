// channel.hpp: messages over a stream socket between the host and a plugin's process.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "winnow/winnow.h"

namespace winnow {

enum class Message : std::uint32_t {
  // To the plugin's process; each is answered by kReply.
  kLoad,
  kCreate,
  kDestroy,
  kSamplerInfo,
  kLeg,
  kInit,
  kStep,
  kRenoise,
  kPreview,
  kDecode,
  kVjp,
  kVerifierInfo,
  kScore,
  kGrad,
  kReset,
  kAccept,
  kFeaturesInfo,
  kFeatures,
  kBegin,
  kAsk,
  kTell,
  kBest,
  // From it: the end of a call; a line for the log, at any time.
  kReply,
  kLog,
  // From it while it works on a call; each is answered by kAnswer.
  kNormal,
  kPushNoise,
  kPushCandidate,
  kCost,
  kLeft,
  kForget,
  kAnswer,
};

// Both ends say it first, so that a program and a plugin host of two builds do not misunderstand
// each other.
inline constexpr const char* kWire = "winnow " WN_SDK_VERSION " wire 2";

// What a person calls it: "score".
const char* name_of(Message message);

struct Packet {
  Message message;
  std::string payload;
};

// One end. Packets: message, size, payload.
class Channel {
 public:
  // Takes the socket over. Packets with more bytes than `most` are not read.
  Channel(int socket, std::uint64_t most) : socket_(socket), most_(most) {}
  ~Channel();
  Channel(const Channel&) = delete;

  int socket() const { return socket_; }
  // All of it, or false: nobody reads at the other end. Any thread. While there is no room it asks
  // `go_on`, which waits for some; without one it waits itself.
  bool send(Message message, std::string_view payload, const std::function<bool()>& go_on = {});
  // Looks out for 50 us, without sleeping, whether there is something to read: to fall asleep and
  // be woken takes longer than a small call.
  bool soon() const;
  // Reads what is there, or waits for the first byte. False at the end of the stream.
  bool fill(bool wait);
  // The next whole packet of what was read. Throws Malformed for one that is too large.
  std::optional<Packet> next();

 private:
  std::size_t missing() const;

  int socket_;
  std::uint64_t most_;
  std::mutex sending_;
  std::string buffer_;
  std::size_t begin_ = 0;  // of what is not taken yet
};

}  // namespace winnow
