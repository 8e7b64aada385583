/* See session.h: the callbacks of libwebsockets, what comes in, how a session ends. */
#include "edge/session.h"

#include "edge/handle_connect.h"

#include <poll.h>
#include <stdlib.h>

#define CLOSE_TRY_AGAIN_LATER 1013 /* libwebsockets has no name for it */
/* For a rest to be flushed before a close frame. libwebsockets then gives the peer 5 s for its own. */
#define CLOSE_TIMEOUT_S 5
/* How often it is looked whether those who aren't read are still there. */
#define DEAF_LOOK_MS 1000
#define MEBIBYTE 1048576u

/* ------------------ the end ------------------------------------------------------------------- */

static void free_session(struct session *s)
{
    connection_log(&s->connection, s->established ? LOG_INFO : LOG_DEBUG, "viewer left");
    if (s->asked)
        connection_forget(&s->connection);
    send_leave_group(s);
    connection_close(&s->connection);
    text_finish(&s->message);
    free(s->request);
    free(s->asked);
    free(s);
}

/* libwebsockets has a rest of the last write: told to close now, it would flush that and send no close frame.
 */
static bool has_rest(const struct session *s)
{
    return lws_partial_buffered(s->wsi);
}

static void decide_to_close(struct session *s, unsigned code, const char *reason)
{
    connection_log(&s->connection, LOG_INFO, "closing %u: %s", code, reason);
    s->closing = true;
    s->close_code = (uint16_t)code;
    s->close_reason = reason;
    lws_rx_flow_control(s->wsi, 1); /* to hear the peer's close frame */
    lws_set_timeout(s->wsi, PENDING_TIMEOUT_USER_REASON_BASE, CLOSE_TIMEOUT_S);
}

static void set_reason(struct session *s)
{
    s->close_begun = true;
    lws_close_reason(s->wsi, (enum lws_close_status)s->close_code, (unsigned char *)s->close_reason,
                     strlen(s->close_reason));
}

/* From within RECEIVE: return what this returns. (From within WRITEABLE it doesn't work: there Debian's
 * libwebsockets closes twice, and the second time without the frame.) */
static int close_now(struct session *s, unsigned code, const char *reason)
{
    decide_to_close(s, code, reason);
    if (has_rest(s))
        return 0; /* the tick comes back to it */
    set_reason(s);
    return -1;
}

/* Without a word, from outside of the callbacks: nobody is there to hear it. The session is gone afterwards.
 */
static void end_at_once(struct session *s)
{
    lws_set_timeout(s->wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_SYNC);
}

/* From outside of the callbacks. The session may be gone afterwards. */
static void begin_close(struct session *s)
{
    if (has_rest(s))
        return;
    set_reason(s);
    /* With a reason set this sends the close frame and waits for the peer's. */
    lws_set_timeout(s->wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_SYNC);
}

void session_close(struct connection *connection, unsigned code, const char *reason)
{
    struct session *s = CONTAINER_OF(connection, struct session, connection);
    if (s->closing || !s->established)
        return;
    decide_to_close(s, code, reason);
    begin_close(s);
}

/* ------------------ the way in ---------------------------------------------------------------- */

void session_open(struct connection *request, int fd, struct str bytes)
{
    struct worker *w = request->worker;
    struct session *s = xcalloc(1, sizeof *s);
    s->connection.kind = CONNECTION_SESSION;
    connection_replace(request, &s->connection);
    w->adopting = s;
    lws_adopt_socket_vhost_readbuf(w->vhost, fd, bytes.ptr, bytes.len);
    /* Whatever became of it, an attached session is freed by the callback. */
    if (w->adopting == s) {
        w->adopting = NULL;
        free_session(s);
        worker_limit_reached(w, LIMIT_OPEN_FILES, "libwebsockets takes no more connections");
    }
}

static void attach(struct lws *wsi)
{
    struct worker *w = lws_context_user(lws_get_context(wsi));
    struct session *s = w->adopting;
    if (!s)
        return;
    w->adopting = NULL;
    s->wsi = wsi;
    lws_set_opaque_user_data(wsi, s);
}

static void on_established(struct session *s)
{
    s->established = true;
    s->alive_ms = now_ms();
    s->send_list = true;
    connection_log(&s->connection, LOG_DEBUG, "session begins");
    send_request_writable(s, now_ms());
}

/* ------------------ what comes in ------------------------------------------------------------- */

static void show_life(struct session *s)
{
    s->alive_ms = now_ms();
    s->pinged_ms = 0;
}

void session_gate(struct session *s)
{
    bool deaf = s->asked || s->refreshing || s->snapshot || s->behind || s->refusal_count == REFUSALS_MAX ||
                s->paced_until_ms;
    if (deaf == s->deaf || s->closing)
        return;
    s->deaf = deaf;
    show_life(s); /* nothing was heard of it meanwhile, whatever it sent */
    lws_rx_flow_control(s->wsi, !deaf);
}

static void refuse(struct session *s, enum refusal refusal)
{
    if (s->closing)
        return;
    count_add(&s->connection.worker->stats.refused[refusal], 1);
    if (s->refusal_count < REFUSALS_MAX)
        s->refusals[s->refusal_count++] = (uint8_t)refusal;
    session_gate(s);
    send_request_writable(s, now_ms());
}

void session_refuse(struct connection *connection, enum refusal refusal)
{
    struct session *s = CONTAINER_OF(connection, struct session, connection);
    free(s->asked);
    s->asked = NULL;
    refuse(s, refusal);
}

bool session_has_lost_login(const struct session *s)
{
    return s->login && login_has_ended(s->login);
}

/* Unless it is in the middle of a snapshot, which may not be interrupted: then the tick comes back to it. */
static void show_out(struct session *s)
{
    if (s->closing || (s->snapshot && s->fragments_sent > 0))
        return;
    send_leave_group(s);
    refuse(s, REFUSE_LOGIN_FAILED);
}

void session_login_ended(struct connection *connection, const struct login *login)
{
    struct session *s = CONTAINER_OF(connection, struct session, connection);
    if (s->login == login)
        show_out(s);
}

void session_login_denied(struct connection *c)
{
    struct worker *w = c->worker;
    uint32_t most = w->config->limits.failed_logins_per_address;
    if (!addresses_login_denied(w->shared->addresses, c->address, most, now_ms()))
        return;
    char peer[PEER_TEXT_SIZE];
    peer_write(&c->peer, peer);
    worker_limit_reached(w, LIMIT_FAILED_LOGINS,
                         "limits.failed_logins_per_address = %u in a minute reached by %s: its logins are "
                         "refused unseen for a while",
                         most, peer);
}

static void ask_to_join(struct session *s, struct to_core *join)
{
    struct worker *w = s->connection.worker;
    char peer[PEER_TEXT_SIZE];
    peer_write(&s->connection.peer, peer);
    join->kind = CORE_JOIN;
    join->viewer = connection_ref(&s->connection);
    join->peer = xstrdup(peer);
    join->locked_out = addresses_locked_out(w->shared->addresses, s->connection.address,
                                            w->config->limits.failed_logins_per_address, now_ms());
    free(s->asked);
    s->asked = xstrndup(join->request, join->request_len);
    s->asked_len = join->request_len;
    session_gate(s);
    worker_post(w, join);
}

/* A message was read: the next one is when the limits allow it. */
static void pace(struct session *s, bool is_join)
{
    struct worker *w = s->connection.worker;
    uint64_t now = now_ms();
    uint32_t frames = w->config->limits.frames_per_viewer, joins = w->config->limits.joins_per_viewer;
    uint64_t wait_ms = rate_charge(&s->frames, frames, 1000, now);
    uint64_t join_wait_ms = is_join ? rate_charge(&s->joins, joins, 1000, now) : 0;
    if (wait_ms)
        worker_limit_reached(w, LIMIT_FRAMES_PER_VIEWER,
                             "a viewer sends more than limits.frames_per_viewer = %u a second: it is read at "
                             "that pace",
                             frames);
    if (join_wait_ms)
        worker_limit_reached(
            w, LIMIT_JOINS_PER_VIEWER,
            "a viewer joins more than limits.joins_per_viewer = %u times a second: it is read "
            "at that pace",
            joins);
    wait_ms = wait_ms > join_wait_ms ? wait_ms : join_wait_ms;
    if (!wait_ms)
        return;
    s->paced_until_ms = now + wait_ms;
    session_gate(s);
}

static int on_message(struct session *s, struct str text)
{
    show_life(s);
    enum refusal refusal = REFUSE_INVALID_BINARY;
    if (!utf8_valid(text.ptr, text.len)) {
        if (!s->binary)
            return close_now(s, LWS_CLOSE_STATUS_INVALID_PAYLOAD, "a text frame must be UTF-8");
        session_refuse(&s->connection, refusal);
        return 0;
    }
    struct to_core *join = xcalloc(1, sizeof *join);
    bool good = handle_connect(text, join, &refusal);
    pace(s, good);
    if (good) {
        ask_to_join(s, join);
    } else {
        to_core_free(join);
        session_refuse(&s->connection, refusal);
    }
    return 0;
}

static int on_receive(struct session *s, const char *bytes, size_t len)
{
    if (s->closing)
        return 0;
    if (!s->receiving) {
        s->receiving = true;
        s->binary = lws_frame_is_binary(s->wsi);
    }
    struct worker *w = s->connection.worker;
    if (s->message.len + len > w->config->limits.frame_size) {
        worker_limit_reached(w, LIMIT_FRAME_SIZE, "a viewer's message is larger than limits.frame_size = %u",
                             w->config->limits.frame_size);
        /* By the tick: told to close in the middle of a frame, the library loses its place in what comes, and
         * waits in vain for the peer's close frame. */
        decide_to_close(s, LWS_CLOSE_STATUS_MESSAGE_TOO_LARGE,
                        "the message is larger than this server takes");
        return 0;
    }
    bool complete = lws_is_final_fragment(s->wsi) && !lws_remaining_packet_payload(s->wsi);
    if (!complete) {
        text_append(&s->message, bytes, len);
        return 0;
    }
    s->receiving = false;
    if (!s->message.len)
        return on_message(s, (struct str){ bytes, len });
    text_append(&s->message, bytes, len);
    struct text_buffer whole = s->message;
    s->message = (struct text_buffer){ 0 };
    int result = on_message(s, (struct str){ whole.ptr, whole.len });
    text_finish(&whole);
    return result;
}

/* The library would echo whatever a close frame holds. */
static int on_peer_close(struct session *s, const unsigned char *payload, size_t len)
{
    unsigned code = len >= 2 ? (unsigned)payload[0] << 8 | payload[1] : 1000;
    if (s->closing)
        return 0;
    if (len == 1 || code < 1000 || code >= 5000)
        return close_now(s, LWS_CLOSE_STATUS_PROTOCOL_ERR, "a close frame without a good code");
    if (len > 2 && !utf8_valid(payload + 2, len - 2))
        return close_now(s, LWS_CLOSE_STATUS_INVALID_PAYLOAD, "a close frame's reason must be UTF-8");
    s->closing = s->close_begun = true; /* the library answers; nothing more is sent */
    lws_set_timeout(s->wsi, PENDING_TIMEOUT_USER_REASON_BASE, CLOSE_TIMEOUT_S);
    return 0;
}

/* ------------------ tickets ------------------------------------------------------------------- */

static void take_snapshot(struct session *s, struct to_edge *ticket)
{
    log_cursor_release(&s->cursor);
    s->cursor = ticket->cursor;
    s->snapshot = ticket->snapshot;
    s->last = ticket->last;
    s->fragments_sent = 0;
    s->snapshot_since_ms = now_ms();
    s->behind = false;
    ticket->cursor = (struct log_cursor){ 0 };
    ticket->snapshot = NULL;
    ticket->last = NULL;
}

/* Up to where in the log of the ticket's server it has been sent what happened. */
static uint64_t heard_of(const struct session *s, const struct to_edge *ticket)
{
    if (!s->group || s->group->channel.server != ticket->channel.server)
        return 0;
    return s->cursor.chunk ? log_cursor_position(&s->cursor) : s->heard;
}

void session_ticket(struct connection *connection, struct to_edge *ticket)
{
    struct session *s = CONTAINER_OF(connection, struct session, connection);
    uint64_t heard = heard_of(s, ticket);
    if (ticket->again) {
        if (!s->refreshing || s->group->channel.server != ticket->channel.server)
            return; /* it was shown out meanwhile */
        s->refreshing = false;
    } else {
        send_leave_group(s);
        send_join_group(s, &ticket->channel);
        s->login = ticket->login;
        free(s->request);
        s->request = s->asked;
        s->request_len = s->asked_len;
        s->asked = NULL;
    }
    if (log_cursor_position(&ticket->cursor) < heard) {
        /* It joins where it is already, and the snapshot, shared with others, is older than that. */
        s->heard = heard;
        s->behind = true;
        send_ask_for_snapshot(s);
        return;
    }
    take_snapshot(s, ticket);
    session_gate(s);
    send_request_writable(s, now_ms());
}

/* ------------------ time ---------------------------------------------------------------------- */

/* Nothing of it is read, so its end isn't noticed by libwebsockets. */
static bool has_left_unheard(const struct session *s)
{
    struct pollfd look = { .fd = lws_get_socket_fd(s->wsi), .events = POLLRDHUP };
    return poll(&look, 1, 0) > 0;
}

static void look_for_departed(struct worker *worker, uint64_t now)
{
    if (now < worker->deaf_look_ms)
        return;
    worker->deaf_look_ms = now + DEAF_LOOK_MS;
    struct connection *older;
    for (struct connection *c = worker->newest[CONNECTION_SESSION]; c; c = older) {
        older = c->older;
        struct session *s = CONTAINER_OF(c, struct session, connection);
        if (s->deaf && !s->closing && has_left_unheard(s))
            end_at_once(s);
    }
}

/* With something waiting for it, it takes nothing, or a snapshot too slowly: who drips holds the memory of
 * one that nobody else needs any more. */
static bool is_stuck(const struct session *s, uint64_t now, uint64_t timeout_ms)
{
    if (s->waiting && now > s->waiting_since_ms + timeout_ms)
        return true;
    if (!s->snapshot)
        return false;
    return now > s->snapshot_since_ms + timeout_ms + timeout_ms * snapshot_bytes(s->snapshot) / MEBIBYTE;
}

/* Silent for long, it is pinged; true: and has not answered. The silence of one that isn't read says nothing,
 * and other limits end it. */
static bool is_lost(struct session *s, uint64_t now, uint64_t ping_ms, uint64_t pong_ms)
{
    if (!ping_ms || !s->established || s->deaf || now < s->alive_ms + ping_ms)
        return false;
    if (s->pinged_ms)
        return now > s->pinged_ms + pong_ms;
    s->pinged_ms = now;
    s->send_ping = true;
    send_request_writable(s, now);
    return false;
}

static void check(struct session *s, uint64_t now)
{
    struct worker *w = s->connection.worker;
    const struct config *config = w->config;
    if (s->paced_until_ms && now >= s->paced_until_ms) {
        s->paced_until_ms = 0;
        session_gate(s);
    }
    if (session_has_lost_login(s))
        show_out(s);
    if (s->closing) {
        if (!s->close_begun)
            begin_close(s);
    } else if (is_stuck(s, now, config->limits.slow_client_timeout_ms)) {
        worker_limit_reached(w, LIMIT_SLOW_CLIENT_TIMEOUT,
                             "a viewer read too slowly for limits.slow_client_timeout_ms = %u",
                             config->limits.slow_client_timeout_ms);
        session_close(&s->connection, CLOSE_TRY_AGAIN_LATER, "it reads too slowly");
    } else if (is_lost(s, now, config->limits.ping_interval * 1000ull, config->limits.pong_timeout_ms)) {
        worker_limit_reached(
            w, LIMIT_PING_INTERVAL,
            "a viewer was silent for limits.ping_interval = %u s and answered no ping within "
            "limits.pong_timeout_ms = %u: closed",
            config->limits.ping_interval, config->limits.pong_timeout_ms);
        end_at_once(s);
    }
}

void session_tick(struct worker *worker, uint64_t now)
{
    struct connection *older;
    look_for_departed(worker, now);
    for (struct connection *c = worker->newest[CONNECTION_SESSION]; c; c = older) {
        older = c->older;
        check(CONTAINER_OF(c, struct session, connection), now);
    }
}

/* ------------------ libwebsockets ------------------------------------------------------------- */

int session_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
    (void)user;
    struct session *s = lws_get_opaque_user_data(wsi);
    switch ((int)reason) {
    case LWS_CALLBACK_SERVER_NEW_CLIENT_INSTANTIATED:
        attach(wsi);
        return 0;
    case LWS_CALLBACK_ESTABLISHED:
        if (!s)
            return -1;
        on_established(s);
        return 0;
    case LWS_CALLBACK_RECEIVE:
        return s ? on_receive(s, in, len) : -1;
    case LWS_CALLBACK_RECEIVE_PONG:
        if (s)
            show_life(s);
        return 0;
    case LWS_CALLBACK_SERVER_WRITEABLE:
        return s ? send_on_writable(s) : -1;
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
        return s ? on_peer_close(s, in, len) : 0;
    case LWS_CALLBACK_WS_SERVER_DROP_PROTOCOL:
        if (s) /* by libwebsockets itself, or by the peer */
            s->closing = s->close_begun = true;
        return 0;
    case LWS_CALLBACK_WSI_DESTROY:
        if (s) {
            lws_set_opaque_user_data(wsi, NULL);
            free_session(s);
        }
        return 0;
    case LWS_CALLBACK_HTTP: /* a plain request never gets here */
        return -1;
    default:
        return 0;
    }
}
