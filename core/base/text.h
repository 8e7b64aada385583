/* Text: pieces of UTF-8 with a length, a growing buffer, and JSON string escaping.
 *
 * `struct str` is a borrowed piece, never NUL-terminated by promise. `struct text_buffer` owns
 * memory and grows; JSON is written straight into it, because the frames of the hot path are
 * made here and building a tree first would cost more than the frame.
 */
#ifndef DBACK_BASE_TEXT_H
#define DBACK_BASE_TEXT_H

#include "base/base.h"

#include <string.h>

struct str {
    const char *ptr;
    size_t len;
};

#define STR(literal) ((struct str){ (literal), sizeof(literal) - 1 })

static inline struct str str_of(const char *zero_terminated)
{
    return (struct str){ zero_terminated, zero_terminated ? strlen(zero_terminated) : 0 };
}

static inline bool str_equal(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* Equal without telling by its duration where the first difference is (the length does show). */
bool str_equal_constant_time(struct str a, struct str b);

/* Without white space (Unicode's, as Python's str.strip() sees it) at both ends. */
struct str str_trim(struct str s);

/* Is it valid UTF-8 (RFC 3629: no surrogates, no overlong forms, up to U+10FFFF)? */
bool utf8_valid(const void *bytes, size_t len);

struct text_buffer {
    char *ptr;
    size_t len, capacity;
};

void text_finish(struct text_buffer *b); /* frees; the buffer is empty and usable afterwards */
void text_reserve(struct text_buffer *b, size_t more);
void text_append(struct text_buffer *b, const void *bytes, size_t len);
void text_append_str(struct text_buffer *b, struct str s);
void text_appendf(struct text_buffer *b, const char *format, ...) PRINTF_LIKE(2, 3);
/* With everything that could end or forge a line, or move a terminal's cursor, made visible as \xNN. */
void text_append_printable(struct text_buffer *b, struct str s);
/* The time, as "2026-11-23T20:59:45.123Z". */
void text_append_time(struct text_buffer *b);
/* A JSON string with its quotes. `s` must be valid UTF-8. */
void text_append_json(struct text_buffer *b, struct str s);
/* The same for what may not be UTF-8, a sentence that was cut, say: wrong bytes become U+FFFD. */
void text_append_json_any(struct text_buffer *b, struct str s);

#define text_append_literal(b, literal) text_append((b), (literal), sizeof(literal) - 1)

#endif
