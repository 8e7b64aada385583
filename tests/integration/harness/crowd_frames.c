/* See crowd.h and crowd.c: the frames that a viewer is sent, and whether it may be sent them now. */
#define _GNU_SOURCE
#include "crowd.h"

#include <stdlib.h>
#include <string.h>

/* The number behind `prefix`, -1: it isn't there. */
static long number_after(const char *text, size_t len, const char *prefix, int base)
{
    const char *at = memmem(text, len, prefix, strlen(prefix));
    return at ? strtol(at + strlen(prefix), NULL, base) : -1;
}

static void see_tick(struct viewer *v, unsigned tick)
{
    v->tick = tick;
    if (tick > crowd.newest[v->server])
        crowd.newest[v->server] = tick;
}

static void take_snapshot(struct viewer *v, const char *text, size_t len)
{
    long server = number_after(text, len, "\"request\":{\"server\":\"clock", 10);
    long tick = number_after(text, len, "\"username\":\"Clock\",\"status\":\"online\",\"roleColor\":\"#", 16);
    bool first = v->state == LISTING, same = !first && server == (long)v->server;
    if (tick < 0 || (server != (long)v->asked && !same)) {
        complain(v, "a snapshot of server %ld with the clock at %ld, asked for %u", server, tick, v->asked);
        return;
    }
    if (same && (unsigned)tick < v->tick)
        complain(v, "a snapshot of clock%ld with the clock at %ld, after %u", server, tick, v->tick);
    /* What was said already isn't said again; what wasn't may have been, before the snapshot. */
    v->said = v->said && same && (unsigned)tick == v->tick;
    v->may_be_said = !v->said;
    v->asking = v->asking && server != (long)v->asked;
    crowd.on_the_way -= first;
    crowd.joins += first || v->server != v->asked;
    crowd.snapshots_again += same;
    v->state = v->state == LISTING ? WATCHING : v->state;
    v->server = (unsigned)server;
    see_tick(v, (unsigned)tick);
}

static void take_presence(struct viewer *v, const char *text, size_t len)
{
    long tick = number_after(text, len, "\"uid\":\"clock\",\"status\":\"online\",\"roleColor\":\"#", 16);
    if (tick != (long)v->tick + 1)
        complain(v, "clock%u shows %ld after %u", v->server, tick, v->tick);
    else if (!v->said && !v->may_be_said)
        complain(v, "clock%u shows %ld without having said %u", v->server, tick, v->tick);
    see_tick(v, (unsigned)tick);
    v->said = v->may_be_said = false;
}

static void take_message(struct viewer *v, const char *text, size_t len)
{
    long number = number_after(text, len, "\"message\":\"", 10);
    if (number != (long)v->tick || v->said)
        complain(v, "clock%u says %ld %s it shows %u", v->server, number, v->said ? "again while" : "while",
                 v->tick);
    v->said = true;
}

static bool is(const char *text, size_t len, const char *type)
{
    size_t n = strlen(type);
    return len > 9 + n && memcmp(text, "{\"type\":\"", 9) == 0 && memcmp(text + 9, type, n) == 0;
}

static void take_text(struct viewer *v, const char *text, size_t len)
{
    crowd.frames++;
    bool event = is(text, len, "presence\"") || is(text, len, "message\"");
    if (is(text, len, "server-list\"") && v->state == LISTING) {
        ask(v, pick(crowd.servers));
    } else if (is(text, len, "server-join\"")) {
        take_snapshot(v, text, len);
    } else if (event && v->state != LISTING) {
        long server = number_after(text, len, "\"server\":\"", 10) - 3000;
        if (server != (long)v->server)
            complain(v, "an event of server %ld while it watches %u", server, v->server);
        else if (is(text, len, "presence\""))
            take_presence(v, text, len);
        else
            take_message(v, text, len);
    } else {
        complain(v, "in state %d: %.*s", v->state, (int)(len < 200 ? len : 200), text);
    }
}

/* A text frame, or a part of one. */
static void take_data(struct viewer *v, const char *bytes, size_t len, bool begins, bool ends)
{
    if (begins && ends && !v->text) {
        take_text(v, bytes, len);
        return;
    }
    if (begins != !v->text) {
        complain(v, "a message %s", begins ? "within another" : "that has not begun");
        return;
    }
    v->text = realloc(v->text, v->text_len + len + 1);
    if (!v->text)
        abort();
    memcpy(v->text + v->text_len, bytes, len);
    v->text_len += len;
    if (!ends)
        return;
    char *text = v->text;
    size_t text_len = v->text_len;
    v->text = NULL;
    v->text_len = 0;
    take_text(v, text, text_len);
    free(text);
}

/* Bytes of the next frame, 0: it isn't complete. */
static size_t take_frame(struct viewer *v, const unsigned char *at, size_t left)
{
    size_t head = 2, len;
    if (left < 2)
        return 0;
    len = at[1] & 0x7f;
    if (len == 126) {
        head = 4;
        len = left < head ? 0 : (size_t)at[2] << 8 | at[3];
    } else if (len == 127) {
        head = 10;
        len = 0;
        for (size_t i = 2; left >= head && i < head; i++)
            len = len << 8 | at[i];
    }
    if (left < head || left - head < len)
        return 0;
    const char *payload = (const char *)at + head;
    if ((at[0] & 0xf) <= 1)
        take_data(v, payload, len, at[0] & 1, at[0] & 0x80);
    else if ((at[0] & 0xf) == 9)
        send_frame(v, 10, payload, len);
    else
        lose(v, (at[0] & 0xf) == 8 ? "closed by the server" : "a frame of another kind");
    return head + len;
}

void take_bytes(struct viewer *v)
{
    size_t at = 0, used;
    if (v->state == UPGRADING) {
        char *end = memmem(v->bytes, v->len, "\r\n\r\n", 4);
        if (!end)
            return;
        if (memcmp(v->bytes, "HTTP/1.1 101", 12) != 0) {
            lose(v, "no upgrade");
            return;
        }
        at = (size_t)(end + 4 - v->bytes);
        v->state = LISTING;
    }
    while (v->state != AWAY && (used = take_frame(v, (unsigned char *)v->bytes + at, v->len - at)))
        at += used;
    if (v->state == AWAY)
        return;
    memmove(v->bytes, v->bytes + at, v->len - at);
    v->len -= at;
    if (v->len == 0) { /* nothing waits: thousands of them need no buffers */
        free(v->bytes);
        v->bytes = NULL;
        v->capacity = 0;
    }
}
