// SPDX-License-Identifier: Apache-2.0
// The cuts of small nodes by the kernels of every instruction set, against sums over the cases; joint bits and draws
// against one at a time.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "backend/isa_dispatch.h"
#include "backend/kernels.h"
#include "base/rng.h"
#include "check.h"
#include "math/impurity.h"

namespace pygbt {
namespace {

std::uint32_t bits(std::uint32_t stream, std::size_t i) { return random_bits(7, Draw::kRow, stream, i); }

// Rows of `n_columns` codes, and cases that take every row once, in another order.
template <class T>
struct Node {
  std::vector<T> codes;  // [row][column]
  std::vector<std::int32_t> n_codes;
  std::vector<std::uint8_t> room;
  CodeColumns columns;

  Node(std::size_t n, std::int32_t n_columns, std::size_t cell) {
    for (std::int32_t c = 0; c < n_columns; ++c) {
      const std::int32_t choices[] = {3, 2, 20, static_cast<std::int32_t>(CodeRoom<T>::kCodes), 65, 130, 3, 64};
      n_codes.push_back(choices[c]);
    }
    for (std::size_t row = 0; row < n; ++row)
      for (std::int32_t c = 0; c < n_columns; ++c)
        codes.push_back(static_cast<T>(1 + bits(static_cast<std::uint32_t>(c), row) %
                                               static_cast<std::uint32_t>(n_codes[at(c)] - 1)));
    room.assign(kMostCodeColumns * CodeRoom<T>::bytes(cell), 0);
    columns.n = n_columns;
    columns.codes = reinterpret_cast<const std::uint8_t*>(codes.data());
    columns.stride = at(n_columns) * sizeof(T);
    columns.room = room.data();
    for (std::int32_t c = 0; c < n_columns; ++c) {
      columns.offset[c] = c * static_cast<std::ptrdiff_t>(sizeof(T));
      columns.n_codes[c] = n_codes[at(c)];
    }
  }
  static std::size_t at(std::int32_t i) { return static_cast<std::size_t>(i); }
  std::size_t code(std::size_t row, std::int32_t c) const { return codes[row * at(columns.n) + at(c)]; }
  bool clear() const {
    return std::all_of(room.begin(), room.end(), [](std::uint8_t byte) { return byte == 0; });
  }
};

// The first of the best of cuts with these scores, where both sides weigh enough.
struct Best {
  BestCut found{-1, -std::numeric_limits<double>::infinity()};
  CutRules rules;
  std::int32_t n = 0;

  void add(std::int64_t left, const CutScore& score) {
    if (left >= rules.least && rules.weight - left >= rules.least) {
      const double improvement = score.above / score.below - rules.parent;
      if (improvement > found.improvement) found = {n, improvement};
    }
    ++n;
  }
  void check(const BestCut& other) const {
    CHECK_EQ(other.at, found.at);
    if (found.at >= 0) CHECK_EQ(other.improvement, found.improvement);
  }
};

template <class T>
void check_classes(std::size_t n, std::int32_t n_columns, std::int32_t n_classes, std::int64_t least) {
  const auto parts = static_cast<std::size_t>((n_classes + kClassesAPart - 1) / kClassesAPart);
  const std::size_t width = parts * kClassesAPart;
  Node<T> node(n, n_columns, width * sizeof(std::uint16_t));
  std::vector<ClassCase> cases;
  std::vector<std::uint16_t> total(width, 0);
  std::int64_t weight = 0;
  for (std::uint32_t row = 0; row < n; ++row) {
    const auto label = static_cast<std::int32_t>(bits(50, row) % static_cast<std::uint32_t>(n_classes));
    cases.push_back({row, 1 + bits(51, row) % 3, label});
    total[static_cast<std::size_t>(label)] =
        static_cast<std::uint16_t>(total[static_cast<std::size_t>(label)] + cases.back().weight);
    weight += cases.back().weight;
  }
  std::reverse(cases.begin(), cases.end());
  CHECK(weight <= kMostClassWeight);

  Best best;
  best.rules = {weight, 0, least, 0.25};
  std::vector<std::int32_t> codes, ends;
  std::vector<std::vector<std::uint16_t>> lefts;
  std::vector<ClassCut> cuts;
  for (std::int32_t c = 0; c < n_columns; ++c) {
    std::map<std::size_t, std::vector<std::uint16_t>> cells;
    for (const ClassCase& one : cases) {
      std::vector<std::uint16_t>& cell = cells[node.code(one.row, c)];
      cell.resize(width, 0);
      auto& own = cell[static_cast<std::size_t>(one.label)];
      own = static_cast<std::uint16_t>(own + one.weight);
    }
    std::vector<std::uint16_t> left(width, 0);
    for (const auto& [code, cell] : cells) {
      ClassCut cut{0, 0, 0, static_cast<std::int32_t>(code)};
      for (std::size_t k = 0; k < width; ++k) {
        left[k] = static_cast<std::uint16_t>(left[k] + cell[k]);
        const std::int32_t l = left[k], r = total[k] - l;
        cut.left_squares += l * l;
        cut.right_squares += r * r;
        cut.left += l;
      }
      best.add(cut.left, gini_cut_score<double>(cut.left_squares, cut.left, cut.right_squares,
                                                static_cast<double>(weight - cut.left)));
      cuts.push_back(cut);
      lefts.push_back(left);
    }
    ends.push_back(best.n);
  }

  for (const std::string& isa : available_isas()) {
    const CutKernels& k = kernels_of(isa).cuts;
    const std::size_t half = n / 2;  // in two parts
    k.count_classes[sizeof(T) - 1][parts - 1](node.columns, cases.data(), static_cast<std::int64_t>(half));
    k.count_classes[sizeof(T) - 1][parts - 1](node.columns, cases.data() + half, static_cast<std::int64_t>(n - half));
    std::vector<ClassCut> found(cuts.size() + kCutPadding);
    std::vector<std::uint16_t> found_left(found.size() * width);
    std::vector<std::int32_t> found_end(ends.size());
    const std::int32_t n_cuts = k.class_cuts[sizeof(T) - 1][parts - 1](node.columns, total.data(), found.data(),
                                                                       found_left.data(), found_end.data());
    CHECK_EQ(n_cuts, best.n);
    CHECK(found_end == ends);
    CHECK(std::memcmp(found.data(), cuts.data(), cuts.size() * sizeof(ClassCut)) == 0);
    for (std::size_t i = 0; i < lefts.size(); ++i)
      CHECK(std::equal(lefts[i].begin(), lefts[i].end(), found_left.begin() + static_cast<std::ptrdiff_t>(i * width)));
    CHECK(node.clear());
    best.check(k.best_class_cut(found.data(), n_cuts, best.rules));
  }
}

template <class T>
void check_values(std::size_t n, std::int32_t n_columns, std::int64_t least) {
  Node<T> node(n, n_columns, sizeof(ValueCell));
  std::vector<ValueCase> cases;
  std::int64_t weight = 0, sum = 0;
  for (std::uint32_t row = 0; row < n; ++row) {
    const std::int64_t y = (static_cast<std::int64_t>(bits(52, row)) - (std::int64_t{1} << 30)) << 12;
    cases.push_back({row, 1 + bits(53, row) % 3, y});
    weight += cases.back().weight;
    sum += cases.back().weight * y;
  }
  const std::int64_t centre = sum / weight;

  Best best;
  best.rules = {weight, sum - centre * weight, least, -3.0};
  std::vector<std::int32_t> codes, ends;
  std::vector<std::int64_t> lefts, left_sums;
  for (std::int32_t c = 0; c < n_columns; ++c) {
    std::map<std::size_t, ValueCell> cells;
    for (const ValueCase& one : cases) {
      ValueCell& cell = cells[node.code(one.row, c)];
      cell.weight += one.weight;
      cell.sum += one.weight * (one.y - centre);
    }
    ValueCell left{0, 0};
    for (const auto& [code, cell] : cells) {
      left.weight += cell.weight;
      left.sum += cell.sum;
      best.add(left.weight, mean_cut_score(static_cast<double>(left.sum), static_cast<double>(left.weight),
                                           static_cast<double>(best.rules.sum - left.sum),
                                           static_cast<double>(weight - left.weight)));
      codes.push_back(static_cast<std::int32_t>(code));
      lefts.push_back(left.weight);
      left_sums.push_back(left.sum);
    }
    ends.push_back(best.n);
  }

  for (const std::string& isa : available_isas()) {
    const CutKernels& k = kernels_of(isa).cuts;
    k.count_values[sizeof(T) - 1](node.columns, cases.data(), static_cast<std::int64_t>(n));
    const std::size_t room = lefts.size() + kCutPadding;
    std::vector<std::int64_t> found(room), found_sum(room);
    std::vector<std::int32_t> found_code(room), found_end(ends.size());
    const ValueCuts cuts{found.data(), found_sum.data(), found_code.data()};
    const std::int32_t n_cuts = k.value_cuts[sizeof(T) - 1](node.columns, centre, cuts, found_end.data());
    CHECK_EQ(n_cuts, best.n);
    CHECK(found_end == ends);
    CHECK(std::equal(lefts.begin(), lefts.end(), found.begin()));
    CHECK(std::equal(left_sums.begin(), left_sums.end(), found_sum.begin()));
    CHECK(std::equal(codes.begin(), codes.end(), found_code.begin()));
    CHECK(node.clear());
    best.check(k.best_value_cut(cuts, n_cuts, best.rules));
  }
}

TEST(cuts_by_code_are_those_of_sums_over_the_cases_on_every_instruction_set) {
  for (const std::size_t n : {1, 2, 5, 17, 64, 700, 9000})
    for (const std::int32_t n_columns : {1, 2, 3, 7, 8})
      for (const std::int64_t least : {1, 4}) {
        for (const std::int32_t n_classes : {2, 8, 9, 16}) {
          check_classes<std::uint8_t>(n, n_columns, n_classes, least);
          check_classes<std::uint16_t>(n, n_columns, n_classes, least);
        }
        check_values<std::uint8_t>(n, n_columns, least);
        check_values<std::uint16_t>(n, n_columns, least);
      }
}

TEST(joint_bits_are_those_of_the_mask_side_by_side) {
  constexpr std::size_t kRows = 100, kWords = 2;
  std::vector<std::uint64_t> words;
  for (std::size_t i = 0; i < kRows * kWords; ++i) words.push_back(std::uint64_t{bits(60, i)} << 32 | bits(61, i));
  std::vector<ClassCase> classes;
  std::vector<ValueCase> values;
  constexpr std::uint32_t last = kRows - 1;
  for (std::uint32_t i = 0; i <= last; ++i) {
    classes.push_back({last - i, 1, 0});
    values.push_back({last - i, 1, 0});
  }
  for (const std::uint64_t mask : {std::uint64_t{1}, std::uint64_t{0x8000000000000001}, std::uint64_t{0xF0F}}) {
    std::vector<std::uint8_t> expected;
    for (std::size_t i = 0; i < kRows; ++i) {
      std::uint8_t joint = 0;
      int place = 0;
      for (int bit = 0; bit < 64; ++bit)
        if ((mask >> bit & 1) != 0)
          joint = static_cast<std::uint8_t>(joint | (words[(kRows - 1 - i) * kWords + 1] >> bit & 1) << place++);
      expected.push_back(joint);
    }
    for (const std::string& isa : available_isas()) {
      const CutKernels& k = kernels_of(isa).cuts;
      std::vector<std::uint8_t> found(kRows);
      k.joint_bits[0](words.data() + 1, kWords, mask, classes.data(), kRows, found.data());
      CHECK(found == expected);
      std::fill(found.begin(), found.end(), std::uint8_t{0});
      k.joint_bits[1](words.data() + 1, kWords, mask, values.data(), kRows, found.data());
      CHECK(found == expected);
    }
  }
}

TEST(draws_of_many_counters_are_those_of_one_at_a_time) {
  const std::uint32_t counter[3] = {0xFFFFFFF0u, 5, 0x80000001u}, key[2] = {0xDEADBEEFu, 0xFFFFFFFFu};
  for (const std::uint32_t first : {0u, 8u, 0xFFFFFFFCu})
    for (const std::string& isa : available_isas()) {
      const Kernels& k = kernels_of(isa);
      std::uint32_t ahead[kDrawsAhead], all[4][kDrawsAhead];
      k.draw_ahead(counter, first, key, ahead);
      k.draw_all(first, counter, key, all[0]);
      for (std::uint32_t i = 0; i < kDrawsAhead; ++i) {
        CHECK_EQ(ahead[i], philox4x32(counter[0], counter[1], counter[2], first + i, key[0], key[1]).x[0]);
        const Philox words = philox4x32(first + i, counter[0], counter[1], counter[2], key[0], key[1]);
        for (int w = 0; w < 4; ++w) CHECK_EQ(all[w][i], words.x[w]);
      }
    }
}

}  // namespace
}  // namespace pygbt
