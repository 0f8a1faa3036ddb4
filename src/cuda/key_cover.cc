// SPDX-License-Identifier: Apache-2.0
#include "key_cover.h"

#include <algorithm>
#include <utility>

#include "edge_search.h"

namespace pygbt::device {

namespace {

__extension__ using Wide = unsigned __int128;

constexpr KeyCell kNotAsked{0, 0, std::numeric_limits<std::uint64_t>::max()};

}  // namespace

bool KeyCover::split(std::size_t most) {
  std::vector<std::size_t> chosen;
  for (std::size_t i = 0; i < spans_.size(); ++i)
    if (!spans_[i].single()) chosen.push_back(i);
  return divide(std::move(chosen), most);
}

bool KeyCover::split(std::size_t most, std::span<const std::int64_t> ranks) {
  std::vector<std::size_t> chosen;
  std::size_t at = 0;
  for (const std::int64_t rank : ranks) {
    while (spans_[at].before + spans_[at].weight < rank) ++at;
    if (!spans_[at].single() && (chosen.empty() || chosen.back() != at)) chosen.push_back(at);
  }
  return divide(std::move(chosen), most);
}

// Each of the chosen spans into equally wide parts, as many as there is room for. A span takes a cell more than parts:
// the keys below it. Where not all have room for two parts, the first ones are split.
bool KeyCover::divide(std::vector<std::size_t> chosen, std::size_t most) {
  const std::size_t room = most - 1;  // the last cell
  if (chosen.size() > room / 3) chosen.resize(room / 3);
  uppers_.clear();
  cells_.clear();
  first_.clear();
  chosen_ = std::move(chosen);
  if (chosen_.empty()) return false;
  const std::size_t most_parts = room / chosen_.size() - 1;
  for (const std::size_t i : chosen_) {
    const Span& span = spans_[i];
    const std::uint64_t width = span.most - span.least + 1;
    const auto parts = static_cast<std::uint64_t>(std::min<std::uint64_t>(most_parts, width));
    uppers_.push_back(span.least - 1);
    cells_.push_back(kNotAsked);
    first_.push_back(cells_.size());
    for (std::uint64_t j = 1; j <= parts; ++j) {
      uppers_.push_back(span.least + static_cast<std::uint64_t>(Wide{width} * j / parts) - 1);
      cells_.push_back({});
    }
  }
  cells_.push_back(kNotAsked);
  first_.push_back(cells_.size());
  return true;
}

void KeyCover::take(std::span<const KeyCell> found) {
  cells_.assign(found.begin(), found.end());
  if (fill_weight_ > 0) {
    KeyCell& cell =
        cells_[static_cast<std::size_t>(edges_below(uppers_.data(), static_cast<std::int32_t>(uppers_.size()), fill_))];
    cell.weight += fill_weight_;
    cell.least = std::min(cell.least, fill_);
    cell.most = std::max(cell.most, fill_);
  }
  std::vector<Span> spans;
  std::size_t at = 0;
  for (std::size_t c = 0; c < chosen_.size(); ++c) {
    for (; at < chosen_[c]; ++at) spans.push_back(spans_[at]);
    std::int64_t before = spans_[at++].before;
    for (std::size_t i = first_[c]; i + 1 < first_[c + 1]; ++i) {
      const KeyCell& cell = cells_[i];
      if (cell.weight == 0) continue;
      spans.push_back({cell.least, cell.most, before, cell.weight});
      before += cell.weight;
    }
  }
  spans.insert(spans.end(), spans_.begin() + static_cast<std::ptrdiff_t>(at), spans_.end());
  spans_ = std::move(spans);
}

std::vector<std::uint64_t> KeyCover::keys() const {
  std::vector<std::uint64_t> keys;
  for (const Span& span : spans_) keys.push_back(span.least);
  return keys;
}

Mass KeyCover::at(std::int64_t rank) const {
  const auto span = std::lower_bound(spans_.begin(), spans_.end(), rank,
                                     [](const Span& s, std::int64_t r) { return s.before + s.weight < r; });
  return {span->least, span->before, span->weight};
}

}  // namespace pygbt::device
