// host_services.hpp: what the host offers to plugins: the wn_host object and the tables behind it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "winnow/winnow.h"

namespace winnow {

// Resolves the noise handles of the batch that is being worked on. May throw winnow::Error.
class NoiseSource {
 public:
  virtual ~NoiseSource() = default;
  virtual void normal(std::uint64_t handle, std::uint32_t position, std::span<float> out) = 0;
  // Item i of out[n, ...] with handles[n] and positions[n].
  virtual void normals(std::span<const std::uint64_t> handles,
                       std::span<const std::uint32_t> positions, std::span<float> out) {
    const std::size_t each = out.size() / handles.size();
    for (std::size_t i = 0; i < handles.size(); ++i)
      normal(handles[i], positions[i], out.subspan(i * each, each));
  }
};

// One per run, outlives all instances. Calls come from the thread that called the plugin; log and
// stop from any thread.
class HostServices {
 public:
  // `stop`: 0, or the wn_status that should_stop answers; may be set by a signal handler.
  explicit HostServices(const std::atomic<wn_status>* stop) : stop_(stop) {}

  // Ids of the tables a plugin may ask for.
  static std::vector<std::string> interfaces();

  wn_status should_stop() const { return stop_ ? stop_->load(std::memory_order_relaxed) : WN_OK; }

  // The source of the current call; null outside sampler calls.
  void set_noise_source(NoiseSource* source) { noise_ = source; }
  NoiseSource* noise_source() const { return noise_; }

 private:
  const std::atomic<wn_status>* stop_;
  NoiseSource* noise_ = nullptr;
};

// The wn_host of one instance.
struct PluginHost {
  PluginHost(HostServices& services, std::string plugin_id, std::uint32_t minor);
  PluginHost(const PluginHost&) = delete;
  wn_host table;
  HostServices& services;
  std::string plugin_id;  // for logs
};

// Collects the text of one call and its items. A plugin's own threads may report at once; the texts
// are read when the call is over.
class ErrorSink {
 public:
  ErrorSink();
  ErrorSink(const ErrorSink&) = delete;
  const wn_errors* table() const { return &table_; }
  const std::string& text() const { return text_; }
  std::string item_text(std::uint64_t item) const;
  using Items = std::vector<std::pair<std::uint64_t, std::string>>;
  const Items& items() const { return items_; }

 private:
  static void set(void* self, wn_status, const char* text, std::uint64_t size) noexcept;
  static void set_item(void* self, std::uint64_t item, wn_status, const char* text,
                       std::uint64_t size) noexcept;

  wn_errors table_;
  std::mutex mutex_;  // of what follows
  std::string text_;
  Items items_;
};

// The wn_call of one call, with its sink and its scratch memory.
class CallContext {
 public:
  explicit CallContext(HostServices& services);
  CallContext(const CallContext&) = delete;
  const wn_call* table() const { return &table_; }
  const ErrorSink& errors() const { return errors_; }
  void* scratch(std::uint64_t bytes, std::uint64_t align);

 private:
  HostServices& services_;
  ErrorSink errors_;
  std::vector<std::unique_ptr<char[]>> scratch_;
  wn_call table_;
};

}  // namespace winnow
