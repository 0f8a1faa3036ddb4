// SPDX-License-Identifier: Apache-2.0
// Columns of a table as keys on the device, whatever they are made of: values of any type and stride, on the host or on
// the device, stored values of sparse columns, codes of categories. Host memory comes in chunks (upload.h), row by row
// where adjacent columns share their rows; the kernel that makes the keys transposes them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/types.h"
#include "buffer.h"
#include "data/device_bins.h"

namespace pygbt::device {

// Columns begin on multiples of 256 bytes.
inline std::size_t aligned(std::size_t bytes) { return (bytes + 255) / 256 * 256; }

// Items of a column: its rows, or the stored values of a sparse one.
struct Items {
  std::int64_t begin = 0;
  std::int64_t n = 0;
};

struct LoadedColumn {
  KeyKind kind = KeyKind::narrow;
  const std::byte* keys = nullptr;  // on the device, [n] uint64 if wide, else uint32
  const RowId* rows = nullptr;  // on the device, [n] ascending, of a sparse column; nullptr: item i is row begin + i
  std::int64_t begin = 0;  // first item
  std::int64_t n = 0;  // items
};

class KeyColumns {
 public:
  // chunk_bytes: of what comes from the host at a time.
  KeyColumns(Device& device, std::size_t chunk_bytes) : device_(device), chunk_bytes_(chunk_bytes), memory_(device) {}

  // Some items of each column, in place of those loaded before.
  void load(std::span<const KeyColumn> columns, std::span<const Items> items, const HostSide& host);

  const std::vector<LoadedColumn>& columns() const { return loaded_; }

  static std::int64_t items(const KeyColumn& column, std::int64_t n_rows) {
    return column.view.sparse_rows == nullptr ? n_rows : column.view.n_stored;
  }
  static std::size_t key_bytes(KeyKind kind) { return kind == KeyKind::wide ? 8 : 4; }
  // Of so many items of a column on the device, and of what is there while they are loaded from the host.
  static std::size_t bytes(const KeyColumn& column, std::int64_t n_items);
  static std::size_t load_bytes(std::size_t chunk_bytes) { return 2 * aligned(chunk_bytes); }

 private:
  Device& device_;
  std::size_t chunk_bytes_;
  Buffer<std::byte> memory_;
  std::vector<LoadedColumn> loaded_;
};

}  // namespace pygbt::device
