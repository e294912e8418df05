# Flags that every target gets. Warnings are errors under gcc and clang alike.
option(NJ_TESTS "Build unit tests" ON)
option(NJ_FUZZ "Build libFuzzer targets (clang only)" OFF)
set(NJ_SANITIZE "" CACHE STRING "Sanitizers for every target: 'address,undefined' or 'thread'")

# An assertion is for a mistake of our own; it stays on in a release, which fails closed.
string(REPLACE "-DNDEBUG" "" CMAKE_C_FLAGS_RELWITHDEBINFO "${CMAKE_C_FLAGS_RELWITHDEBINFO}")

add_library(nj_flags INTERFACE)
target_compile_options(nj_flags INTERFACE
  -Wall -Wextra -Werror -Wshadow -Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition
  -Wvla -Wformat=2 -Wundef -Wwrite-strings -Wcast-align -Wunused-result -Wnull-dereference -Wdouble-promotion
  -Wimplicit-fallthrough -Wno-missing-field-initializers -Wno-unused-parameter
  -fno-strict-aliasing -fno-common -fstack-protector-strong
  -fPIE -include ${CMAKE_SOURCE_DIR}/src/base/banned.h)
target_compile_definitions(nj_flags INTERFACE _GNU_SOURCE NJ_VERSION="${PROJECT_VERSION}")
target_include_directories(nj_flags INTERFACE ${CMAKE_SOURCE_DIR}/src)
target_link_options(nj_flags INTERFACE -pie -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--as-needed)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
  target_compile_options(nj_flags INTERFACE -Wlogical-op -Wduplicated-cond -fstack-clash-protection)
endif()
if(CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64")
  target_compile_options(nj_flags INTERFACE -fcf-protection=full)
endif()
if(CMAKE_BUILD_TYPE MATCHES "Rel" AND NOT NJ_SANITIZE)
  target_compile_definitions(nj_flags INTERFACE _FORTIFY_SOURCE=2)
endif()
if(NJ_SANITIZE)
  target_compile_options(nj_flags INTERFACE -fsanitize=${NJ_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(nj_flags INTERFACE -fsanitize=${NJ_SANITIZE})
endif()
if(NJ_FUZZ)
  target_compile_options(nj_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
