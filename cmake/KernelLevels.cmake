# SPDX-License-Identifier: Apache-2.0
# Compiles src/cpp/backend/isa/*.cc once per instruction-set level, each into its own namespace; the level is chosen at
# run time (backend/isa_dispatch.cc). Sets PYGBT_KERNEL_TARGETS, a list of object libraries.
file(GLOB kernel_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/cpp/backend/isa/*.cc)

function(pygbt_add_kernel_level level)
  set(target pygbt_kernels_${level})
  add_library(${target} OBJECT ${kernel_sources})
  target_link_libraries(${target} PRIVATE pygbt_flags)
  target_compile_definitions(${target} PRIVATE PYGBT_ISA_NAMESPACE=isa_${level})
  # No -ffast-math: these two only drop errno and the trap flags, never a rounding.
  target_compile_options(${target} PRIVATE ${kernel_speed} -fno-math-errno -fno-trapping-math ${ARGN})
  set(PYGBT_KERNEL_TARGETS ${PYGBT_KERNEL_TARGETS} ${target} PARENT_SCOPE)
endfunction()

set(PYGBT_KERNEL_TARGETS)
set(kernel_speed -O3)
if(PYGBT_SANITIZE)
  set(kernel_speed -O1)
endif()
if(kernel_sources)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64|amd64")
    pygbt_add_kernel_level(v2 -march=x86-64-v2)
    pygbt_add_kernel_level(v3 -march=x86-64-v3)
    pygbt_add_kernel_level(v4 -march=x86-64-v4)
  else()
    pygbt_add_kernel_level(portable)
  endif()
endif()
