# embed_migrations(OUT PREFIX) writes migrations/NNNN_*.sql as C strings into OUT, so that the binary
# carries its schema: PREFIX_migrations[], as PREFIX_migrate.h declares it.
# Byte by byte, because a string literal may hold no more than 4095 characters.
function(embed_migrations out prefix)
  file(GLOB files CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/migrations/*.sql)
  list(SORT files)
  set(arrays "")
  set(rows "")
  set(expected 0)
  foreach(file IN LISTS files)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
    get_filename_component(name ${file} NAME)
    if(NOT name MATCHES "^([0-9][0-9][0-9][0-9])_[a-z0-9_]+\\.sql$")
      message(FATAL_ERROR "${file}: a migration is named NNNN_what.sql")
    endif()
    set(number ${CMAKE_MATCH_1})
    math(EXPR expected "${expected} + 1")
    string(REGEX REPLACE "^0+" "" version ${number})
    if(NOT version EQUAL expected)
      message(FATAL_ERROR "${file}: migrations are numbered without gaps, from 0001")
    endif()
    file(READ ${file} bytes HEX)
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
    string(REGEX REPLACE "((0x..,){18})" "\\1\n    " bytes "${bytes}")
    string(APPEND arrays "static const char sql_${number}[] = {\n    ${bytes}0x00};\n")
    string(APPEND rows "    {${version}, \"${name}\", sql_${number}},\n")
  endforeach()
  file(CONFIGURE OUTPUT ${out} @ONLY CONTENT
"/* Made by embed_migrations.cmake from migrations/; do not edit. */
#include \"${prefix}_migrate.h\"

${arrays}
const struct ${prefix}_migration ${prefix}_migrations[] = {
${rows}};
const int ${prefix}_migrations_count = ${expected};
")
endfunction()
