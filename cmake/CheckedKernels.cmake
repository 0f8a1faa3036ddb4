# SPDX-License-Identifier: Apache-2.0
# pygbt_check_kernels(target kernels): `target` gets the checker of kernels (src/cuda/emulated/checks), and the compiler calls
# it before every load and store of the object library `kernels`, as it would call the library of its thread sanitizer, which
# is not linked. Copies of memory become calls, too.
set(PYGBT_CHECKS ${PROJECT_SOURCE_DIR}/src/cuda/emulated/checks)

function(pygbt_check_kernels target kernels)
  target_sources(${target} PRIVATE ${PYGBT_CHECKS}/checks.cc ${PYGBT_CHECKS}/hooks.cc ${PYGBT_CHECKS}/shadow.cc)
  target_compile_definitions(${target} PRIVATE PYGBT_CHECK_KERNELS)
  target_compile_definitions(${kernels} PRIVATE PYGBT_CHECK_KERNELS)
  target_compile_options(${kernels} PRIVATE -fsanitize=thread -fno-builtin -O1 -g1)
  target_link_options(${target} PRIVATE -Wl,--wrap=memcpy,--wrap=memmove,--wrap=memset)
endfunction()
