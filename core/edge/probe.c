/* See probe.h. */
#include "edge/probe.h"

#include "edge/session.h"

/* From then on it counts as longer than everything, and another one gets its turn. */
#define PATIENCE_NS 10000000000u

/* splitmix64 */
static uint64_t roll(struct probe *probe)
{
    uint64_t z = probe->random += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

size_t probe_pick(struct worker *w, struct group *group)
{
    struct log_mark mark;
    if (w->probe.session || !frame_log_marked(group->channel.log, &mark) || mark.position <= group->marked)
        return SIZE_MAX;
    group->marked = mark.position;
    w->probe.position = mark.position;
    w->probe.emitted_ns = mark.emitted_ns;
    return roll(&w->probe) % group->count;
}

void probe_begin(struct worker *w, struct session *session)
{
    /* One that is being sent a snapshot isn't waiting for the event, nor is one that has let go of the log.
     */
    if (session->closing || session->snapshot || !session->cursor.chunk)
        return;
    w->probe.session = session;
}

static void conclude(struct worker *w)
{
    uint64_t now = now_ns(), since = w->probe.emitted_ns;
    histogram_add(&w->stats.fan_out, now > since ? now - since : 0);
    w->probe.session = NULL;
}

void probe_written(struct worker *w)
{
    struct session *s = w->probe.session;
    if (s->cursor.chunk && log_cursor_position(&s->cursor) < w->probe.position)
        return;
    if (!lws_partial_buffered(s->wsi))
        conclude(w);
}

void probe_drop(struct worker *w, const struct session *session)
{
    if (w->probe.session == session)
        w->probe.session = NULL;
}

void probe_tick(struct worker *w)
{
    if (w->probe.session && now_ns() - w->probe.emitted_ns > PATIENCE_NS)
        conclude(w);
}
