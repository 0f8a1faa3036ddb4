// SPDX-License-Identifier: Apache-2.0
// The only file that looks at the compiler. PYGBT_HD marks the scalar formulas of math/ that host and
// device share. They are always inlined on the host: the kernels are compiled once per instruction set,
// and an out-of-line copy made for a newer set must never be linked into code for an older one.
#pragma once

#if defined(__CUDACC__)
#define PYGBT_HD __host__ __device__ __forceinline__
#else
#define PYGBT_HD inline __attribute__((always_inline))
#endif
