/* POST /v1/providers/{name}/swap: another instance of a provider, of another plugin or with other options.
 *
 * It is a swap like that of a reload, so until the new one has answered for everything that is being watched
 * the old one serves. What it was changed to holds until the next reload or restart: d-back.cfg isn't written
 * to.
 */
#include "control/requests.h"

#include "app/core.h"
#include "control/body.h"
#include "control/json.h"

#include <errno.h>
#include <stdlib.h>

struct swap_inquiry {
    struct inquiry base;
    char *name, *plugin, *options;
    bool reset_options;
    uint64_t since_ms;
};

/* [core] */
static void on_swapped(struct core *core, void *arg, const char *err, const char *summary)
{
    struct swap_inquiry *inquiry = arg;
    struct json json = { .out = &inquiry->base.text };
    if (err) {
        log_room(core->log, LOG_ERROR, "control", "swap of provider \"%s\" refused: %s; nothing was changed",
                 inquiry->name, err);
        inquiry_refuse(&inquiry->base, 409, "%s; nothing was changed", err);
        return;
    }
    log_room(core->log, LOG_INFO, "control", "swap of provider \"%s\" done: %s", inquiry->name, summary);
    json_open(&json, NULL, '{');
    json_text(&json, "summary", str_of(summary));
    json_seconds(&json, "seconds", (double)(now_ms() - inquiry->since_ms) / 1e3);
    json_close(&json, '}');
    text_append_literal(&inquiry->base.text, "\n");
    inquiry->base.status = 200;
    inquiry_answer(&inquiry->base);
}

/* One that an embedding program registered can only be started anew: nobody else knows what it is. [core] */
static bool is_registered(const struct core *core, const char *name)
{
    for (size_t i = 0; i < core->registered_count; i++)
        if (strcmp(core->registered[i].name, name) == 0)
            return true;
    return false;
}

/* [core] */
static void ask_swap(struct core *core, struct inquiry *base)
{
    struct swap_inquiry *inquiry = CONTAINER_OF(base, struct swap_inquiry, base);
    bool changes = inquiry->plugin || inquiry->options || inquiry->reset_options;
    struct config *config = NULL;
    char err[ERR_SIZE];
    if (core->swap || core->phase != CORE_SERVING) {
        inquiry_refuse(base, 409, "the providers are being changed just now; try again when that is through");
        return;
    }
    if (is_registered(core, inquiry->name)) {
        if (changes)
            inquiry_refuse(base, 409,
                           "the provider \"%s\" is part of the program that runs d-back: it can be started "
                           "anew, but not changed",
                           inquiry->name);
        else
            swap_begin_renewing(core, config_ref(core->config), inquiry->name, on_swapped, inquiry);
        return;
    }
    int code = config_change_provider(&config, core->config,
                                      &(struct config_change){ .name = inquiry->name,
                                                               .plugin = inquiry->plugin,
                                                               .options = inquiry->options,
                                                               .reset_options = inquiry->reset_options },
                                      err);
    if (code < 0)
        inquiry_refuse(base, code == -ESRCH ? 404 : 400, "%s", err);
    else
        swap_begin_renewing(core, config, inquiry->name, on_swapped, inquiry);
}

static void destroy(struct inquiry *base)
{
    struct swap_inquiry *inquiry = CONTAINER_OF(base, struct swap_inquiry, base);
    free(inquiry->name);
    free(inquiry->plugin);
    free(inquiry->options);
    free(inquiry);
}

void do_swap(struct exchange *x)
{
    enum { PLUGIN, OPTIONS, RESET, COUNT };
    struct member members[COUNT] = { [PLUGIN] = { "plugin", MEMBER_TEXT, false, NULL },
                                     [OPTIONS] = { "options", MEMBER_OBJECT, false, NULL },
                                     [RESET] = { "resetOptions", MEMBER_FLAG, false, NULL } };
    json_t *body;
    if (!body_read(x, members, COUNT, &body))
        return;
    struct swap_inquiry *inquiry = xcalloc(1, sizeof *inquiry);
    inquiry->base.ask = ask_swap;
    inquiry->base.destroy = destroy;
    inquiry->name = xstrdup(x->parameters[0]);
    inquiry->plugin = members[PLUGIN].value ? xstrdup(member_text(&members[PLUGIN]).ptr) : NULL;
    inquiry->options = member_object(&members[OPTIONS]);
    inquiry->reset_options = member_flag(&members[RESET], false);
    inquiry->since_ms = now_ms();
    json_decref(body);
    inquiry_ask(x, &inquiry->base, 0); /* the providers' own deadlines end it */
}
