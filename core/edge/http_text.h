/* The small grammar that HTTP fields share: characters, comma-separated lists, hosts, percent-encoding. */
#ifndef DBACK_EDGE_HTTP_TEXT_H
#define DBACK_EDGE_HTTP_TEXT_H

#include "base/text.h"

static inline bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline bool is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* RFC 9110's tchar: what methods and field names are made of. */
static inline bool is_token(char c)
{
    return is_digit(c) || is_alpha(c) || (c != '\0' && strchr("!#$%&'*+-.^_`|~", c));
}

static inline bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static inline bool is_visible(char c)
{
    return c > 0x20 && c < 0x7f;
}

/* Equal, not minding the case of ASCII letters. */
bool str_equal_nocase(struct str a, struct str b);

/* Without spaces and tabs at its ends. */
struct str str_without_blanks(struct str s);

/* What comes before `mark`; `rest` becomes what comes after it. Without the mark: all of it, and nothing. */
struct str str_cut_at(struct str *rest, char mark);

/* The next piece of a comma-separated list, without blanks at its ends; empty ones are skipped. False: no
 * more. */
bool list_next(struct str *rest, struct str *piece);

/* Is `token` one of its pieces, not minding case? */
bool list_contains(struct str list, struct str token);

/* Is it a host name or address, perhaps with a port, as in a Host field ("localhost:3000", "[::1]")? */
bool host_valid(struct str host);

/* Appends `path` with each %XX replaced by its byte. False (`out` unchanged): a % without two hexadecimal
 * digits, or %00. What comes out may be any other byte: static_path_acceptable() judges it. */
bool path_decode(struct str path, struct text_buffer *out);

/* Would path_decode() be true? */
bool path_escapes_valid(struct str path);

#endif
