/* Once a second: how many connections are in which state, and how far behind the slowest viewer is. */
#include "edge/session.h"

#define SURVEY_MS 1000

uint64_t session_lag(const struct session *s)
{
    if (!s->group || !s->cursor.chunk)
        return 0;
    uint64_t head = frame_log_head(s->group->channel.log), position = log_cursor_position(&s->cursor);
    return head > position ? head - position : 0; /* it may have read a little more than that head */
}

void session_survey(struct worker *w, uint64_t now)
{
    uint64_t requests = 0, sessions = 0, joined = 0, behind = 0, longest_lag = 0;
    if (now < w->survey_at_ms)
        return;
    w->survey_at_ms = now + SURVEY_MS;
    for (struct connection *c = w->newest[CONNECTION_REQUEST]; c; c = c->older)
        requests++;
    for (struct connection *c = w->newest[CONNECTION_SESSION]; c; c = c->older) {
        const struct session *s = CONTAINER_OF(c, struct session, connection);
        sessions++;
        joined += s->group != NULL;
        behind += s->behind;
        uint64_t lag = s->waiting ? session_lag(s) : 0; /* who doesn't wait has everything */
        longest_lag = lag > longest_lag ? lag : longest_lag;
    }
    count_set(&w->stats.requests, requests);
    count_set(&w->stats.sessions, sessions);
    count_set(&w->stats.joined, joined);
    count_set(&w->stats.behind, behind);
    count_set(&w->stats.longest_lag, longest_lag);
}
