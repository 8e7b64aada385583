/* See clean.h. */
#include "clean.h"

#include "timestamp.h"

#include <stdio.h>
#include <string.h>

#define ELLIPSIS "\xe2\x80\xa6"

struct writer {
    char *out;
    size_t len, size; /* `size` without the final zero */
    size_t last;      /* where the last character begins */
    uint32_t chars, most;
    bool space; /* one is due before the next character */
    bool seen;  /* something visible is there */
    bool full;
};

/* ------------------ characters ---------------------------------------------------------------- */

/* The character at `text` and its length. Bytes that aren't UTF-8 count as one that can't be seen. */
static uint32_t decode(const char *text, size_t len, size_t *used)
{
    const unsigned char *t = (const unsigned char *)text;
    size_t n = t[0] < 0x80 ? 1 : t[0] < 0xc2 ? 0 : t[0] < 0xe0 ? 2 : t[0] < 0xf0 ? 3 : t[0] < 0xf5 ? 4 : 0;
    uint32_t c = n == 1 ? t[0] : t[0] & (0x7fu >> n);
    bool good = n > 0 && n <= len;
    for (size_t i = 1; good && i < n; i++) {
        good = (t[i] & 0xc0) == 0x80;
        c = c << 6 | (t[i] & 0x3f);
    }
    *used = good ? n : 1;
    return good ? c : 0;
}

static bool is_space(uint32_t c)
{
    return (c >= 9 && c <= 13) || c == 0x20 || c == 0x85 || c == 0xa0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f ||
           c == 0x3000;
}

/* Controls, and what has no width or turns the writing direction. */
static bool is_dropped(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0xad || c == 0x61c || c == 0x180e || c == 0x200b ||
           c == 0x200e || c == 0x200f || (c >= 0x202a && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) ||
           c == 0xfeff || (c >= 0xfff9 && c <= 0xfffb);
}

/* Joins, selectors and tags of emoji, fillers of scripts: nothing to be seen by themselves. */
static bool is_blank(uint32_t c)
{
    return c == 0x34f || c == 0x115f || c == 0x1160 || c == 0x17b4 || c == 0x17b5 || c == 0x200c ||
           c == 0x200d || c == 0x2800 || c == 0x3164 || (c >= 0xfe00 && c <= 0xfe0f) || c == 0xffa0 ||
           (c >= 0xe0000 && c <= 0xe0fff);
}

/* ------------------ writing ------------------------------------------------------------------- */

static void write_raw(struct writer *w, const char *bytes, size_t n)
{
    if (w->chars >= w->most || w->len + n > w->size) {
        w->full = true;
        return;
    }
    w->last = w->len;
    memcpy(w->out + w->len, bytes, n);
    w->len += n;
    w->chars++;
}

static void write_text(struct writer *w, const char *text, size_t len)
{
    for (size_t at = 0, used; at < len && !w->full; at += used) {
        uint32_t c = decode(text + at, len - at, &used);
        if (is_space(c)) {
            w->space = w->len > 0;
        } else if (!is_dropped(c)) {
            if (w->space)
                write_raw(w, " ", 1);
            w->space = false;
            if (!w->full)
                write_raw(w, text + at, used);
            w->seen = w->seen || !is_blank(c);
        }
    }
}

static void write_named(struct writer *w, const char *sign, const char *name, const char *otherwise)
{
    write_text(w, sign, strlen(sign));
    name = name && *name ? name : otherwise;
    write_text(w, name, strlen(name));
}

/* ------------------ what stands for something else -------------------------------------------- */

/* The number between `text` and `end`, which is all digits. */
static bool parse_id(const char *text, const char *end, snowflake *id)
{
    return snowflake_parse(text, (size_t)(end - text), id);
}

/* <@1> <@!1> <@&1> <#1> */
static bool write_mention(struct writer *w, const char *text, const char *end,
                          const struct clean_names *names)
{
    snowflake id;
    bool user = *text == '@' && text[1] != '&';
    const char *digits = text + (*text == '@' && (text[1] == '!' || text[1] == '&') ? 2 : 1);
    if (!parse_id(digits, end, &id))
        return false;
    if (user)
        write_named(w, "@", names->user(names->arg, id), "deleted-user");
    else if (*text == '@')
        write_named(w, "@", names->role(names->arg, id), "deleted-role");
    else
        write_named(w, "#", names->channel(names->arg, id), "deleted-channel");
    return true;
}

/* </name:1> <:name:1> <a:name:1>: the name stands in it. */
static bool write_named_token(struct writer *w, const char *text, const char *end)
{
    bool command = *text == '/';
    const char *name = text + (*text == 'a' ? 2 : 1);
    const char *colon = end;
    while (colon > name && *colon != ':')
        colon--;
    snowflake id;
    if (colon == name || memchr(name, ':', (size_t)(colon - name)) || !parse_id(colon + 1, end, &id))
        return false;
    write_text(w, command ? "/" : ":", 1);
    write_text(w, name, (size_t)(colon - name));
    if (!command)
        write_text(w, ":", 1);
    return true;
}

/* <t:1> <t:1:R> */
static bool write_time(struct writer *w, const char *text, const char *end, int64_t now)
{
    char shown[TIMESTAMP_SIZE];
    if (!timestamp_show(text + 2, (size_t)(end - text) - 2, now, shown))
        return false;
    write_text(w, shown, strlen(shown));
    return true;
}

/* Writes what `<...>` at `text` stands for; its length, or 0 when it is just text. */
static size_t write_token(struct writer *w, const char *text, size_t len, int64_t now,
                          const struct clean_names *names)
{
    const char *end = memchr(text, '>', len < 256 ? len : 256);
    if (!end || end - text < 3)
        return 0;
    const char *inside = text + 1;
    bool known = false;
    if (*inside == '@' || *inside == '#')
        known = write_mention(w, inside, end, names);
    else if (*inside == '/' || *inside == ':' || (*inside == 'a' && inside[1] == ':'))
        known = write_named_token(w, inside, end);
    else if (*inside == 't' && inside[1] == ':')
        known = write_time(w, inside, end, now);
    return known ? (size_t)(end - text) + 1 : 0;
}

/* ------------------ the whole ----------------------------------------------------------------- */

size_t clean_message(const char *text, size_t len, uint32_t most, int64_t now,
                     const struct clean_names *names, char *out)
{
    struct writer w = { .out = out, .size = CLEAN_MAX - strlen(ELLIPSIS), .most = most };
    for (size_t at = 0; at < len && !w.full;) {
        size_t used = text[at] == '<' ? write_token(&w, text + at, len - at, now, names) : 0;
        const char *next = used ? NULL : memchr(text + at + 1, '<', len - at - 1);
        if (!used) {
            used = (next ? (size_t)(next - text) : len) - at;
            write_text(&w, text + at, used);
        }
        at += used;
    }
    if (w.full) {
        w.len = w.last;
        while (w.len > 0 && out[w.len - 1] == ' ')
            w.len--;
        memcpy(out + w.len, ELLIPSIS, strlen(ELLIPSIS));
        w.len += strlen(ELLIPSIS);
    }
    out[w.len] = '\0';
    return w.seen ? w.len : 0;
}

size_t clean_name(const char *text, uint32_t most, char *out, size_t size)
{
    struct writer w = { .out = out, .size = size - 1, .most = most };
    if (text)
        write_text(&w, text, strlen(text));
    while (w.len > 0 && out[w.len - 1] == ' ')
        w.len--;
    out[w.len] = '\0';
    return w.seen ? w.len : 0;
}
