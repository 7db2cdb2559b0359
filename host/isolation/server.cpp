// server.cpp: see server.hpp.
#include "host/isolation/server.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>

#include <algorithm>

#include "host/interface_table.hpp"
#include "host/isolation/fence.hpp"
#include "host/isolation/python.hpp"
#include "host/isolation/served.hpp"
#include "host/library_file.hpp"
#include "host/plugin_library.hpp"
#include "host/text.hpp"

namespace winnow {
namespace {

constexpr const char* kInterfaces[] = {
    WN_SAMPLER_1,       WN_SAMPLER_RENOISE_1, WN_SAMPLER_VJP_1,       WN_VERIFIER_1,
    WN_VERIFIER_GRAD_1, WN_VERIFIER_SET_1,    WN_VERIFIER_FEATURES_1, WN_SEARCH_1};

class PeerSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit PeerSink(Peer& peer) : peer_(peer) {}

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    peer_.log(message.level, {message.payload.data(), message.payload.size()});
  }
  void flush_() override {}

  Peer& peer_;
};

class Server {
 public:
  explicit Server(Peer& peer) : peer_(peer), noise_(peer), services_(peer.stop_word()) {}
  ~Server() { instances_.clear(); }

  Reply answer(Message message, Reader& reader) {
    if (message == Message::kLoad) return load(reader);
    const auto number = reader.get<std::uint64_t>();
    if (message == Message::kCreate) return create(number, reader);
    if (message == Message::kDestroy) return instances_.erase(number), Reply{};
    const auto found = instances_.find(number);
    if (found == instances_.end()) throw Malformed();
    CallContext context(services_);
    ServedCall call{message, reader, context.table(), {}};
    const wn_status status = dispatch(*found->second, call);
    return {status, context.errors().text(), context.errors().items(), call.results.bytes()};
  }

 private:
  // Before anything of the plugin runs, the fence is up.
  Reply load(Reader& reader) {
    if (const std::string_view other = reader.text(); other != kWire)
      throw Error(Exit::kPlugin,
                  fmt::format("winnow-plugin-host speaks '{}', this winnow speaks '{}': they come "
                              "from different versions",
                              kWire, printable(other)));
    FoundPlugin found;
    const std::filesystem::path manifest(reader.text());
    found.plugin_index = reader.get<std::uint64_t>();
    found.variant_index = reader.get<std::uint64_t>();
    const auto logger = std::make_shared<spdlog::logger>("", std::make_shared<PeerSink>(peer_));
    logger->set_level(static_cast<spdlog::level::level_enum>(reader.get<std::int32_t>()));
    spdlog::set_default_logger(logger);
    if (reader.get<std::uint8_t>()) ::raise(SIGSTOP);  // until a debugger has come
    const Fence fence = read_fence(reader);
    const std::string lacking = put_up(fence);
    found.package = std::make_shared<PackageManifest>(read_manifest(manifest));
    if (found.plugin_index >= found.package->plugins.size() ||
        found.variant_index >= found.package->variants.size())
      throw Error(Exit::kPlugin, manifest.string() + ": was changed while it was in use");
    if (!fence.program.empty()) {
      check_library_file(found);
      become_python(fence.program, found, lacking);
    }
    peer_.close_arenas();
    library_ = load_library(found);
    plugin_ = &library_->plugin(found.plugin().id);
    id_ = found.plugin().id;
    kind_ = found.plugin().kind;

    std::vector<const char*> offered;
    for (const char* interface : kInterfaces)
      if (complete_interface(*plugin_, interface)) offered.push_back(interface);
    Writer writer;
    writer.put<std::uint64_t>(offered.size());
    for (const char* interface : offered) writer.text(interface);
    writer.text(lacking);
    return {WN_OK, "", {}, writer.bytes()};
  }

  Reply create(std::uint64_t number, Reader& reader) {
    if (!plugin_) throw Malformed();
    const OwnedOptions options(reader);
    auto served = std::make_unique<Served>(*plugin_);
    served->host = std::make_unique<PluginHost>(services_, id_, library_->minor());
    CallContext context(services_);
    const wn_status status =
        plugin_->create(&served->host->table, options.pointers.data(), options.pointers.size(),
                        context.table(), &served->instance);
    if (status != WN_OK) served->instance = nullptr;
    if (status == WN_OK && !served->instance)
      return {WN_E_INTERNAL, "returned OK but no instance", {}, {}};
    if (served->instance) instances_[number] = std::move(served);
    return {status, context.errors().text(), {}, {}};
  }

  wn_status dispatch(Served& served, ServedCall& call) {
    if (kind_ == PluginKind::kVerifier) return call_verifier(served, call, peer_, conditions_);
    if (kind_ == PluginKind::kSearch) return call_search(served, call, peer_);
    services_.set_noise_source(&noise_);
    const wn_status status = call_sampler(served, call, peer_, conditions_);
    services_.set_noise_source(nullptr);
    return status;
  }

  Peer& peer_;
  PeerNoise noise_;
  HostServices services_;
  ConditionStore conditions_;
  std::shared_ptr<PluginLibrary> library_;
  const wn_plugin_1* plugin_ = nullptr;
  std::string id_;
  PluginKind kind_ = PluginKind::kVerifier;
  std::map<std::uint64_t, std::unique_ptr<Served>> instances_;
};

}  // namespace

void serve(Peer& peer) {
  Server server(peer);
  while (const auto packet = peer.receive()) {
    Reader reader(packet->payload);
    try {
      peer.reply(server.answer(packet->message, reader));
    } catch (const Error& error) {
      peer.reply({WN_E_INTERNAL, error.what(), {}, {}});
    }
  }
  // What the plugin's own destructors log at the end goes nowhere.
  spdlog::set_default_logger(std::make_shared<spdlog::logger>(""));
}

}  // namespace winnow
