# Makes template_files.h: the files of the template as arrays. -DFOLDER=... -DOUTPUT=... -DFILES="a;b"
set(arrays "")
set(rows "")
foreach(file ${FILES})
    file(READ ${FOLDER}/${file} bytes HEX)
    string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
    string(MAKE_C_IDENTIFIER ${file} id)
    string(APPEND arrays "static const unsigned char ${id}[] = { ${bytes} };\n")
    string(APPEND rows "    { \"${file}\", ${id}, sizeof ${id} },\n")
endforeach()
file(WRITE ${OUTPUT} "/* Made of plugin-sdk/template by embed_template.cmake. */
#include <stddef.h>

${arrays}
static const struct {
    const char *name;
    const unsigned char *bytes;
    size_t size;
} template_files[] = {
${rows}};
")
