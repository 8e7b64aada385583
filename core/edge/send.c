/* What goes out. See session.h for the order, and worker.h.
 *
 * When a frame log has grown, a round goes through the sessions that watch it, and sends each all that waits
 * in the log's chunk when it is its turn, in one write for however many events. Others have theirs between
 * the slices of a round.
 *
 * libwebsockets never refuses a write (it keeps what the socket doesn't take on the heap), so after the first
 * write of a turn we look whether the socket takes more, and otherwise wait for its callback; a session never
 * has more than one write on the heap. Every write ends on a frame boundary, because the library puts its
 * pongs between them.
 */
#include "edge/session.h"

#include <stdlib.h>

/* To one session, before others get their turn. */
#define SEND_SLICE (256 * 1024)
/* Sessions of a group in a row, before others get their turn. */
#define ROUND_SLICE 256

/* ------------------ groups -------------------------------------------------------------------- */

static struct group *find_group(struct worker *w, struct channel *channel)
{
    for (struct group *g = w->groups; g; g = g->next) {
        if (g->channel.server == channel->server)
            return g;
    }
    struct group *g = xcalloc(1, sizeof *g);
    g->channel = *channel;
    frame_log_ref(g->channel.log);
    g->frames = frame_log_frames(g->channel.log);
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
    probe_drop(s->connection.worker, s);
    drop_snapshot(s);
    log_cursor_release(&s->cursor);
    s->behind = s->refreshing = false;
    if (!g)
        return;
    if (g->turn == s)
        g->turn = s->group_next;
    *s->group_at = s->group_next;
    if (s->group_next)
        s->group_next->group_at = s->group_at;
    s->group = NULL;
    struct to_core *message = xcalloc(1, sizeof *message);
    message->kind = CORE_LEAVE;
    message->channel.server = g->channel.server;
    message->channel.log = frame_log_ref(g->channel.log);
    message->login = s->login;
    s->login = NULL;
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
    s->refreshing = true;
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
    probe_drop(w, s);
    session_gate(s);
}

/* It may have read a little more than the head that was looked at. */
static bool is_too_far_behind(const struct session *s, uint32_t log_size)
{
    return !s->behind && s->cursor.chunk &&
           (int64_t)(s->group->head - log_cursor_position(&s->cursor)) > (int64_t)log_size;
}

/* Writes at once. Asking libwebsockets for a callback first would cost four system calls more per viewer and
 * event: each change of what it waits for takes the socket out of the kernel's list and puts it back. */
static void take_turn(struct worker *w, struct session *s, uint64_t now)
{
    if (s->waiting) {
        if (is_too_far_behind(s, w->config->limits.log_size))
            fall_behind(s);
    } else if (s->established && !s->closing && send_on_writable(s) < 0) {
        send_request_writable(s, now); /* it fails once more in the library's callback, and is closed there */
    }
}

static void begin_round(struct worker *w, struct group *g, uint64_t head)
{
    uint64_t frames = frame_log_frames(g->channel.log);
    count_add(&w->stats.sent_frames, (frames - g->frames) * g->count);
    g->frames = frames;
    g->head = head;
    g->turn = g->sessions;
    g->picked = probe_pick(w, g);
}

/* A slice of the round. True: it isn't at its end. */
static bool go_round(struct worker *w, struct group *g, uint64_t now)
{
    struct session *s;
    for (unsigned left = ROUND_SLICE; (s = g->turn) && left; left--) {
        g->turn = s->group_next;
        if (g->picked-- == 0)
            probe_begin(w, s);
        take_turn(w, s, now);
    }
    return g->turn;
}

bool send_round(struct worker *w, uint64_t now)
{
    bool more = false;
    for (struct group *g = w->groups; g; g = g->next) {
        uint64_t head = frame_log_head(g->channel.log);
        if (!g->turn && head != g->head)
            begin_round(w, g, head);
        more |= go_round(w, g, now) || frame_log_head(g->channel.log) != g->head;
    }
    return more;
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

enum piece_kind { PIECE_NONE, PIECE_PING, PIECE_FRAGMENT, PIECE_LAST, PIECE_LIST, PIECE_REFUSAL, PIECE_LOG };

static struct str frame_bytes(const struct frame *frame)
{
    return (struct str){ (const char *)frame->bytes, frame->len };
}

/* What comes next, all of it whole frames. */
static enum piece_kind next_piece(struct session *s, struct str *piece)
{
    struct worker *w = s->connection.worker;
    bool in_snapshot = s->snapshot && s->fragments_sent > 0;
    if (s->send_ping) {
        *piece = STR("\x89\x01?"); /* with a payload: libwebsockets keeps an empty pong to itself */
        return PIECE_PING;
    }
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
    if (!s->cursor.chunk)
        return PIECE_NONE;
    *piece = log_cursor_peek(&s->cursor);
    /* Only now, having seen what there is: see login_has_ended(). */
    return piece->len && !session_has_lost_login(s) ? PIECE_LOG : PIECE_NONE;
}

static void piece_sent(struct session *s, enum piece_kind kind, size_t len)
{
    switch (kind) {
    case PIECE_NONE:
        return;
    case PIECE_PING:
        s->send_ping = false;
        return;
    case PIECE_FRAGMENT:
        s->fragments_sent++;
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

/* As much as the socket takes. `sent`: bytes. */
static int write_pieces(struct session *s, size_t *sent)
{
    struct str piece;
    enum piece_kind kind;
    while ((kind = next_piece(s, &piece)) != PIECE_NONE) {
        if (*sent && (*sent > SEND_SLICE || lws_send_pipe_choked(s->wsi))) {
            send_request_writable(s, now_ms());
            return 0;
        }
        if (lws_write(s->wsi, (unsigned char *)piece.ptr, piece.len, LWS_WRITE_RAW) < 0)
            return -1;
        *sent += piece.len;
        piece_sent(s, kind, piece.len);
    }
    if (s->behind && s->group && !s->asked && !s->refreshing && !session_has_lost_login(s))
        send_ask_for_snapshot(s);
    /* The end of the last write may be on the heap: until it has gone, the viewer counts as waiting. */
    if (lws_partial_buffered(s->wsi))
        send_request_writable(s, now_ms());
    return 0;
}

int send_on_writable(struct session *s)
{
    struct worker *w = s->connection.worker;
    size_t sent = 0;
    s->waiting = false;
    if (s->closing)
        return 0;
    int result = write_pieces(s, &sent);
    count_add(&w->stats.sent_bytes, sent);
    if (s == w->probe.session)
        probe_written(w);
    return result;
}
