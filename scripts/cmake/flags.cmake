# Warnings are errors, and every binary is hardened alike. gcc 12 is the reference; clang builds the fuzz targets.

add_compile_options(
    -g -Wall -Wextra -Wpedantic -Werror
    -Wformat=2 -Wconversion -Wsign-conversion -Wimplicit-fallthrough -Wshadow -Wvla -Wundef
    -Wnull-dereference -Wstrict-prototypes -Wmissing-prototypes -Wcast-qual -Wwrite-strings
    -Werror=format-security -Werror=implicit -Werror=incompatible-pointer-types -Werror=int-conversion
    -Wno-gnu # statement expressions and friends are our dialect (C17 with GNU extensions)
    -fno-delete-null-pointer-checks -fno-strict-overflow -fno-strict-aliasing
    -fstack-clash-protection -fstack-protector-strong -fcf-protection=full
    -ftrivial-auto-var-init=zero -fPIE)
if(CMAKE_C_COMPILER_ID STREQUAL GNU)
    add_compile_options(-Wduplicated-cond -Wlogical-op -Wtrampolines -Wbidi-chars=any -Wno-pedantic)
endif()
add_link_options(-pie -Wl,-z,noexecstack,-z,relro,-z,now -Wl,--as-needed)
add_compile_definitions(_GNU_SOURCE)

if(DAVIT_SANITIZE)
    add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -O1)
    add_link_options(-fsanitize=address,undefined)
else()
    add_compile_options(-O2 -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
    # Sections that nothing calls are dropped: a role links the rooms that it uses and carries only what it calls.
    add_compile_options(-ffunction-sections -fdata-sections)
    add_link_options(-Wl,--gc-sections)
endif()

if(DAVIT_ANALYZE)
    add_compile_options(-fanalyzer)
endif()
