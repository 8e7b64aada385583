/* What goes out. See session.h for the order, and worker.h.
 *
 * One write sends all that waits in the log's chunk, for however many events. libwebsockets never refuses a
 * write (it keeps what the socket doesn't take on the heap), so after the first write of a turn we look
 * whether the socket takes more, and otherwise wait; a session never has more than one write on the heap.
 * Every write ends on a frame boundary, because the library puts its pongs between them.
 */
#include "edge/session.h"

#include <stdlib.h>

/* To one session, before others get their turn. */
#define SEND_SLICE (256 * 1024)

/* ------------------ groups -------------------------------------------------------------------- */

static struct group *find_group(struct worker *w, struct channel *channel)
{
    for (struct group *g = w->groups; g; g = g->next) {
        if (g->channel.server == channel->server)
            return g;
    }
    struct group *g = xcalloc(1, sizeof *g);
    g->channel.server = channel->server;
    g->channel.log = frame_log_ref(channel->log);
    g->next = w->groups;
    w->groups = g;
    return g;
}

void send_join_group(struct session *s, struct channel *channel)
{
    struct group *g = find_group(s->connection.worker, channel);
    frame_log_unref(channel->log); /* the group's hold does for all */
    *channel = (struct channel){ 0 };
    s->group = g;
    s->group_next = g->sessions;
    if (s->group_next)
        s->group_next->group_at = &s->group_next;
    s->group_at = &g->sessions;
    g->sessions = s;
    g->count++;
}

static void free_group(struct worker *w, struct group *g)
{
    struct group **at = &w->groups;
    while (*at != g)
        at = &(*at)->next;
    *at = g->next;
    frame_log_unref(g->channel.log);
    free(g);
}

static void drop_snapshot(struct session *s)
{
    snapshot_unref(s->snapshot);
    frame_unref(s->last);
    s->snapshot = NULL;
    s->last = NULL;
}

void send_leave_group(struct session *s)
{
    struct group *g = s->group;
    drop_snapshot(s);
    log_cursor_release(&s->cursor);
    s->behind = false;
    if (!g)
        return;
    *s->group_at = s->group_next;
    if (s->group_next)
        s->group_next->group_at = s->group_at;
    s->group = NULL;
    struct to_core *message = xcalloc(1, sizeof *message);
    message->kind = CORE_LEAVE;
    message->channel.server = g->channel.server;
    message->channel.log = frame_log_ref(g->channel.log);
    if (--g->count == 0)
        free_group(s->connection.worker, g);
    worker_post(s->connection.worker, message);
}

void send_free_groups(struct worker *w)
{
    while (w->groups)
        free_group(w, w->groups);
}

/* ------------------ waking -------------------------------------------------------------------- */

void send_request_writable(struct session *s, uint64_t now)
{
    /* Asking again for one that waits would drop the event that is on its way. */
    if (s->waiting || s->closing || !s->established)
        return;
    s->waiting = true;
    s->waiting_since_ms = now;
    lws_callback_on_writable(s->wsi);
}

void send_ask_for_snapshot(struct session *s)
{
    struct to_core *message = xcalloc(1, sizeof *message);
    message->kind = CORE_RESNAPSHOT;
    message->viewer = connection_ref(&s->connection);
    message->channel = s->group->channel;
    message->heard = s->heard;
    message->request = xstrndup(s->request, s->request_len);
    message->request_len = s->request_len;
    s->joining = true;
    session_gate(s);
    worker_post(s->connection.worker, message);
}

/* Its socket takes less than comes: lets go of the log, whose memory it would hold. */
static void fall_behind(struct session *s)
{
    struct worker *w = s->connection.worker;
    connection_log(&s->connection, LOG_DEBUG, "too far behind: gets a new snapshot when it has caught up");
    worker_limit_reached(
        w, LIMIT_LOG_SIZE,
        "a viewer is more than limits.log_size = %u bytes behind: it gets a new snapshot when "
        "it has caught up",
        w->config->limits.log_size);
    s->heard = log_cursor_position(&s->cursor);
    log_cursor_release(&s->cursor);
    s->behind = true;
    session_gate(s);
}

/* It may have read a little more than the head that was looked at. */
static bool is_too_far_behind(const struct session *s, uint32_t log_size)
{
    return !s->behind && s->cursor.chunk &&
           (int64_t)(s->group->head - log_cursor_position(&s->cursor)) > (int64_t)log_size;
}

static void wake_group(struct group *g, uint64_t now, uint32_t log_size)
{
    for (struct session *s = g->sessions; s; s = s->group_next) {
        if (!s->waiting)
            send_request_writable(s, now);
        else if (is_too_far_behind(s, log_size))
            fall_behind(s);
    }
}

void send_wake_groups(struct worker *w, uint64_t now)
{
    for (struct group *g = w->groups; g; g = g->next) {
        uint64_t head = frame_log_head(g->channel.log);
        if (head == g->head)
            continue;
        g->head = head;
        wake_group(g, now, w->config->limits.log_size);
    }
}

void send_server_list_to_all(struct worker *w)
{
    for (struct connection *c = w->newest[CONNECTION_SESSION]; c; c = c->older) {
        struct session *s = CONTAINER_OF(c, struct session, connection);
        s->send_list = s->established;
        send_request_writable(s, now_ms());
    }
}

/* ------------------ writing ------------------------------------------------------------------- */

enum piece_kind { PIECE_NONE, PIECE_FRAGMENT, PIECE_LAST, PIECE_LIST, PIECE_REFUSAL, PIECE_LOG };

static struct str frame_bytes(const struct frame *frame)
{
    return (struct str){ (const char *)frame->bytes, frame->len };
}

/* What comes next, all of it whole frames. */
static enum piece_kind next_piece(struct session *s, struct str *piece)
{
    struct worker *w = s->connection.worker;
    bool in_snapshot = s->snapshot && s->fragments_sent > 0;
    if (!in_snapshot && s->send_list && w->server_list) {
        *piece = frame_bytes(w->server_list);
        return PIECE_LIST;
    }
    if (!in_snapshot && s->refusal_count) {
        *piece = frame_bytes(w->refusals[s->refusals[0]]);
        return PIECE_REFUSAL;
    }
    if (s->snapshot && s->fragments_sent < s->snapshot->fragment_count) {
        *piece = frame_bytes(s->snapshot->fragments[s->fragments_sent]);
        return PIECE_FRAGMENT;
    }
    if (s->snapshot) {
        *piece = frame_bytes(s->last);
        return PIECE_LAST;
    }
    if (s->cursor.chunk) {
        *piece = log_cursor_peek(&s->cursor);
        return piece->len ? PIECE_LOG : PIECE_NONE;
    }
    return PIECE_NONE;
}

static void piece_sent(struct session *s, enum piece_kind kind, size_t len)
{
    switch (kind) {
    case PIECE_NONE:
        return;
    case PIECE_FRAGMENT:
        s->fragments_sent++;
        /* Nothing is read meanwhile, so no pong is: that it takes the pieces proves that it is there. */
        session_is_alive(s);
        return;
    case PIECE_LAST:
        drop_snapshot(s);
        session_gate(s);
        return;
    case PIECE_LIST:
        s->send_list = false;
        return;
    case PIECE_REFUSAL:
        s->refusal_count--;
        memmove(s->refusals, s->refusals + 1, s->refusal_count);
        session_gate(s);
        return;
    case PIECE_LOG:
        log_cursor_advance(&s->cursor, len);
        return;
    }
}

int send_on_writable(struct session *s)
{
    s->waiting = false;
    if (s->closing)
        return 0;
    size_t sent = 0;
    struct str piece;
    enum piece_kind kind;
    while ((kind = next_piece(s, &piece)) != PIECE_NONE) {
        if (sent && (sent > SEND_SLICE || lws_send_pipe_choked(s->wsi))) {
            send_request_writable(s, now_ms());
            return 0;
        }
        if (lws_write(s->wsi, (unsigned char *)piece.ptr, piece.len, LWS_WRITE_RAW) < 0)
            return -1;
        sent += piece.len;
        piece_sent(s, kind, piece.len);
    }
    if (s->behind && s->group && !s->joining)
        send_ask_for_snapshot(s);
    /* The end of the last write may be on the heap: until it has gone, the viewer counts as waiting. */
    if (lws_partial_buffered(s->wsi))
        send_request_writable(s, now_ms());
    return 0;
}
