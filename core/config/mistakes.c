/* See mistakes.h. */
#include "config/mistakes.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define NAME_MOST 32 /* no key's name is longer */

/* How many bytes at `p` make one character that may be shown; 0: the byte has to be escaped. */
static size_t shown_at(const char *p, const char *end)
{
    unsigned char first = (unsigned char)*p;
    if (first < 0x20 || first == 0x7f)
        return 0;
    size_t len = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if ((size_t)(end - p) < len || !utf8_valid(p, len))
        return 0;
    return first == 0xc2 && (unsigned char)p[1] < 0xa0 ? 0 : len; /* U+0080..009F are control characters */
}

void text_append_shown(struct text_buffer *out, const char *bytes, size_t len)
{
    const char *end = bytes + len;
    while (bytes < end) {
        size_t n = shown_at(bytes, end);
        if (n > 0) {
            text_append(out, bytes, n);
            bytes += n;
        } else {
            text_appendf(out, "\\x%02x", (unsigned)(unsigned char)*bytes++);
        }
    }
}

void mistake_list(struct mistakes *mistakes, const char *place, const char *format, va_list args)
{
    if (mistakes->count++ >= MISTAKES_SHOWN)
        return;
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, again);
    va_end(again);
    size_t size = (len < 0 ? 0 : (size_t)len) + 1;
    char *text = xcalloc(1, size);
    vsnprintf(text, size, format, args);
    text_append_shown(mistakes->out, place, strlen(place));
    text_append_literal(mistakes->out, ": ");
    text_append_shown(mistakes->out, text, strlen(text));
    text_append_literal(mistakes->out, "\n");
    free(text);
}

void mistake(struct mistakes *mistakes, const char *place, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    mistake_list(mistakes, place, format, args);
    va_end(args);
}

void mistakes_finish(struct mistakes *mistakes)
{
    if (mistakes->count > MISTAKES_SHOWN)
        text_appendf(mistakes->out, "and %zu more mistakes\n", mistakes->count - MISTAKES_SHOWN);
}

static size_t least_of(size_t a, size_t b, size_t c)
{
    size_t least = a < b ? a : b;
    return least < c ? least : c;
}

/* Levenshtein's distance, or a large number when one of them is longer than any key. */
static size_t distance(const char *a, const char *b)
{
    size_t a_len = strlen(a), b_len = strlen(b), row[NAME_MOST + 1];
    if (a_len > NAME_MOST || b_len > NAME_MOST)
        return NAME_MOST;
    for (size_t j = 0; j <= b_len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t changed = diagonal + (strncasecmp(&a[i - 1], &b[j - 1], 1) != 0);
            diagonal = row[j];
            row[j] = least_of(changed, row[j] + 1, row[j - 1] + 1);
        }
    }
    return row[b_len];
}

const char *nearest_name(const char *written, const char *const *names, size_t count)
{
    size_t len = strlen(written), best = len / 2 < 2 ? len / 2 : 2;
    const char *name = NULL;
    for (size_t i = 0; i < count; i++) {
        size_t d = distance(written, names[i]);
        if (d < best || (d == best && !name)) {
            best = d;
            name = names[i];
        }
    }
    for (size_t i = 0; !name && len >= 3 && i < count; i++)
        if (strncasecmp(written, names[i], len) == 0)
            name = names[i];
    return name;
}
