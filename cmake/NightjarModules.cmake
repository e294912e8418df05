# nj_module(<folder> SOURCES … USES <folders and libraries below it>): one static library a folder of src/.
# The name follows the folder: src/net → nj_net. What a folder does not name in USES it cannot link.
function(nj_module folder)
  cmake_parse_arguments(M "" "" "SOURCES;USES" ${ARGN})
  string(REPLACE "/" "_" name ${folder})
  add_library(nj_${name} STATIC ${M_SOURCES})
  target_link_libraries(nj_${name} PUBLIC nj_flags ${M_USES})
endfunction()

# nj_unit_tests(<folder> <libraries>): every tests/unit/<folder>/test_*.c becomes a test of that name.
function(nj_unit_tests folder)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/unit/${folder}/test_*.c)
  foreach(source ${sources})
    get_filename_component(name ${source} NAME_WE)
    string(REPLACE "test_" "" name ${name})
    set(target test_${folder}_${name})
    add_executable(${target} ${source})
    target_link_libraries(${target} PRIVATE ${ARGN} PkgConfig::CMOCKA)
    target_include_directories(${target} PRIVATE ${CMAKE_SOURCE_DIR}/tests)
    target_compile_definitions(${target} PRIVATE NJ_TEST_DIR="${CMAKE_SOURCE_DIR}/tests")
    add_test(NAME unit.${folder}.${name} COMMAND ${target})
    set_tests_properties(unit.${folder}.${name} PROPERTIES TIMEOUT 300)
  endforeach()
endfunction()

# nj_fuzz_targets(<folder> <libraries>): every tests/fuzz/<folder>/fuzz_*.c becomes a libFuzzer program; all of them are
# the target fuzz_targets.
function(nj_fuzz_targets folder)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/fuzz/${folder}/fuzz_*.c)
  foreach(source ${sources})
    get_filename_component(name ${source} NAME_WE)
    add_executable(${name} ${source})
    target_link_libraries(${name} PRIVATE ${ARGN})
    target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR}/tests)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    add_dependencies(fuzz_targets ${name})
  endforeach()
endfunction()
