# One interface target carries the flags, so that a folder cannot forget them.
add_library(farebox_flags INTERFACE)
target_compile_options(farebox_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wswitch-enum -Wvla
  -Wstrict-prototypes -Wmissing-prototypes -fno-common)
if(FAREBOX_WERROR)
  target_compile_options(farebox_flags INTERFACE -Werror)
endif()
if(FAREBOX_SANITIZE)
  target_compile_options(farebox_flags INTERFACE
    -fsanitize=${FAREBOX_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(farebox_flags INTERFACE -fsanitize=${FAREBOX_SANITIZE})
endif()

# One library a folder. What it links PRIVATEly stays out of its users' include paths.
function(farebox_library name)
  add_library(${name} STATIC ${ARGN})
  target_include_directories(${name} PUBLIC ${CMAKE_CURRENT_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE farebox_flags)
endfunction()
