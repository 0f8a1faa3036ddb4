// SPDX-License-Identifier: Apache-2.0
// Compiled once per instruction set, by the rules of kernels.cc. One source for all levels: vectors of the compiler
// where the loop is the same, intrinsics where AVX-512 or AVX2 have an instruction of their own.
#include "backend/predict_kernels.h"

#if defined(__AVX2__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // GCC 12: undefined lanes inside its own intrinsics
#include <immintrin.h>
#endif

namespace pygbt::PYGBT_ISA_NAMESPACE {

namespace {

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
#define PYGBT_PREDICT_AVX512 1
#else
#define PYGBT_PREDICT_AVX512 0
#endif

#include "backend/isa/deep.inc"
#include "backend/isa/encode.inc"
#include "backend/isa/exits.inc"

void apply_links(Link link, float* rows, std::int64_t n, std::int32_t k) {
  const std::int64_t cells = n * k;
  switch (link) {
    case Link::kIdentity:
      return;
    case Link::kSigmoid:
      for (std::int64_t i = 0; i < cells; ++i) rows[i] = sigmoid_f32(rows[i]);
      return;
    case Link::kExp:
      for (std::int64_t i = 0; i < cells; ++i) rows[i] = exp_f32(rows[i]);
      return;
    case Link::kSoftmax:
      for (std::int64_t i = 0; i < n; ++i) apply_link(link, rows + i * k, k);
      return;
  }
}

}  // namespace

PredictKernels predict_table();
PredictKernels predict_table() {
  PredictKernels k{};
  k.load_f32 = load_values<float, float>;
  k.load_f64 = load_values<double, double>;
  k.load_rounded = load_values<double, float>;
  k.encode_f32[0] = encode<float, std::uint8_t>;
  k.encode_f32[1] = encode<float, std::uint16_t>;
  k.encode_f64[0] = encode<double, std::uint8_t>;
  k.encode_f64[1] = encode<double, std::uint16_t>;
  k.encode_set[0] = encode_set<std::uint8_t>;
  k.encode_set[1] = encode_set<std::uint16_t>;
  k.init_exits[0] = init_exits<std::uint8_t>;
  k.init_exits[1] = init_exits<std::uint16_t>;
  k.exits[0] = exits_of<std::uint8_t>;
  k.exits[1] = exits_of<std::uint16_t>;
  k.walk[0] = walk<std::uint8_t>;
  k.walk[1] = walk<std::uint16_t>;
  k.add_exits[0] = add_exits<std::uint8_t>;
  k.add_exits[1] = add_exits<std::uint16_t>;
  k.add_leaves = add_leaves;
  k.deep_leaves[0] = deep_leaves<std::uint16_t>;
  k.deep_leaves[1] = deep_leaves<std::uint32_t>;
  k.add_vectors = add_vectors;
#if PYGBT_PREDICT_AVX512
  k.top_exits = top_exits;
#endif
  k.link = apply_links;
  return k;
}

}  // namespace pygbt::PYGBT_ISA_NAMESPACE
