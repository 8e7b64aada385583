/* What viewers are shown: changes become frames, a joiner gets a ticket. See core.h.
 *
 * Each thing is serialised once and appended to the server's frame log. A snapshot is shared by those who
 * join within a tenth of a second: it keeps a place in the log (the pin) from which the joiner is brought up
 * to date. Who joins where it is already would hear again what came after the pin, so it waits for a newer
 * one.
 */
#include "app/feed.h"

/* Joiners may share a snapshot that is this old, and a large one longer: making them, and the memory of those
 * that slow viewers still hold, are bounded in bytes a second. */
#define SNAPSHOT_MAX_AGE_MS 100
#define SNAPSHOT_BYTES_PER_MS 4096

void show_forget_snapshot(struct server *server)
{
    snapshot_unref(server->snapshot);
    server->snapshot = NULL;
    log_cursor_release(&server->pin);
}

static bool snapshot_too_old(const struct core *core, const struct server *server)
{
    uint64_t most_ms = snapshot_bytes(server->snapshot) / SNAPSHOT_BYTES_PER_MS;
    if (now_ms() - server->snapshot_ms > (most_ms > SNAPSHOT_MAX_AGE_MS ? most_ms : SNAPSHOT_MAX_AGE_MS))
        return true;
    /* Who joins must not begin far behind. */
    return server->pin.chunk && frame_log_head(server->channel.log) - log_cursor_position(&server->pin) >
                                    core->config->limits.log_size / 2;
}

static void append_frame(struct core *core, struct server *server, struct str payload, bool changes_snapshot)
{
    if (!server->viewers) { /* who waits starts with a snapshot, and not with one from before */
        if (changes_snapshot)
            show_forget_snapshot(server);
        return;
    }
    bool pinned = server->pin.chunk != NULL;
    if (server->snapshot && (pinned || changes_snapshot)) {
        /* A pin holds the log from its place on: not for longer than the snapshot may be used. */
        if (snapshot_too_old(core, server))
            show_forget_snapshot(server);
        else if (!pinned)
            server->pin = frame_log_cursor(server->channel.log);
    }
    if (frame_log_append(server->channel.log, payload) < 0) {
        core_log(core, LOG_WARN, "a frame of %zu bytes is too large and was left out", payload.len);
        return;
    }
    core->appended = true;
    feed_frame(core, payload);
    if (core->emitted_ns >= server->marked_ns + MARK_INTERVAL_NS) {
        server->marked_ns = core->emitted_ns;
        frame_log_mark(server->channel.log, core->emitted_ns);
    }
}

/* {"type":"<type>","server":"<discord id>","data":{ in the scratch buffer. */
static struct text_buffer *begin_frame(struct core *core, const struct server *server, const char *type)
{
    struct text_buffer *b = &core->scratch;
    b->len = 0;
    text_appendf(b, "{\"type\":\"%s\",\"server\":", type);
    text_append_json(b, server->discord_id);
    text_append_literal(b, ",\"data\":{");
    return b;
}

static void end_frame(struct core *core, struct server *server, bool changes_snapshot)
{
    struct text_buffer *b = &core->scratch;
    text_append_literal(b, "}}");
    append_frame(core, server, (struct str){ b->ptr, b->len }, changes_snapshot);
}

#define append_member(b, name, value)                                                                        \
    (text_append_literal((b), "\"" name "\":"), text_append_json((b), (value)))
#define append_next(b, name, value) (text_append_literal((b), ","), append_member((b), name, (value)))

void show_presence(void *arg, const struct roster_change *change)
{
    const struct show_to *to = arg;
    const struct roster_user *user = change->user;
    struct text_buffer *b = begin_frame(to->core, to->server, "presence");
    append_member(b, "uid", user->uid);
    text_appendf(b, ",\"status\":\"%s\"", status_name(change->gone ? DBACK_STATUS_OFFLINE : user->status));
    if (change->gone) {
        text_append_literal(b, ",\"delete\":true");
    } else {
        if (change->with_username)
            append_next(b, "username", user->username);
        if (change->with_role_color)
            append_next(b, "roleColor", user->role_color);
    }
    end_frame(to->core, to->server, true);
}

void show_message(struct core *core, struct server *server, const struct world_event *event)
{
    struct text_buffer *b = begin_frame(core, server, "message");
    append_member(b, "uid", event->user.uid);
    append_next(b, "message", event->text);
    append_next(b, "channel", event->channel);
    end_frame(core, server, false);
}

void show_client_id(struct core *core, struct server *server)
{
    struct text_buffer *b = begin_frame(core, server, "update-clientid");
    append_member(b, "clientId", server->client_id);
    end_frame(core, server, false);
}

/* Has the roster moved on from the snapshot? */
static bool is_stale(const struct server *server)
{
    return server->snapshot && server->snapshot->version != roster_version(server->roster);
}

/* The cursor that goes with the snapshot: what it doesn't show comes from there on. */
static struct log_cursor snapshot_cursor(struct server *server)
{
    return is_stale(server) && server->pin.chunk ? log_cursor_copy(&server->pin)
                                                 : frame_log_cursor(server->channel.log);
}

bool show_has_snapshot_for(struct core *core, struct server *server, uint64_t heard)
{
    return !is_stale(server) || snapshot_too_old(core, server) || !server->pin.chunk ||
           log_cursor_position(&server->pin) >= heard;
}

struct snapshot *show_snapshot(struct core *core, struct server *server)
{
    if (is_stale(server) && snapshot_too_old(core, server))
        show_forget_snapshot(server);
    if (!server->snapshot) {
        core->counts.snapshots++;
        server->snapshot = snapshot_create(server->roster);
        server->snapshot_ms = now_ms();
    }
    return server->snapshot;
}

void show_ticket(struct core *core, struct server *server, struct str request, struct to_edge *ticket)
{
    struct snapshot *snapshot = show_snapshot(core, server);
    struct text_buffer *b = &core->scratch;
    b->len = 0;
    text_append_literal(b, ",\"request\":");
    text_append_str(b, request);
    append_next(b, "serverName", server->name);
    if (server->client_id.len)
        append_next(b, "clientId", server->client_id);
    text_append_literal(b, "}}");
    ticket->snapshot = snapshot_ref(snapshot);
    ticket->last = snapshot_last_frame(snapshot, (struct str){ b->ptr, b->len });
    ticket->cursor = snapshot_cursor(server);
    ticket->channel = server->channel;
    frame_log_ref(ticket->channel.log);
}
