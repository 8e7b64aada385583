/* See text.h. */
#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

bool str_equal_constant_time(struct str a, struct str b)
{
    if (a.len != b.len)
        return false;
    volatile unsigned char difference = 0;
    for (size_t i = 0; i < a.len; i++)
        difference = (unsigned char)(difference | (unsigned char)(a.ptr[i] ^ b.ptr[i]));
    return difference == 0;
}

/* The length of the white space character at p, 0 if there is none. */
static size_t space_at(const char *p, const char *end)
{
    const unsigned char *u = (const unsigned char *)p;
    size_t left = (size_t)(end - p);
    if (left >= 1 && ((u[0] >= 0x09 && u[0] <= 0x0d) || (u[0] >= 0x1c && u[0] <= 0x20)))
        return 1;
    if (left >= 2 && u[0] == 0xc2 && (u[1] == 0x85 || u[1] == 0xa0))
        return 2;
    if (left < 3)
        return 0;
    unsigned code = (unsigned)u[0] << 16 | (unsigned)u[1] << 8 | u[2];
    bool space = code == 0xe19a80                          /* U+1680 */
                 || (code >= 0xe28080 && code <= 0xe2808a) /* U+2000..200A */
                 || code == 0xe280a8 || code == 0xe280a9   /* U+2028, U+2029 */
                 || code == 0xe280af || code == 0xe2819f   /* U+202F, U+205F */
                 || code == 0xe38080;                      /* U+3000 */
    return space ? 3 : 0;
}

struct str str_trim(struct str s)
{
    if (!s.len)
        return s;
    const char *begin = s.ptr, *end = s.ptr + s.len;
    size_t n;
    while ((n = space_at(begin, end)) > 0)
        begin += n;
    while (end > begin) {
        const char *last = end - 1; /* back to the first byte of the last character */
        while (last > begin && ((unsigned char)*last & 0xc0) == 0x80)
            last--;
        if (space_at(last, end) != (size_t)(end - last))
            break;
        end = last;
    }
    return (struct str){ begin, (size_t)(end - begin) };
}

bool utf8_valid(const void *bytes, size_t len)
{
    if (!len)
        return true; /* nothing is often NULL, and NULL + 0 isn't defined */
    const unsigned char *p = bytes, *end = p + len;
    while (p < end) {
        unsigned char c = *p;
        if (c < 0x80) {
            p++;
            continue;
        }
        size_t more;
        uint32_t code, least;
        if (c >= 0xc2 && c <= 0xdf) {
            more = 1, code = c & 0x1fu, least = 0x80;
        } else if (c >= 0xe0 && c <= 0xef) {
            more = 2, code = c & 0x0fu, least = 0x800;
        } else if (c >= 0xf0 && c <= 0xf4) {
            more = 3, code = c & 0x07u, least = 0x10000;
        } else {
            return false;
        }
        if ((size_t)(end - p) <= more)
            return false;
        for (size_t i = 1; i <= more; i++) {
            if ((p[i] & 0xc0) != 0x80)
                return false;
            code = code << 6 | (p[i] & 0x3fu);
        }
        if (code < least || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
            return false;
        p += more + 1;
    }
    return true;
}

void text_finish(struct text_buffer *b)
{
    free(b->ptr);
    *b = (struct text_buffer){ 0 };
}

void text_reserve(struct text_buffer *b, size_t more)
{
    if (b->capacity - b->len >= more)
        return;
    size_t capacity = b->capacity ? b->capacity * 2 : 256;
    if (capacity < b->len + more)
        capacity = b->len + more;
    b->ptr = xrealloc(b->ptr, capacity);
    b->capacity = capacity;
}

void text_append(struct text_buffer *b, const void *bytes, size_t len)
{
    if (!len)
        return;
    text_reserve(b, len);
    memcpy(b->ptr + b->len, bytes, len);
    b->len += len;
}

void text_append_str(struct text_buffer *b, struct str s)
{
    text_append(b, s.ptr, s.len);
}

void text_appendf(struct text_buffer *b, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (len > 0) {
        text_reserve(b, (size_t)len + 1);
        vsnprintf(b->ptr + b->len, (size_t)len + 1, format, again);
        b->len += (size_t)len;
    }
    va_end(again);
}

void text_append_json(struct text_buffer *b, struct str s)
{
    text_append_literal(b, "\"");
    const char *p = s.ptr, *end = s.len ? p + s.len : p;
    while (p < end) {
        const char *plain = p;
        while (p < end && (unsigned char)*p >= 0x20 && *p != '"' && *p != '\\' && *p != 0x7f)
            p++;
        text_append(b, plain, (size_t)(p - plain));
        if (p == end)
            break;
        switch (*p) {
        case '"':
            text_append_literal(b, "\\\"");
            break;
        case '\\':
            text_append_literal(b, "\\\\");
            break;
        case '\n':
            text_append_literal(b, "\\n");
            break;
        case '\r':
            text_append_literal(b, "\\r");
            break;
        case '\t':
            text_append_literal(b, "\\t");
            break;
        default:
            text_appendf(b, "\\u%04x", (unsigned)(unsigned char)*p);
        }
        p++;
    }
    text_append_literal(b, "\"");
}

void text_append_time(struct text_buffer *b)
{
    struct timespec t;
    struct tm tm;
    char when[32];
    clock_gettime(CLOCK_REALTIME, &t);
    gmtime_r(&t.tv_sec, &tm);
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &tm);
    text_appendf(b, "%s.%03dZ", when, (int)(t.tv_nsec / 1000000));
}

void text_append_json_any(struct text_buffer *b, struct str s)
{
    struct text_buffer valid = { 0 };
    for (size_t i = 0, n; i < s.len; i += n) {
        unsigned char first = (unsigned char)s.ptr[i];
        n = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
        if (n <= s.len - i && utf8_valid(s.ptr + i, n)) {
            text_append(&valid, s.ptr + i, n);
        } else {
            text_append_literal(&valid, "\xef\xbf\xbd");
            n = 1;
        }
    }
    text_append_json(b, (struct str){ valid.ptr, valid.len });
    text_finish(&valid);
}

/* The length of the character at p that may stand in a line as it is; 0: it has to be escaped. Besides the
 * ASCII control characters that is what some terminals and viewers take for one (U+0080 to U+009F), for the
 * end of a line (U+2028, U+2029) or for a change of direction (U+202A to U+202E, U+2066 to U+2069), and
 * whatever isn't UTF-8. */
static size_t printable_at(const unsigned char *p, size_t left)
{
    if (p[0] < 0x80)
        return p[0] >= 0x20 && p[0] != 0x7f;
    size_t len = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (left < len || !utf8_valid(p, len) || (p[0] == 0xc2 && p[1] < 0xa0))
        return 0;
    unsigned code = len == 3 ? (unsigned)p[0] << 16 | (unsigned)p[1] << 8 | p[2] : 0;
    bool control = (code >= 0xe280a8 && code <= 0xe280ae) || (code >= 0xe281a6 && code <= 0xe281a9);
    return control ? 0 : len;
}

void text_append_printable(struct text_buffer *b, struct str s)
{
    const char *text = s.ptr;
    size_t len = s.len;
    for (size_t i = 0, n; i < len; i += n ? n : 1) {
        n = printable_at((const unsigned char *)text + i, len - i);
        if (n)
            text_append(b, text + i, n);
        else
            text_appendf(b, "\\x%02x", (unsigned)(unsigned char)text[i]);
    }
}
