/* The text of d-back.cfg with what it includes, as libconfig is to read it.
 *
 * libconfig 1.5 leaves traps that an operator would step into: an integer over 32 bits is cut off without a
 * word, "\x00" ends a string, including a folder ends the process and including a FIFO blocks it. So the
 * files are read here. `@include "FILE"` is carried out here (relative to the folder of the file that says
 * it), integers are marked as 64-bit, and what libconfig would take wrongly is a mistake. libconfig gets one
 * text without includes; `lines` says where each of its lines comes from.
 */
#ifndef DBACK_CONFIG_SOURCE_H
#define DBACK_CONFIG_SOURCE_H

#include "config/mistakes.h"

#define SOURCE_SIZE_MOST 1048576 /* bytes, all files together */
#define SOURCE_DEPTH_MOST 10
#define SOURCE_FILES_MOST 100
#define SOURCE_KEYS_MOST 10000 /* libconfig compares each with all before it */

struct source_line {
    unsigned file, line;
};

struct source {
    struct text_buffer text; /* NUL-terminated */
    struct source_line *lines;
    size_t line_count, line_capacity;
    struct source_file {
        char *shown;  /* as people wrote it */
        char *folder; /* absolute */
    } files[SOURCE_FILES_MOST];
    unsigned file_count;
    size_t bytes, keys;
};

/* Reads the file at `path`; `place` is who named it ("--config"), for the case that it can't be read.
 * Mistakes are told to `mistakes`; false: there were some. Call source_finish() in any case. */
bool source_read(struct source *source, const char *path, const char *place, struct mistakes *mistakes);
void source_finish(struct source *source);

/* "FILE:LINE" of the text's line, counted from 1. Caller frees. */
char *source_place(const struct source *source, unsigned line);
unsigned source_line_number(const struct source *source, unsigned line);
/* The folder of the file that the line stands in. */
const char *source_folder(const struct source *source, unsigned line);

#endif
