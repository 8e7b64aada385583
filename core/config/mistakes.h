/* What is wrong with a configuration: every mistake, one line each, "PLACE: what is wrong; what is allowed".
 *
 * Lines are made safe to show: line breaks, control characters and bytes that aren't UTF-8 appear as \xNN.
 * After MISTAKES_SHOWN of them the rest is only counted, so that a file of another kind altogether doesn't
 * answer with a hundred thousand lines.
 */
#ifndef DBACK_CONFIG_MISTAKES_H
#define DBACK_CONFIG_MISTAKES_H

#include "base/text.h"

#include <stdarg.h>

#define MISTAKES_SHOWN 100

struct mistakes {
    struct text_buffer *out;
    size_t count;
};

/* `place`: "d-back.cfg:12", "--port", "D_BACK_PORT". */
void mistake(struct mistakes *mistakes, const char *place, const char *format, ...) PRINTF_LIKE(3, 4);
void mistake_list(struct mistakes *mistakes, const char *place, const char *format, va_list args)
    PRINTF_LIKE(3, 0);
/* Adds how many weren't shown. Call once, at the end. */
void mistakes_finish(struct mistakes *mistakes);

/* Of `count` names the one that `written` was probably meant to be: two slips away at most, fewer for a
 * short word, or beginning with it; capitals don't matter. NULL: none. */
const char *nearest_name(const char *written, const char *const *names, size_t count);

/* Appends `bytes` without line breaks, control characters and broken UTF-8. */
void text_append_shown(struct text_buffer *out, const char *bytes, size_t len);

#endif
