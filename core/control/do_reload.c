/* POST /v1/reload: as SIGHUP does, but with an answer: when it is through, or why nothing was changed. */
#include "control/requests.h"

#include "control/body.h"
#include "control/json.h"

#include <stdlib.h>

/* [any] */
static void on_reloaded(void *arg, const char *err, const char *summary)
{
    struct inquiry *inquiry = arg;
    struct json json = { .out = &inquiry->text };
    if (err) { /* a sentence, or a line for each mistake, as many as there are */
        struct str why = str_trim(str_of(err));
        text_append_literal(&inquiry->text, "nothing was changed: ");
        text_append_str(&inquiry->text, why);
        inquiry->status = 409;
        inquiry_answer(inquiry);
        return;
    }
    json_open(&json, NULL, '{');
    json_text(&json, "summary", str_of(summary));
    json_close(&json, '}');
    text_append_literal(&inquiry->text, "\n");
    inquiry->status = 200;
    inquiry_answer(inquiry);
}

void do_reload(struct exchange *x)
{
    json_t *body;
    if (!body_read(x, NULL, 0, &body))
        return;
    json_decref(body);
    struct inquiry *inquiry = xcalloc(1, sizeof *inquiry);
    inquiry_expect(x, inquiry, 0); /* the providers' own deadlines end it */
    if (!control_reload(x->control, on_reloaded, inquiry))
        inquiry_refuse(inquiry, 503, "d-back is stopping; nothing was changed");
}
