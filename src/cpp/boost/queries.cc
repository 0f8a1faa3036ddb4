// SPDX-License-Identifier: Apache-2.0
#include "boost/queries.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "base/error.h"
#include "boost/labels.h"

namespace pygbt {

RankSpec rank_spec(const Params& params) {
  require(!is_ranking(params.objective) || params.teacher_match == TeacherMatch::kLoss,
          "teacher_match: ranking objectives match a teacher as rank_teacher says; leave it out");
  require(params.rank_teacher_weight != RankTeacherWeight::kNdcg || params.rank_teacher == RankTeacher::kPairwise,
          "rank_teacher_weight='ndcg' weighs pairs; it needs rank_teacher='pairwise'");
  const bool by_place = params.rank_teacher_weight == RankTeacherWeight::kInverse ||
                        params.rank_teacher_weight == RankTeacherWeight::kExponential;
  require(!by_place || params.rank_teacher == RankTeacher::kPointwise || params.rank_teacher == RankTeacher::kListmle,
          "rank_teacher_weight='" + std::string(to_string(params.rank_teacher_weight)) +
              "' weighs places; it needs rank_teacher='pointwise' or 'listmle'");
  RankSpec rank;
  rank.metric = params.lambdarank_metric;
  rank.gain = params.lambdarank_gain;
  rank.truncation = params.lambdarank_truncation;
  rank.normalize = params.lambdarank_normalize;
  rank.teacher = params.rank_teacher;
  rank.place_weight = params.rank_teacher_weight;
  rank.teacher_top = params.rank_teacher_top;
  rank.decay = static_cast<float>(params.rank_teacher_decay);
  rank.negatives = static_cast<float>(params.rank_teacher_negatives);
  rank.alpha = static_cast<float>(params.teacher_alpha);
  rank.temperature = static_cast<float>(params.teacher_temperature);
  rank.seed = params.seed;
  return rank;
}

namespace {

// [row] or empty, the same for all rows of a query.
void check_of_query(const std::vector<float>& values, const Dataset& data, const std::string& name) {
  for (std::size_t i = 0; !values.empty() && i + 1 < data.group_begin.size(); ++i) {
    const auto begin = values.begin() + data.group_begin[i], end = values.begin() + data.group_begin[i + 1];
    const auto other = std::find_if(begin, end, [&](float value) { return value != *begin; });
    require(other == end, name + " must be the same for all rows of a query where the objective ranks; query " +
                              std::to_string(i) + " has several (row " + std::to_string(other - values.begin()) + ")");
  }
}

}  // namespace

void check_queries(Objective objective, const Dataset& data) {
  if (!is_ranking(objective)) return;
  require(!data.group_begin.empty(), "group: objective '" + objective_name(objective) +
                                         "' ranks the rows of a query; pass group= (sizes of consecutive queries) or "
                                         "qid= to the Dataset");
  if (data.n_teacher == 0) return;
  require(data.n_teacher == 1,
          "teacher: a ranking objective takes one score a row, not " + std::to_string(data.n_teacher) + " columns");
  require(data.teacher_form != TeacherForm::kProbabilities,
          "teacher_form: a ranking objective takes the scores of a teacher, not probabilities; leave it out");
  check_of_query(data.teacher_trust, data, "teacher_weight");
  check_of_query(data.teacher_temperature, data, "teacher_temperature");
}

void check_relevance(const LossSpec& spec, const Dataset& data) {
  const std::string name = objective_name(spec.objective);
  require(data.n_labels <= 1,
          "label: " + name + " takes one relevance a row, not " + std::to_string(data.n_labels) + " columns");
  const bool graded = spec.objective != Objective::kRankPairwise;
  const bool exponential = graded && spec.rank.gain == LambdarankGain::kExponential;
  const float least = graded ? 0.0f : -kLargestLabel;
  const float most = exponential ? kMostRelevance : kLargestLabel;
  for (std::int64_t row = 0; row < data.n_rows && data.n_labels == 1; ++row) {
    const float y = data.labels[static_cast<std::size_t>(row)];
    if (!(y < least || y > most)) continue;  // NaN: no label
    const std::string rule = exponential ? "relevance from 0 to 31, for gains of 2^y - 1 (or lambdarank_gain='linear')"
                             : graded    ? "relevance of at least 0"
                                         : "labels of magnitude at most 1e30 (rescale them)";
    throw InvalidArgument("label: " + name + " needs " + rule + "; row " + std::to_string(row) + " holds " + number(y));
  }
}

}  // namespace pygbt
