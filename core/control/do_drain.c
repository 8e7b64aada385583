/* POST /v1/drain: nobody new is let in, whoever is here stays; `/readyz` turns to 503, so that a load
 * balancer sends viewers elsewhere. Taken back with {"draining": false}. */
#include "control/requests.h"

#include "app/feed.h"
#include "control/body.h"
#include "control/json.h"
#include "edge/edge.h"

#include <stdlib.h>

struct drain_inquiry {
    struct inquiry base;
    bool draining;
};

/* [core] */
static void ask_drain(struct core *core, struct inquiry *base)
{
    bool draining = CONTAINER_OF(base, struct drain_inquiry, base)->draining;
    struct json json = { .out = &base->text };
    edge_set_draining(base->control->edge, draining);
    feed_note(core, "drain", draining ? STR(",\"draining\":true") : STR(",\"draining\":false"));
    json_open(&json, NULL, '{');
    json_flag(&json, "draining", draining);
    json_count(&json, "viewers", core->viewers);
    json_close(&json, '}');
    text_append_literal(&base->text, "\n");
    base->status = 200;
    inquiry_answer(base);
}

void do_drain(struct exchange *x)
{
    struct member member = { "draining", MEMBER_FLAG, false, NULL };
    json_t *body;
    if (!body_read(x, &member, 1, &body))
        return;
    struct drain_inquiry *inquiry = xcalloc(1, sizeof *inquiry);
    inquiry->base.ask = ask_drain;
    inquiry->draining = member_flag(&member, true);
    json_decref(body);
    inquiry_ask(x, &inquiry->base, ANSWER_DEADLINE_MS);
}
