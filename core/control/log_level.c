/* GET and PUT /v1/log-level: how much is logged, until the next reload or restart. */
#include "control/requests.h"

#include "control/body.h"
#include "control/json.h"

static const char *const names[] = {
    [LOG_ERROR] = "error", [LOG_WARN] = "warn", [LOG_INFO] = "info", [LOG_DEBUG] = "debug"
};

void show_log_level(struct exchange *x)
{
    struct text_buffer text = { 0 };
    struct json json = { .out = &text };
    enum log_level level = LOG_DEBUG;
    while (level > LOG_ERROR && !log_enabled(x->control->log, level))
        level--;
    json_open(&json, NULL, '{');
    json_text(&json, "level", str_of(names[level]));
    json_close(&json, '}');
    text_append_literal(&text, "\n");
    exchange_answer(x, 200, "application/json", &text);
}

void do_log_level(struct exchange *x)
{
    struct member member = { "level", MEMBER_TEXT, true, NULL };
    json_t *body;
    if (!body_read(x, &member, 1, &body))
        return;
    int level = LOG_ERROR;
    while (level <= LOG_DEBUG && !str_equal(member_text(&member), str_of(names[level])))
        level++;
    json_decref(body);
    if (level > LOG_DEBUG) {
        exchange_problem(x, 400, "\"level\" must be \"error\", \"warn\", \"info\" or \"debug\"");
        return;
    }
    log_set_level(x->control->log, (enum log_level)level);
    show_log_level(x);
}
