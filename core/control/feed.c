/* See feed.h. */
#include "control/feed.h"

#include "app/feed.h"
#include "control/requests.h"

#include <stdlib.h>

#define BLOCK_SIZE 16384

struct feed {
    LIST_ENTRY(feed) link;
    struct exchange *exchange;
    struct frame_log *log;
    struct log_cursor cursor; /* {0}: nothing more is taken */
    struct text_buffer line;  /* that is being sent */
    size_t sent;              /* of it */
    bool over;                /* ends after this line */
    uint64_t quiet_since_ms;
};

struct feed_inquiry {
    struct inquiry base;
    struct frame_log *log;
    struct log_cursor cursor;
};

/* ------------------ the core ------------------------------------------------------------------ */

/* [core] */
static void ask_open(struct core *core, struct inquiry *base)
{
    struct feed_inquiry *inquiry = CONTAINER_OF(base, struct feed_inquiry, base);
    inquiry->log = feed_listen(core, &base->control->wake, &inquiry->cursor);
    base->status = 200;
    inquiry_answer(base);
}

/* [core] */
static void call_close(void *core, void *arg)
{
    (void)arg;
    feed_leave(core);
}

static void stop_listening(struct control *control)
{
    control_call_core(control, call_close, NULL); /* or the core is about to end anyway */
}

/* ------------------ lines --------------------------------------------------------------------- */

/* After what is being sent. */
static void begin_line(struct feed *feed)
{
    if (feed->sent == feed->line.len)
        feed->line.len = feed->sent = 0;
}

static void put_line(struct feed *feed, const char *type, const char *reason)
{
    begin_line(feed);
    text_append_literal(&feed->line, "{\"time\":\"");
    text_append_time(&feed->line);
    text_appendf(&feed->line, "\",\"type\":\"%s\"", type);
    if (reason) {
        text_append_literal(&feed->line, ",\"reason\":");
        text_append_json(&feed->line, str_of(reason));
    }
    text_append_literal(&feed->line, "}\n");
}

/* The payload of the frame at the cursor becomes the line. False: there is none. */
static bool take_line(struct feed *feed)
{
    struct str frames = log_cursor_peek(&feed->cursor);
    if (!frames.len)
        return false;
    size_t header, payload = frame_payload(frames, &header);
    begin_line(feed);
    text_append(&feed->line, frames.ptr + header, payload);
    text_append_literal(&feed->line, "\n");
    log_cursor_advance(&feed->cursor, header + payload);
    return true;
}

static void end_with(struct feed *feed, const char *reason)
{
    if (feed->over)
        return;
    feed->over = true;
    log_cursor_release(&feed->cursor);
    put_line(feed, "end", reason);
    exchange_resume(feed->exchange);
}

/* ------------------ sending ------------------------------------------------------------------- */

static ssize_t on_room(void *arg, uint64_t position, char *out, size_t most)
{
    struct feed *feed = arg;
    size_t written = 0;
    (void)position;
    while (written < most) {
        size_t left = feed->line.len - feed->sent, n = left < most - written ? left : most - written;
        if (n)
            memcpy(out + written, feed->line.ptr + feed->sent, n);
        written += n;
        feed->sent += n;
        if (feed->sent == feed->line.len && (feed->over || !take_line(feed)))
            break;
    }
    if (written) {
        feed->quiet_since_ms = now_ms();
        return (ssize_t)written;
    }
    if (feed->over)
        return MHD_CONTENT_READER_END_OF_STREAM;
    exchange_suspend(feed->exchange, 0);
    return 0;
}

struct MHD_Response *feed_response(struct exchange *x)
{
    return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_SIZE, on_room, x->feed, NULL);
}

/* ------------------ life ---------------------------------------------------------------------- */

static void on_opened(struct exchange *x, struct inquiry *base)
{
    struct feed_inquiry *inquiry = CONTAINER_OF(base, struct feed_inquiry, base);
    struct control *control = x->control;
    struct feed *feed = xcalloc(1, sizeof *feed);
    feed->exchange = x;
    feed->log = inquiry->log;
    feed->cursor = inquiry->cursor;
    inquiry->log = NULL;
    inquiry->cursor = (struct log_cursor){ 0 };
    feed->quiet_since_ms = now_ms();
    put_line(feed, "hello", NULL);
    LIST_INSERT_HEAD(&control->feeds, feed, link);
    control->feed_count++;
    x->feed = feed;
    x->status = 200;
    x->content_type = "application/x-ndjson";
}

/* Whoever asked may have gone meanwhile: then the core has opened it for nobody. */
static void destroy_inquiry(struct inquiry *base)
{
    struct feed_inquiry *inquiry = CONTAINER_OF(base, struct feed_inquiry, base);
    if (inquiry->log)
        stop_listening(base->control);
    log_cursor_release(&inquiry->cursor);
    frame_log_unref(inquiry->log);
    free(inquiry);
}

void show_events(struct exchange *x)
{
    if (x->control->feed_count >= FEEDS_MAX) {
        exchange_problem(x, 503, "%d feeds are open already; close one of them", FEEDS_MAX);
        return;
    }
    struct feed_inquiry *inquiry = xcalloc(1, sizeof *inquiry);
    inquiry->base.ask = ask_open;
    inquiry->base.answered = on_opened;
    inquiry->base.destroy = destroy_inquiry;
    inquiry_ask(x, &inquiry->base, ANSWER_DEADLINE_MS);
}

void feed_close(struct exchange *x)
{
    struct feed *feed = x->feed;
    if (!feed)
        return;
    x->feed = NULL;
    LIST_REMOVE(feed, link);
    x->control->feed_count--;
    stop_listening(x->control);
    log_cursor_release(&feed->cursor);
    frame_log_unref(feed->log);
    text_finish(&feed->line);
    free(feed);
}

void feeds_look(struct control *control)
{
    struct feed *feed;
    LIST_FOREACH(feed, &control->feeds, link)
    {
        uint64_t waiting = feed->over ? 0 : frame_log_head(feed->log) - log_cursor_position(&feed->cursor);
        if (waiting > FEED_BEHIND_MAX)
            end_with(feed, "it is read too slowly: too much waits");
        else if (waiting)
            exchange_resume(feed->exchange);
    }
}

void feeds_tick(struct control *control, uint64_t now)
{
    struct feed *feed;
    bool some = false;
    LIST_FOREACH(feed, &control->feeds, link)
    {
        if (!feed->exchange->suspended || now < feed->quiet_since_ms + FEED_QUIET_MS)
            continue;
        put_line(feed, "alive", NULL); /* also shows whether the listener is still there */
        exchange_resume(feed->exchange);
        some = true;
    }
    if (some)
        exchanges_run(control);
}

void feeds_end(struct control *control)
{
    struct feed *feed;
    LIST_FOREACH(feed, &control->feeds, link)
    end_with(feed, "d-back is stopping");
}
