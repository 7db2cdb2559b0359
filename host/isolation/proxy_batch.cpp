// proxy_batch.cpp: see proxy_batch.hpp.
#include "host/isolation/proxy_batch.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <optional>
#include <utility>

namespace winnow {
namespace {

// A piece of an arena for the time of a call.
class Piece {
 public:
  Piece(Arena& arena, std::uint64_t bytes) : arena_(arena), data_(arena.allocate(bytes)) {}
  Piece(Piece&& other) noexcept
      : arena_(other.arena_), data_(std::exchange(other.data_, nullptr)) {}
  ~Piece() {
    if (data_) arena_.release(data_);
  }
  char* data() const { return static_cast<char*>(data_); }

 private:
  Arena& arena_;
  void* data_;
};

class Runner {
 public:
  Runner(Proxy& proxy, const BatchCall& batch, wn_status* status)
      : proxy_(proxy), batch_(batch), status_(status), all_(batch.n) {
    std::iota(all_.begin(), all_.end(), std::uint64_t{0});
  }

  // What the plugin could write in place, whether it should or not, is kept, so that the batch can
  // be done again.
  void remember() {
    for (const BatchCall::Column& column : batch_.columns) {
      kept_.emplace_back();
      if (!column.tensor || !column.read) continue;
      if (!column.written &&
          !proxy_.process().exchange()->offset_of(data_of(*column.tensor), size_of(*column.tensor)))
        continue;
      const auto* data = static_cast<const char*>(data_of(*column.tensor));
      kept_.back().assign(data, data + size_of(*column.tensor));
    }
  }

  void put_back() const {
    for (std::size_t c = 0; c < kept_.size(); ++c)
      if (!kept_[c].empty())
        std::ranges::copy(kept_[c], static_cast<char*>(data_of(*batch_.columns[c].tensor)));
  }

  wn_status run() {
    remember();
    try {
      return attempt(0, batch_.n, /*in_place=*/true);
    } catch (const Died& death) {
      put_back();
      proxy_.process().spend_restart(death.how);
    }
    try {
      return attempt(0, batch_.n, /*in_place=*/false);
    } catch (const Died& death) {
      paid_ = true;
      return take_apart(0, batch_.n, death);
    }
  }

  // Rows [begin, end), the others repeating the first of them. In place: the tensors themselves,
  // where they lie in an arena.
  wn_status attempt(std::uint64_t begin, std::uint64_t end, bool in_place) {
    std::vector<std::uint64_t> rows = all_;
    for (std::uint64_t i = 0; i < rows.size(); ++i)
      if (i < begin || i >= end) rows[i] = begin;
    const Rows wanted = Rows(all_).subspan(begin, end - begin);
    const Reply reply = attempt_rows(rows, wanted, in_place);
    if (reply.status != WN_OK) {
      forward(reply, batch_.call);
      return reply.status;
    }
    const wn_errors* errors = batch_.call->errors;
    for (const auto& [item, text] : reply.items)
      if (item >= begin && item < end)
        errors->set_item(errors->ctx, item, status_[item], text.data(), text.size());
    return WN_OK;
  }

  Reply attempt_rows(Rows rows, Rows wanted, bool in_place) {
    Writer writer;
    writer.put(batch_.n);
    writer.put<std::uint64_t>(batch_.columns.size());
    std::vector<std::optional<Piece>> pieces;
    for (std::size_t c = 0; c < batch_.columns.size(); ++c)
      pieces.push_back(send_column(writer, c, rows, in_place));
    batch_.write(writer, rows);
    const auto take = [&](Reader& reader) { take_results(reader, wanted); };
    Reply reply = proxy_.once(batch_.message, writer.bytes(), batch_.call, batch_.answers, take);
    if (reply.status != WN_OK) return reply;
    for (std::size_t c = 0; c < batch_.columns.size(); ++c)
      if (batch_.columns[c].written && pieces[c]) scatter(c, *pieces[c], wanted);
    return reply;
  }

 private:
  std::optional<Piece> send_column(Writer& writer, std::size_t c, Rows rows, bool in_place) {
    const BatchCall::Column& column = batch_.columns[c];
    writer.put<std::uint8_t>(column.tensor != nullptr);
    if (!column.tensor) return std::nullopt;
    const wn_tensor& tensor = *column.tensor;
    const std::uint64_t bytes = size_of(tensor);
    const PluginProcess& process = proxy_.process();
    if (in_place) {
      const void* data = data_of(tensor);
      if (const auto offset = process.exchange()->offset_of(data, bytes)) {
        write_placed(writer, tensor, Place::kExchange, *offset);
        return std::nullopt;
      }
      if (const auto offset = process.inputs()->offset_of(data, bytes); offset && !column.written) {
        write_placed(writer, tensor, Place::kInputs, *offset);
        return std::nullopt;
      }
    }
    // A copy: tensors of other owners, and parts of a batch that killed the process.
    Arena& arena = column.written ? *process.exchange() : *process.inputs();
    Piece piece(arena, bytes);
    const char* from =
        kept_.empty() || kept_[c].empty() ? static_cast<char*>(data_of(tensor)) : kept_[c].data();
    const std::uint64_t each = bytes / batch_.n;
    for (std::uint64_t i = 0; i < batch_.n; ++i)
      std::memcpy(piece.data() + i * each, from + rows[i] * each, each);
    write_placed(writer, tensor, column.written ? Place::kExchange : Place::kInputs,
                 *arena.offset_of(piece.data(), bytes));
    return piece;
  }

  void scatter(std::size_t c, const Piece& piece, Rows wanted) const {
    const wn_tensor& tensor = *batch_.columns[c].tensor;
    const std::uint64_t each = size_of(tensor) / batch_.n;
    for (std::uint64_t row : wanted)
      std::memcpy(static_cast<char*>(data_of(tensor)) + row * each, piece.data() + row * each,
                  each);
  }

  // The plugin's process is not trusted to tell the truth about sizes.
  void take_results(Reader& reader, Rows wanted) {
    const auto status = reader.array<wn_status>();
    if (status.size() != batch_.n) throw Malformed();
    for (std::uint64_t row : wanted) status_[row] = status[row];
    if (batch_.take) batch_.take(reader, wanted);
  }

  wn_status take_apart(std::uint64_t begin, std::uint64_t end, const Died& death) {
    if (end - begin == 1) {
      poisoned(begin, death);
      return WN_OK;
    }
    const std::uint64_t middle = begin + (end - begin) / 2;
    const std::pair<std::uint64_t, std::uint64_t> halves[] = {{begin, middle}, {middle, end}};
    std::optional<Died> deaths[2];
    // Both before either is taken apart: one that gets through shows that the plugin still works.
    for (int half = 0; half < 2; ++half) try {
        const auto [from, to] = halves[half];
        if (const wn_status status = attempt(from, to, /*in_place=*/false); status != WN_OK)
          return status;
        got_through_ = true;
      } catch (const Died& again) {
        deaths[half] = again;
      }
    for (int half = 0; half < 2; ++half) {
      if (!deaths[half]) continue;
      const auto [from, to] = halves[half];
      if (const wn_status status = take_apart(from, to, *deaths[half]); status != WN_OK)
        return status;
    }
    return WN_OK;
  }

  // The restart before the batch was taken apart pays for all of them while other items get
  // through, else for the first one: a plugin that can do nothing any more must not fail whatever
  // there is.
  void poisoned(std::uint64_t item, const Died& death) {
    if (!std::exchange(paid_, false) && !got_through_) proxy_.process().spend_restart(death.how);
    const std::string text =
        fmt::format("{}, item {} alone; {}", death.how, item, proxy_.process().restarts_text());
    status_[item] = WN_E_INTERNAL;
    const wn_errors* errors = batch_.call->errors;
    errors->set_item(errors->ctx, item, WN_E_INTERNAL, text.data(), text.size());
  }

  Proxy& proxy_;
  const BatchCall& batch_;
  wn_status* status_;
  std::vector<std::uint64_t> all_;
  std::vector<std::vector<char>> kept_;
  bool paid_ = false;         // a restart that no item has used yet
  bool got_through_ = false;  // a part of the batch, since it was taken apart
};

}  // namespace

wn_status run_batch(Proxy& proxy, const BatchCall& batch, wn_status* status) {
  return Runner(proxy, batch, status).run();
}

Reply run_batch_once(Proxy& proxy, const BatchCall& batch) {
  std::vector<wn_status> status(batch.n);
  Runner runner(proxy, batch, status.data());
  std::vector<std::uint64_t> rows(batch.n);
  std::iota(rows.begin(), rows.end(), std::uint64_t{0});
  return runner.attempt_rows(rows, rows, /*in_place=*/true);
}

}  // namespace winnow
