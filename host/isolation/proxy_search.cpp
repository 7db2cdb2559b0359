// proxy_search.cpp: the search's table over another process. What was asked, answered and told is
// kept, so that a fresh process can be led to the same state.
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <limits>

#include "host/error.hpp"
#include "host/isolation/proxy.hpp"

namespace winnow {
namespace {

// One question during ask, as a hash, and its answer.
struct Answered {
  std::uint64_t question;
  wn_status status;
  double number;
};

constexpr std::size_t kMostQuestions = 10'000'000;  // of one ask

// An ask with its questions, or a tell.
struct Event {
  Message message;
  std::string payload;
  std::vector<Answered> answers{};
  wn_status status = WN_OK;
};

std::uint64_t hash_of(Message message, std::string_view question) {
  return std::hash<std::string_view>()(question) * 31 + static_cast<std::uint64_t>(message);
}

// Puts the plugin's question to the sink of the running ask.
Answered put(const wn_proposals& sink, Message message, Reader& reader) {
  Answered answer{0, WN_OK, 0};
  switch (message) {
    case Message::kPushNoise: {
      const OwnedRecipe recipe(reader);
      answer.status = sink.noise(sink.ctx, &recipe.table);
      break;
    }
    case Message::kPushCandidate: {
      const auto candidate = reader.get<wn_candidate>();
      answer.status = sink.candidate(sink.ctx, &candidate);
      break;
    }
    case Message::kCost: {
      const auto all = reader.array<wn_candidate>();
      std::vector<const wn_candidate*> pointers;
      for (const wn_candidate& one : all) pointers.push_back(&one);
      answer.status = sink.cost(sink.ctx, pointers.data(), pointers.size(), &answer.number);
      break;
    }
    case Message::kLeft:
      answer.number = sink.left(sink.ctx);
      break;
    case Message::kForget: {
      const auto ids = reader.array<std::uint64_t>();
      answer.status = sink.forget(sink.ctx, ids.data(), ids.size());
      break;
    }
    default:
      throw Malformed();
  }
  return answer;
}

class SearchProxy final : public Proxy {
 public:
  using Proxy::Proxy;

  wn_status begin(const wn_call* call, const wn_problem* problem) {
    Writer writer;
    write_problem(writer, *problem);
    const Reply reply = twice(Message::kBegin, writer.bytes(), call);
    if (reply.status == WN_OK) problem_ = writer.bytes();
    forward(reply, call);
    return reply.status;
  }

  // An ask that dies is done again behind what came before it; what it has pushed by then is not
  // pushed twice.
  wn_status ask(const wn_call* call, std::uint64_t max_n, const wn_proposals* proposals) {
    Writer writer;
    writer.put(max_n);
    Event event{Message::kAsk, writer.bytes()};
    Reply reply;
    try {
      reply = replay(event, call, proposals);
    } catch (const Died& death) {
      process().spend_restart(death.how);
      reply = again(event, call, proposals);
    }
    keep(std::move(event), reply);
    forward(reply, call);
    return reply.status;
  }

  wn_status tell(const wn_call* call, const wn_result* const* results, std::uint64_t n) {
    Writer writer;
    write_results(writer, results, n);
    const Reply reply = twice(Message::kTell, writer.bytes(), call);
    keep({Message::kTell, writer.bytes()}, reply);
    forward(reply, call);
    return reply.status;
  }

  wn_status best(std::uint64_t max_n, std::uint64_t* ids, std::uint64_t* n_out) {
    Writer writer;
    writer.put(max_n);
    return twice(Message::kBest, writer.bytes(),
                 [&](Reader& reader) {
                   *n_out = reader.get<std::uint64_t>();
                   const auto found = reader.array<std::uint64_t>();
                   if (found.size() != std::min(*n_out, max_n)) throw Malformed();
                   std::copy(found.begin(), found.end(), ids);
                 })
        .status;
  }

 private:
  // What failed ends the search, or was stopped: nobody goes on behind it.
  void keep(Event event, const Reply& reply) {
    event.status = reply.status;
    if (reply.status == WN_OK || reply.status == WN_WAIT || reply.status == WN_DONE)
      events_.push_back(std::move(event));
  }

  // One event in the process. Questions are answered as they were before; then, where there is a
  // sink, by that.
  Reply replay(Event& event, const wn_call* call, const wn_proposals* sink) {
    std::size_t next = 0;
    return once(event.message, event.payload, call, [&](Message message, Reader& reader) {
      const std::uint64_t question = hash_of(message, reader.rest());
      if (next == event.answers.size() && sink) {
        if (next == kMostQuestions)
          throw Error(Exit::kPlugin, fmt::format("{}: asks for more than {} things in one ask",
                                                 process().id(), kMostQuestions));
        event.answers.push_back(put(*sink, message, reader));
        event.answers.back().question = question;
      }
      if (next == event.answers.size() || event.answers[next].question != question)
        throw Error(Exit::kPlugin, fmt::format("{}: asks for something else when it is asked again "
                                               "after its process died: it is not deterministic",
                                               process().id()));
      const Answered& answer = event.answers[next++];
      Writer writer;
      writer.put(answer.status);
      writer.put(answer.number);
      return writer.bytes();
    });
  }

  Reply again(Event& event, const wn_call* call, const wn_proposals* sink) {
    try {
      return replay(event, call, sink);
    } catch (const Died& death) {
      give_up(death);
    }
  }

  Reply restore(const wn_call* call) override {
    if (problem_.empty()) return {};
    if (Reply reply = once(Message::kBegin, problem_, call); reply.status != WN_OK) return reply;
    for (Event& event : events_)
      if (Reply reply = replay(event, call, nullptr); reply.status != event.status)
        return {WN_E_INTERNAL,
                fmt::format("{} says {} where it said {} before: it is not deterministic{}{}",
                            name_of(event.message), reply.status, event.status,
                            reply.text.empty() ? "" : "; ", reply.text),
                {},
                {}};
    return {};
  }

  std::string problem_;  // empty: not begun
  std::vector<Event> events_;
};

SearchProxy& search(wn_instance* self) { return static_cast<SearchProxy&>(Proxy::of(self)); }

constexpr wn_search_1 kSearch{
    [](wn_instance* self, const wn_call* call, const wn_problem* problem) {
      return search(self).begin(call, problem);
    },
    [](wn_instance* self, const wn_call* call, uint64_t max_n, const wn_proposals* proposals) {
      return search(self).ask(call, max_n, proposals);
    },
    [](wn_instance* self, const wn_call* call, const wn_result* const* results, uint64_t n) {
      return search(self).tell(call, results, n);
    },
    [](wn_instance* self, uint64_t max_n, uint64_t* ids, uint64_t* n_out) {
      return search(self).best(max_n, ids, n_out);
    }};

}  // namespace

std::unique_ptr<Proxy> make_search_proxy(std::shared_ptr<PluginProcess> process,
                                         const wn_host* host, std::string options) {
  return std::make_unique<SearchProxy>(std::move(process), host, std::move(options));
}

const void* proxied_search_table(std::string_view interface) {
  return interface == WN_SEARCH_1 ? &kSearch : nullptr;
}

}  // namespace winnow
