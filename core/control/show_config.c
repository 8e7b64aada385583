/* GET /v1/config: what is in effect, where it comes from, and what only waits for a restart. */
#include "control/requests.h"

#include "app/core.h"

#include <stdlib.h>

struct config_inquiry {
    struct inquiry base;
    struct config *config;
};

/* [core] */
static void ask_config(struct core *core, struct inquiry *base)
{
    CONTAINER_OF(base, struct config_inquiry, base)->config = config_ref(core->config);
    base->status = 200;
    inquiry_answer(base);
}

static void on_config(struct exchange *x, struct inquiry *base)
{
    struct text_buffer text = { 0 };
    config_show(CONTAINER_OF(base, struct config_inquiry, base)->config, x->control->config, &text);
    text_append_literal(&text, "\n");
    exchange_answer(x, 200, "application/json", &text);
}

static void destroy(struct inquiry *base)
{
    struct config_inquiry *inquiry = CONTAINER_OF(base, struct config_inquiry, base);
    config_unref(inquiry->config);
    free(inquiry);
}

void show_config(struct exchange *x)
{
    struct config_inquiry *inquiry = xcalloc(1, sizeof *inquiry);
    inquiry->base.ask = ask_config;
    inquiry->base.answered = on_config;
    inquiry->base.destroy = destroy;
    inquiry_ask(x, &inquiry->base, ANSWER_DEADLINE_MS);
}
