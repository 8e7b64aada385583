/* See snapshot.h. */
#include "state/snapshot.h"

#include <stdlib.h>

#define FIRST_FRAGMENT 0x01u   /* text, more to come */
#define NEXT_FRAGMENT 0x00u    /* continuation, more to come */
#define CLOSING_FRAGMENT 0x80u /* continuation, the last */
#define BEFORE_USERS "{\"type\":\"server-join\",\"data\":{\"users\":"

/* The end of a piece of at most `max` bytes that cuts no character in two: a peer may check each fragment. */
static size_t piece_length(struct str text, size_t max)
{
    if (text.len <= max)
        return text.len;
    size_t n = max;
    while (n > 0 && ((unsigned char)text.ptr[n] & 0xc0) == 0x80)
        n--;
    return n ? n : max; /* not UTF-8: cut anywhere */
}

static void cut_into_fragments(struct snapshot *s)
{
    size_t most = s->body.len / (SNAPSHOT_FRAGMENT - 4) + 1;
    s->fragments = xcalloc(most, sizeof *s->fragments);
    struct str rest = s->body;
    while (rest.len) {
        size_t n = piece_length(rest, SNAPSHOT_FRAGMENT);
        unsigned first_byte = s->fragment_count ? NEXT_FRAGMENT : FIRST_FRAGMENT;
        s->fragments[s->fragment_count++] = frame_create_fragment(first_byte, (struct str){ rest.ptr, n });
        rest = (struct str){ rest.ptr + n, rest.len - n };
    }
    free((char *)s->body.ptr); /* the fragments hold it now */
    s->body = (struct str){ 0 };
}

struct snapshot *snapshot_create(const struct roster *roster)
{
    struct snapshot *s = xcalloc(1, sizeof *s);
    s->references = 1;
    s->version = roster_version(roster);
    struct text_buffer body = { 0 };
    text_append_literal(&body, BEFORE_USERS);
    roster_write(roster, &body);
    s->body = (struct str){ body.ptr, body.len };
    if (body.len > SNAPSHOT_WHOLE_MAX)
        cut_into_fragments(s);
    return s;
}

size_t snapshot_bytes(const struct snapshot *s)
{
    return s->fragment_count * SNAPSHOT_FRAGMENT + s->body.len;
}

struct snapshot *snapshot_ref(struct snapshot *snapshot)
{
    __atomic_fetch_add(&snapshot->references, 1, __ATOMIC_RELAXED);
    return snapshot;
}

void snapshot_unref(struct snapshot *s)
{
    if (!s || __atomic_sub_fetch(&s->references, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    for (size_t i = 0; i < s->fragment_count; i++)
        frame_unref(s->fragments[i]);
    free(s->fragments);
    frame_unref(s->last);
    free((char *)s->body.ptr);
    free((char *)s->ending.ptr);
    free(s);
}

struct frame *snapshot_last_frame(struct snapshot *s, struct str ending)
{
    if (s->last && str_equal(s->ending, ending))
        return frame_ref(s->last);
    struct frame *last;
    if (s->fragment_count) {
        last = frame_create_fragment(CLOSING_FRAGMENT, ending);
    } else {
        struct text_buffer whole = { 0 };
        text_reserve(&whole, s->body.len + ending.len);
        text_append_str(&whole, s->body);
        text_append_str(&whole, ending);
        last = frame_create((struct str){ whole.ptr, whole.len });
        text_finish(&whole);
    }
    frame_unref(s->last);
    free((char *)s->ending.ptr);
    s->last = last;
    s->ending = (struct str){ xstrndup(ending.ptr, ending.len), ending.len };
    return frame_ref(last);
}

void snapshot_write_users(const struct snapshot *s, struct text_buffer *out)
{
    size_t skip = sizeof BEFORE_USERS - 1; /* all of it is in the first piece */
    if (!s->fragment_count)
        text_append(out, s->body.ptr + skip, s->body.len - skip);
    for (size_t i = 0; i < s->fragment_count; i++, skip = 0) {
        const struct frame *fragment = s->fragments[i];
        size_t header, len;
        len = frame_payload((struct str){ (const char *)fragment->bytes, fragment->len }, &header);
        text_append(out, fragment->bytes + header + skip, len - skip);
    }
}
