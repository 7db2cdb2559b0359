// channel.cpp: see channel.hpp.
#include "host/isolation/channel.hpp"

#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "host/isolation/wire.hpp"

namespace winnow {
namespace {

struct Header {
  Message message;
  std::uint32_t reserved0;
  std::uint64_t size;
};
constexpr std::size_t kLeast = 4 << 10, kMost = 1 << 20;  // bytes to read at once
constexpr std::chrono::microseconds kSoon(50);

}  // namespace

const char* name_of(Message message) {
  constexpr std::array kNames{
      "load",          "create",   "destroy",   "info", "leg",   "init",   "step",  "renoise",
      "preview",       "decode",   "vjp",       "info", "score", "grad",   "reset", "accept",
      "features info", "features", "begin",     "ask",  "tell",  "best",   "reply", "log",
      "normal",        "noise",    "candidate", "cost", "left",  "forget", "answer"};
  const auto index = static_cast<std::size_t>(message);
  return index < kNames.size() ? kNames[index] : "an unknown function";
}

Channel::~Channel() { ::close(socket_); }

bool Channel::send(Message message, std::string_view payload, const std::function<bool()>& go_on) {
  const std::lock_guard lock(sending_);
  Header header{message, 0, payload.size()};
  iovec parts[] = {{&header, sizeof header}, {const_cast<char*>(payload.data()), payload.size()}};
  msghdr out{};
  out.msg_iov = parts;
  out.msg_iovlen = 2;
  while (out.msg_iovlen) {
    const ssize_t sent = ::sendmsg(socket_, &out, MSG_NOSIGNAL | (go_on ? MSG_DONTWAIT : 0));
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno == EAGAIN && go_on && go_on()) continue;
    if (sent < 0) return false;
    auto left = static_cast<std::size_t>(sent);
    while (out.msg_iovlen && left >= out.msg_iov->iov_len) {
      left -= out.msg_iov->iov_len;
      ++out.msg_iov;
      --out.msg_iovlen;
    }
    if (!out.msg_iovlen) break;
    out.msg_iov->iov_base = static_cast<char*>(out.msg_iov->iov_base) + left;
    out.msg_iov->iov_len -= left;
  }
  return true;
}

bool Channel::soon() const {
  const auto end = std::chrono::steady_clock::now() + kSoon;
  do {
    pollfd file{socket_, POLLIN, 0};
    if (::poll(&file, 1, 0) > 0) return true;
    ::sched_yield();  // the other end may be waiting for this core
  } while (std::chrono::steady_clock::now() < end);
  return false;
}

bool Channel::fill(bool wait) {
  if (begin_ == buffer_.size() || begin_ > kMost) {
    buffer_.erase(0, begin_);
    begin_ = 0;
  }
  const std::size_t before = buffer_.size(), room = missing();
  buffer_.resize(before + room);
  ssize_t n;
  do {
    n = ::recv(socket_, buffer_.data() + before, room, wait ? 0 : MSG_DONTWAIT);
  } while (n < 0 && errno == EINTR);
  buffer_.resize(before + static_cast<std::size_t>(n > 0 ? n : 0));
  return n > 0 || (n < 0 && errno == EAGAIN);
}

// About as much as the packet that has begun still lacks.
std::size_t Channel::missing() const {
  Header header{};
  const std::size_t there = buffer_.size() - begin_;
  if (there >= sizeof header) std::memcpy(&header, buffer_.data() + begin_, sizeof header);
  return std::clamp<std::size_t>(header.size, kLeast, kMost);
}

std::optional<Packet> Channel::next() {
  Header header;
  const std::size_t there = buffer_.size() - begin_;
  if (there < sizeof header) return std::nullopt;
  std::memcpy(&header, buffer_.data() + begin_, sizeof header);
  if (header.size > most_) throw Malformed();
  if (there - sizeof header < header.size) return std::nullopt;
  Packet packet{header.message, buffer_.substr(begin_ + sizeof header, header.size)};
  begin_ += sizeof header + header.size;
  return packet;
}

}  // namespace winnow
