// proxy.cpp: see proxy.hpp.
#include "host/isolation/proxy.hpp"

#include <fmt/format.h>

#include "host/error.hpp"
#include "host/host_services.hpp"

namespace winnow {

Proxy::~Proxy() {
  if (!process_->runs() || generation_ != process_->generation()) return;
  Writer writer;
  writer.put(number_);
  try {
    process_->call(Message::kDestroy, writer.bytes(), nullptr, {});
  } catch (const Died&) {  // it would have been gone anyway
  }
}

Reply Proxy::make(const wn_call* call) {
  if (const Reply stopped = process_->run(call); stopped.status != WN_OK) return stopped;
  generation_ = process_->generation();
  number_ = process_->next_instance();
  Writer writer;
  writer.put(number_);
  writer.append(options_);
  return process_->call(Message::kCreate, writer.bytes(), call, {});
}

Reply Proxy::create(const wn_call* call) {
  try {
    return make(call);
  } catch (const Died& death) {
    process_->spend_restart(death.how);
  }
  try {
    return make(call);
  } catch (const Died& death) {
    give_up(death);
  }
}

Reply Proxy::once(Message message, std::string_view payload, const wn_call* call,
                  const Answers& answers, const Take& take) {
  if (!process_->runs() || generation_ != process_->generation()) {
    Reply reply = make(call);
    if (reply.status == WN_OK) reply = restore(call);
    if (reply.status != WN_OK) {
      generation_ = 0;  // half of it was made
      reply.status = call ? call->should_stop(call) : WN_OK;
      if (reply.status != WN_OK) return reply;
      throw Error(Exit::kPlugin, fmt::format("{}: cannot be made again in a fresh process: {}",
                                             process_->id(), reply.text));
    }
  }
  Writer writer;
  writer.put(number_);
  writer.append(payload);
  return process_->call(message, writer.bytes(), call, answers, take);
}

Reply Proxy::twice(Message message, std::string_view payload, const wn_call* call,
                   const Take& take) {
  try {
    return once(message, payload, call, {}, take);
  } catch (const Died& death) {
    process_->spend_restart(death.how);
  }
  try {
    return once(message, payload, call, {}, take);
  } catch (const Died& death) {
    give_up(death);
  }
}

Reply Proxy::twice(Message message, std::string_view payload, const Take& take) {
  const CallContext context(static_cast<const PluginHost*>(host_->ctx)->services);
  return twice(message, payload, context.table(), take);
}

void Proxy::give_up(const Died& death) const {
  throw Error(Exit::kPlugin,
              fmt::format("{}: {}, and again in a fresh process", process_->id(), death.how));
}

}  // namespace winnow
