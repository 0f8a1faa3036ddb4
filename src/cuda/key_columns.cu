// SPDX-License-Identifier: Apache-2.0
#include "key_columns.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>

#include "block.h"
#include "data/keys.h"
#include "device.h"
#include "upload.h"

namespace pygbt::device {

namespace {

constexpr std::int32_t kPart = 32;  // columns of a piece that a thread turns into keys
constexpr std::size_t kPieceAlignment = 16;
constexpr std::size_t kMostPieces = 256;  // of a chunk
constexpr auto kCheckEvery = std::chrono::milliseconds(100);

std::size_t up_to(std::size_t x, std::size_t multiple) { return (x + multiple - 1) / multiple * multiple; }

// What the elements become.
enum class Target : std::uint8_t { narrow, wide, code, row };

Target target_of(KeyKind kind) {
  if (kind == KeyKind::code) return Target::code;
  if (kind == KeyKind::plain) return Target::row;
  return kind == KeyKind::wide ? Target::wide : Target::narrow;
}

// Rows of adjacent columns of one type, and where their keys go.
struct Piece {
  std::uintptr_t data = 0;         // address of the first row of the first column, or its place in the chunk
  std::int64_t row_stride = 0;     // bytes
  std::int64_t column_stride = 0;  // bytes
  std::byte* out = nullptr;        // of the first row of the first column
  std::int64_t out_stride = 0;     // bytes from column to column
  std::int64_t n = 0;              // rows
  std::int64_t first_unit = 0;     // of work: threads of a block times kPart columns
  std::int32_t width = 0;          // columns
  std::int32_t n_bins = 0;         // codes
  ColumnType type = ColumnType::f32;
  Target target = Target::narrow;

  PYGBT_HD std::int32_t n_parts() const { return (width + kPart - 1) / kPart; }
  std::int64_t n_units(int n_threads) const { return (n + n_threads - 1) / n_threads * n_parts(); }
};

template <class T>
PYGBT_HD const T& element(const Piece& piece, std::int64_t row, std::int32_t column) {
  const std::int64_t at = row * piece.row_stride + column * piece.column_stride;
  return *reinterpret_cast<const T*>(piece.data + static_cast<std::uintptr_t>(at));
}

template <class Out>
PYGBT_HD Out& target(const Piece& piece, std::int64_t row, std::int32_t column) {
  return reinterpret_cast<Out*>(piece.out + column * piece.out_stride)[row];
}

// One row of columns [first, last).
struct WriteKeys {
  const Piece& piece;
  std::int64_t row;
  std::int32_t first;
  std::int32_t last;

  template <class T>
  PYGBT_HD void operator()(T) const {
    if (piece.target == Target::narrow) {
      for (std::int32_t j = first; j < last; ++j)
        target<std::uint32_t>(piece, row, j) = pygbt::detail::key_from<std::uint32_t>(element<T>(piece, row, j));
    } else if (piece.target == Target::wide) {
      for (std::int32_t j = first; j < last; ++j)
        target<std::uint64_t>(piece, row, j) = pygbt::detail::key_from<std::uint64_t>(element<T>(piece, row, j));
    } else if (piece.target == Target::code) {
      for (std::int32_t j = first; j < last; ++j) {
        const auto code = static_cast<std::int64_t>(element<T>(piece, row, j));
        target<std::uint32_t>(piece, row, j) =
            code >= 0 && code < piece.n_bins - 1 ? static_cast<std::uint32_t>(code) + 1u : std::uint32_t{kMissingBin};
      }
    } else {
      for (std::int32_t j = first; j < last; ++j)
        target<RowId>(piece, row, j) = static_cast<RowId>(element<T>(piece, row, j));
    }
  }
};

struct KeyKernel {
  std::uintptr_t chunk;  // 0: pieces have addresses
  const Piece* pieces;
  std::int32_t n_pieces;
  std::int64_t n_units;

  PYGBT_KERNEL void operator()() const {
    std::int32_t at = 0;
    for (std::int64_t unit = block(); unit < n_units; unit += n_blocks()) {
      while (at + 1 < n_pieces && pieces[at + 1].first_unit <= unit) ++at;
      Piece piece = pieces[at];
      piece.data += chunk;
      const std::int64_t place = unit - piece.first_unit;
      const std::int64_t row = place / piece.n_parts() * n_threads() + thread();
      if (row >= piece.n) continue;
      const auto first = static_cast<std::int32_t>(place % piece.n_parts()) * kPart;
      const std::int32_t last = first + kPart < piece.width ? first + kPart : piece.width;
      visit_type(piece.type, WriteKeys{piece, row, first, last});
    }
  }
};

std::size_t item_bytes(ColumnType type) {
  std::size_t bytes = 0;
  visit_type(type, [&]<class T>(T) { bytes = sizeof(T); });
  return bytes;
}

template <std::size_t bytes>
void gather(const char* from, std::int64_t stride, std::int64_t n, std::byte* to) {
  for (std::int64_t i = 0; i < n; ++i) std::memcpy(to + static_cast<std::size_t>(i) * bytes, from + i * stride, bytes);
}

// Rows of `bytes` each, side by side.
void copy_rows(const char* from, std::int64_t stride, std::size_t bytes, std::int64_t n, std::byte* to) {
  if (stride == static_cast<std::int64_t>(bytes)) {
    std::memcpy(to, from, static_cast<std::size_t>(n) * bytes);
    return;
  }
  switch (bytes) {
    case 1:
      return gather<1>(from, stride, n, to);
    case 2:
      return gather<2>(from, stride, n, to);
    case 4:
      return gather<4>(from, stride, n, to);
    case 8:
      return gather<8>(from, stride, n, to);
    default:
      for (std::int64_t i = 0; i < n; ++i)
        std::memcpy(to + static_cast<std::size_t>(i) * bytes, from + i * stride, bytes);
  }
}

void launch(Device& device, std::uintptr_t chunk, const Piece* pieces, std::int32_t n_pieces, std::int64_t n_units) {
  device.launch(std::min(n_units, device.policy().n_blocks), device.policy().n_threads,
                KeyKernel{chunk, pieces, n_pieces, n_units});
}

// Pieces of host memory, packed into chunks.
class Sender {
 public:
  Sender(Device& device, const HostSide& host, std::size_t chunk_bytes)
      : device_(device),
        host_(host),
        chunk_bytes_(chunk_bytes),
        most_pieces_(std::clamp<std::size_t>(chunk_bytes_ / 4 / sizeof(Piece), 1, kMostPieces)),
        used_(header()),
        upload_(device, chunk_bytes_) {}

  // Columns of a piece at most: one row of them fits a chunk.
  std::size_t room() const { return chunk_bytes_ - header(); }

  // `piece` says where its keys go.
  void add(const char* data, Piece piece) {
    const std::size_t row_bytes = static_cast<std::size_t>(piece.width) * item_bytes(piece.type);
    const auto key_bytes = static_cast<std::int64_t>(piece.target == Target::wide ? 8 : 4);
    for (std::int64_t left = piece.n; left > 0;) {
      const auto fitting = static_cast<std::int64_t>((chunk_bytes_ - used_) / row_bytes);
      if (fitting == 0 || pieces_.size() == most_pieces_) {
        flush();
        continue;
      }
      piece.n = std::min(left, fitting);
      sources_.push_back({data, piece.row_stride, row_bytes, used_});
      Piece packed = piece;
      packed.data = used_;
      packed.row_stride = static_cast<std::int64_t>(row_bytes);
      packed.column_stride = static_cast<std::int64_t>(item_bytes(piece.type));
      packed.first_unit = n_units_;
      n_units_ += packed.n_units(device_.policy().n_threads);
      pieces_.push_back(packed);
      used_ = std::min(chunk_bytes_, up_to(used_ + static_cast<std::size_t>(piece.n) * row_bytes, kPieceAlignment));
      data += piece.n * piece.row_stride;
      piece.out += piece.n * key_bytes;
      left -= piece.n;
    }
  }

  void flush() {
    if (pieces_.empty()) return;
    std::byte* const chunk = upload_.next();
    struct Task {
      std::size_t piece;
      std::int64_t first, n;
    };
    std::vector<Task> tasks;
    for (std::size_t p = 0; p < pieces_.size(); ++p) {
      const auto rows =
          static_cast<std::int64_t>(std::max<std::size_t>(1, device_.policy().fill_bytes / sources_[p].row_bytes));
      for (std::int64_t first = 0; first < pieces_[p].n; first += rows)
        tasks.push_back({p, first, std::min(rows, pieces_[p].n - first)});
    }
    host_.parallel(static_cast<std::int64_t>(tasks.size()), [&](std::int64_t t) {
      const Task& task = tasks[static_cast<std::size_t>(t)];
      const Source& source = sources_[task.piece];
      copy_rows(source.data + task.first * source.stride, source.stride, source.row_bytes, task.n,
                chunk + source.offset + static_cast<std::size_t>(task.first) * source.row_bytes);
    });
    std::memcpy(chunk, pieces_.data(), pieces_.size() * sizeof(Piece));
    const std::byte* const sent = upload_.send(used_);
    launch(device_, reinterpret_cast<std::uintptr_t>(sent), reinterpret_cast<const Piece*>(sent),
           static_cast<std::int32_t>(pieces_.size()), n_units_);
    pieces_.clear();
    sources_.clear();
    used_ = header();
    n_units_ = 0;
    const auto now = std::chrono::steady_clock::now();
    if (!host_.check || now - checked_ < kCheckEvery) return;
    checked_ = now;
    host_.check();
  }

 private:
  struct Source {
    const char* data;
    std::int64_t stride;
    std::size_t row_bytes;
    std::size_t offset;  // in the chunk
  };

  std::size_t header() const { return up_to(most_pieces_ * sizeof(Piece), kPieceAlignment); }

  Device& device_;
  const HostSide& host_;
  std::size_t chunk_bytes_;
  std::size_t most_pieces_;
  std::size_t used_;  // bytes of the chunk
  std::int64_t n_units_ = 0;
  std::vector<Piece> pieces_;
  std::vector<Source> sources_;
  std::chrono::steady_clock::time_point checked_ = std::chrono::steady_clock::now();
  Upload upload_;
};

// Adjacent columns that can be read as one: `next` continues `piece`.
bool continues(const Piece& piece, bool on_device, const Piece& next, const ColumnView& view) {
  if (piece.type != next.type || piece.target != next.target || piece.target == Target::code ||
      on_device != view.on_device || piece.row_stride != next.row_stride || piece.n != next.n)
    return false;
  if (piece.width == 1 && !on_device) {  // rows of the table, not columns that happen to touch
    const auto bytes = static_cast<std::int64_t>(item_bytes(piece.type));
    if (next.data - piece.data != static_cast<std::uintptr_t>(bytes) || std::abs(piece.row_stride) < 2 * bytes)
      return false;
  } else if (piece.width > 1 &&
             next.data - piece.data != static_cast<std::uintptr_t>(piece.column_stride * piece.width)) {
    return false;
  }
  return true;
}

}  // namespace

std::size_t KeyColumns::bytes(const KeyColumn& column, std::int64_t n_items) {
  const auto n = static_cast<std::size_t>(n_items);
  const std::size_t rows = column.view.sparse_rows == nullptr ? 0 : n * sizeof(RowId);
  return aligned(n * key_bytes(column.kind)) + aligned(rows);
}

void KeyColumns::load(std::span<const KeyColumn> columns, std::span<const Items> items, const HostSide& host) {
  std::size_t size = 0;
  for (std::size_t c = 0; c < columns.size(); ++c) size += bytes(columns[c], items[c].n);
  std::byte* at = memory_.make(size);
  loaded_.clear();
  std::vector<Piece> pieces;  // their data: addresses, on the host or on the device
  std::vector<bool> on_device;
  for (std::size_t c = 0; c < columns.size(); ++c) {
    const KeyColumn& column = columns[c];
    const ColumnView& view = column.view;
    const bool sparse = view.sparse_rows != nullptr;
    Piece piece;
    piece.row_stride = sparse ? static_cast<std::int64_t>(item_bytes(view.type)) : view.stride;
    piece.data =
        reinterpret_cast<std::uintptr_t>(view.data) + static_cast<std::uintptr_t>(items[c].begin * piece.row_stride);
    piece.out = at;
    piece.n = items[c].n;
    piece.out_stride = static_cast<std::int64_t>(aligned(static_cast<std::size_t>(piece.n) * key_bytes(column.kind)));
    piece.width = 1;
    piece.n_bins = column.n_bins;
    piece.type = view.type;
    piece.target = target_of(column.kind);
    loaded_.push_back({column.kind, at, nullptr, items[c].begin, piece.n});
    at += piece.out_stride;
    if (!sparse && !pieces.empty() && continues(pieces.back(), on_device.back(), piece, view)) {
      Piece& last = pieces.back();
      if (last.width == 1) last.column_stride = static_cast<std::int64_t>(piece.data - last.data);
      ++last.width;
      continue;
    }
    pieces.push_back(piece);
    on_device.push_back(view.on_device);
    if (!sparse) continue;
    loaded_.back().rows = reinterpret_cast<const RowId*>(at);
    piece.data = reinterpret_cast<std::uintptr_t>(view.sparse_rows + items[c].begin);
    piece.row_stride = sizeof(std::int64_t);
    piece.out = at;
    piece.type = ColumnType::i64;
    piece.target = Target::row;
    at += aligned(static_cast<std::size_t>(piece.n) * sizeof(RowId));
    pieces.push_back(piece);
    on_device.push_back(false);
  }

  std::vector<Piece> there;
  std::int64_t n_units = 0;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    if (!on_device[i]) continue;
    pieces[i].first_unit = n_units;
    n_units += pieces[i].n_units(device_.policy().n_threads);
    there.push_back(pieces[i]);
  }
  if (!there.empty()) {
    Buffer<Piece> given(device_);
    launch(device_, 0, given.put(there), static_cast<std::int32_t>(there.size()), n_units);
  }
  if (there.size() == pieces.size()) return;
  Sender sender(device_, host, chunk_bytes_);
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    if (on_device[i]) continue;
    const auto most = static_cast<std::int32_t>(sender.room() / item_bytes(pieces[i].type));
    for (std::int32_t first = 0; first < pieces[i].width; first += most) {
      Piece piece = pieces[i];
      piece.width = std::min(most, pieces[i].width - first);
      piece.out += first * piece.out_stride;
      sender.add(reinterpret_cast<const char*>(pieces[i].data) + first * piece.column_stride, piece);
    }
  }
  sender.flush();
}

}  // namespace pygbt::device
