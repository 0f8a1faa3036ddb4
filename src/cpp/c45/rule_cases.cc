// SPDX-License-Identifier: Apache-2.0
#include "c45/rule_cases.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstring>
#include <limits>

#include "base/pool.h"

namespace pygbt {
namespace {

constexpr std::int64_t kWordRows = 64;
constexpr double kEqual = 1e-9;  // rates that differ by less are equal

using Word = std::uint64_t;

std::int64_t n_words(std::int64_t n_rows) { return (n_rows + kWordRows - 1) / kWordRows; }

// 64 bytes of 0 or 1 as bits: the product moves the byte i of eight to bit 56 + i.
Word packed(const std::uint8_t* hits) {
  Word bits = 0;
  for (std::size_t byte = 0; byte < 8; ++byte) {
    Word eight = 0;
    std::memcpy(&eight, hits + 8 * byte, sizeof eight);
    bits |= (eight * 0x0102040810204080u) >> 56 << (8 * byte);
  }
  return bits;
}

// Bits of the rows of words [begin, end) that satisfy the condition.
void match(const CodedTable& table, const RuleCondition& condition, std::int64_t begin, std::int64_t end, Word* out) {
  visit_codes(table.columns[static_cast<std::size_t>(condition.feature)], [&]<class T>(const T* codes) {
    const auto fill = [&](const auto& holds) {
      for (std::int64_t word = begin; word < end; ++word) {
        const std::int64_t first = word * kWordRows, n = std::min(kWordRows, table.n_rows - first);
        std::uint8_t hits[kWordRows] = {};
        for (std::int64_t i = 0; i < n; ++i) hits[i] = holds(codes[first + i]);
        out[word - begin] = packed(hits);
      }
    };
    if (condition.known.empty()) {
      const Code from = condition.first, width = condition.last - condition.first;
      fill([&](T code) { return static_cast<Code>(code) - from <= width; });
    } else {
      fill([&](T code) { return code < condition.known.size() && condition.known[code] != 0; });
    }
  });
}

// Calls each(row) for the bits of a word.
template <class Each>
void each_row(Word bits, std::int64_t word, Each&& each) {
  for (; bits != 0; bits &= bits - 1) each(word * kWordRows + std::countr_zero(bits));
}

// What one thread needs to simplify rules.
class Simplifier {
 public:
  Simplifier(const RuleCases& cases, const AddedErrors& added)
      : cases_(cases), added_(added), words_(static_cast<std::size_t>(n_words(cases.table.n_rows))) {}

  NeededConditions run(const RuleConditions& rule, std::int32_t label) {
    NeededConditions needed;
    const std::size_t size = rule.size();
    fails_.resize(size * words_);
    for (std::size_t j = 0; j < size; ++j) {
      needed.kept.push_back(static_cast<std::int32_t>(j));
      match(cases_.table, rule[j], 0, static_cast<std::int64_t>(words_), fails(j));
      for (std::size_t word = 0; word < words_; ++word) fails(j)[word] = ~fails(j)[word];
    }
    for (bool dropped = true; dropped;) {
      count(needed.kept, label);
      needed.cases = now_.cases;
      needed.errors = now_.errors;
      dropped = !needed.kept.empty() && drop(needed.kept);
    }
    return needed;
  }

 private:
  struct Covered {
    double cases = 0.0, errors = 0.0;
    Covered operator+(const Covered& more) const { return {cases + more.cases, errors + more.errors}; }
  };

  Word* fails(std::size_t condition) { return fails_.data() + condition * words_; }

  void add(Covered& to, Word bits, std::size_t word, std::int32_t label) const {
    each_row(bits, static_cast<std::int64_t>(word), [&](std::int64_t row) {
      const double weight = cases_.weight.empty() ? 1.0 : cases_.weight[static_cast<std::size_t>(row)];
      to.cases += weight;
      if (cases_.target[static_cast<std::size_t>(row)] != label) to.errors += weight;
    });
  }

  // Cases that satisfy all of the kept conditions, and all but one of them.
  void count(const std::vector<std::int32_t>& kept, std::int32_t label) {
    now_ = {};
    without_.assign(kept.size(), {});
    for (std::size_t word = 0; word < words_; ++word) {
      Word once = 0, twice = 0;
      for (const std::int32_t j : kept) {
        const Word fail = fails(static_cast<std::size_t>(j))[word];
        twice |= once & fail;
        once |= fail;
        if (twice == ~Word{0}) break;
      }
      if (twice == ~Word{0}) continue;
      add(now_, ~once & rows_of(word), word, label);
      const Word one = once & ~twice;
      if (one == 0) continue;
      for (std::size_t at = 0; at < kept.size(); ++at)
        add(without_[at], one & fails(static_cast<std::size_t>(kept[at]))[word] & rows_of(word), word, label);
    }
  }
  Word rows_of(std::size_t word) const {
    const std::int64_t left = cases_.table.n_rows - static_cast<std::int64_t>(word) * kWordRows;
    return left >= kWordRows ? ~Word{0} : (Word{1} << left) - 1;
  }

  double rate(const Covered& covered) const {
    if (covered.cases <= 0.0) return std::numeric_limits<double>::infinity();
    return (covered.errors + added_(covered.cases, covered.errors)) / covered.cases;
  }

  // Drops the condition whose loss gives the smallest rate; false: the rate would rise.
  bool drop(std::vector<std::int32_t>& kept) const {
    std::vector<double> rates;
    for (const Covered& more : without_) rates.push_back(rate(now_ + more));
    const double least = *std::min_element(rates.begin(), rates.end());
    const auto best = std::find_if(rates.begin(), rates.end(), [&](double r) { return r <= least + kEqual; });
    if (*best > rate(now_) + kEqual) return false;
    kept.erase(kept.begin() + (best - rates.begin()));
    return true;
  }

  const RuleCases& cases_;
  const AddedErrors& added_;
  std::size_t words_;
  std::vector<Word> fails_;  // [condition][word]
  Covered now_;
  std::vector<Covered> without_;  // [kept condition] more that are covered without it
};

// Bits of words [begin, end) that all conditions hold for, in `all`.
void match_all(const CodedTable& table, const RuleConditions& rule, std::int64_t begin, std::int64_t end,
               std::vector<Word>& all, std::vector<Word>& scratch) {
  const auto n = static_cast<std::size_t>(end - begin);
  all.assign(n, ~Word{0});
  scratch.resize(n);
  for (const RuleCondition& condition : rule) {
    match(table, condition, begin, end, scratch.data());
    for (std::size_t word = 0; word < n; ++word) all[word] &= scratch[word];
  }
  const std::int64_t left = table.n_rows - (end - 1) * kWordRows;
  if (n > 0 && left < kWordRows) all[n - 1] &= (Word{1} << left) - 1;
}

}  // namespace

std::vector<NeededConditions> needed_conditions(const RuleCases& cases, std::span<const RuleConditions> rules,
                                                std::span<const std::int32_t> label, const AddedErrors& added,
                                                int n_threads, Progress& progress) {
  const int threads = resolve_threads(n_threads);
  std::vector<NeededConditions> needed(rules.size());
  std::vector<Simplifier> workers(static_cast<std::size_t>(threads), Simplifier(cases, added));
  parallel_for(threads, static_cast<std::int64_t>(rules.size()), [&](std::int64_t i, int worker) {
    const auto rule = static_cast<std::size_t>(i);
    needed[rule] = workers[static_cast<std::size_t>(worker)].run(rules[rule], label[rule]);
    progress.advance(1);
  });
  return needed;
}

std::vector<std::vector<std::int32_t>> covered_cases(const CodedTable& table, std::span<const RuleConditions> rules,
                                                     int n_threads, Progress& progress) {
  std::vector<std::vector<std::int32_t>> covered(rules.size());
  parallel_for(resolve_threads(n_threads), static_cast<std::int64_t>(rules.size()), [&](std::int64_t i, int) {
    const auto rule = static_cast<std::size_t>(i);
    std::vector<Word> all, scratch;
    match_all(table, rules[rule], 0, n_words(table.n_rows), all, scratch);
    for (std::size_t word = 0; word < all.size(); ++word)
      each_row(all[word], static_cast<std::int64_t>(word),
               [&](std::int64_t row) { covered[rule].push_back(static_cast<std::int32_t>(row)); });
    progress.advance();
  });
  return covered;
}

std::vector<std::int64_t> first_rules(const CodedTable& table, std::span<const RuleConditions> rules, int n_threads) {
  constexpr std::int64_t kTaskWords = 64;
  std::vector<std::int64_t> first(static_cast<std::size_t>(table.n_rows), -1);
  const std::int64_t words = n_words(table.n_rows);
  parallel_for(resolve_threads(n_threads), (words + kTaskWords - 1) / kTaskWords, [&](std::int64_t task, int) {
    const std::int64_t begin = task * kTaskWords, end = std::min(words, begin + kTaskWords);
    std::vector<Word> waiting(static_cast<std::size_t>(end - begin), ~Word{0}), all, scratch;
    for (std::size_t rule = 0; rule < rules.size(); ++rule) {
      match_all(table, rules[rule], begin, end, all, scratch);
      for (std::size_t word = 0; word < all.size(); ++word) {
        each_row(all[word] & waiting[word], begin + static_cast<std::int64_t>(word),
                 [&](std::int64_t row) { first[static_cast<std::size_t>(row)] = static_cast<std::int64_t>(rule); });
        waiting[word] &= ~all[word];
      }
    }
  });
  return first;
}

}  // namespace pygbt
