// proxy_batch.hpp: a batch through a plugin's process, done again and taken apart when that dies.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "host/isolation/proxy.hpp"

namespace winnow {

using Rows = std::span<const std::uint64_t>;

// One batch call, as the table of the ABI gets it.
struct BatchCall {
  Message message;
  const wn_call* call = nullptr;
  std::uint64_t n = 0;

  struct Column {
    const wn_tensor* tensor = nullptr;  // compact, [n, ...]; null: not there
    bool written = false;               // by the plugin
    bool read = true;                   // so its values of before count
  };
  std::vector<Column> columns{};

  std::function<void(Writer&, Rows)> write{};        // the other columns of these rows
  std::function<void(Reader&, Rows wanted)> take{};  // what came back in them; may be empty
  Answers answers{};                                 // may be empty
};

// When the process dies, the batch is done again in a fresh one; when that dies too, its halves
// are, down to the items with which it dies even alone: those fail, by name. A part is made as
// large as the batch by repeating one of its rows, so that results keep their bits. Returns what
// the call returned; status[n] as in the ABI. A batch that kills costs one restart, and one
// more for each further item that kills while no part of it gets through. Throws
// Error(Exit::kPlugin) when none is left.
wn_status run_batch(Proxy& proxy, const BatchCall& batch, wn_status* status);

// The whole batch once, without any of that. Throws Died.
Reply run_batch_once(Proxy& proxy, const BatchCall& batch);

}  // namespace winnow
