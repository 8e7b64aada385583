/* A question to the core, and its way back. See inside.h.
 *
 * The request may be over before the answer comes (its time was up): then the answer finds nobody, and the
 * question ends there. A question that was posted always comes back, also when the house is being closed, so
 * it is freed in one place only.
 */
#include "control/inside.h"

#include "app/core.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static void free_inquiry(struct inquiry *inquiry)
{
    text_finish(&inquiry->text);
    if (inquiry->destroy)
        inquiry->destroy(inquiry);
    else
        free(inquiry);
}

static void on_core(void *core, void *arg)
{
    struct inquiry *inquiry = arg;
    inquiry->ask(core, inquiry);
}

void inquiry_expect(struct exchange *exchange, struct inquiry *inquiry, uint32_t deadline_ms)
{
    inquiry->control = exchange->control;
    inquiry->exchange = exchange;
    exchange->inquiry = inquiry;
    exchange_suspend(exchange, deadline_ms);
}

void inquiry_ask(struct exchange *exchange, struct inquiry *inquiry, uint32_t deadline_ms)
{
    inquiry_expect(exchange, inquiry, deadline_ms);
    if (!control_call_core(exchange->control, on_core, inquiry))
        inquiry_refuse(inquiry, 503, "d-back is stopping; nothing was done");
}

void inquiry_answer(struct inquiry *inquiry)
{
    mailbox_post(&inquiry->control->inbox, &inquiry->mail);
}

void inquiry_refuse(struct inquiry *inquiry, int status, const char *format, ...)
{
    char sentence[ERR_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    inquiry->status = status;
    inquiry->text.len = 0;
    text_append_str(&inquiry->text, str_of(sentence));
    inquiry_answer(inquiry);
}

void inquiry_back(struct inquiry *inquiry)
{
    struct exchange *exchange = inquiry->exchange;
    if (exchange) {
        exchange->inquiry = NULL;
        if (inquiry->status >= 400)
            exchange_problem(exchange, inquiry->status, "%.*s", (int)inquiry->text.len, inquiry->text.ptr);
        else if (inquiry->answered)
            inquiry->answered(exchange, inquiry);
        else
            exchange_answer(exchange, inquiry->status, "application/json", &inquiry->text);
        if (exchange->status)
            exchange_resume(exchange);
    }
    free_inquiry(inquiry);
}

void inquiry_forget(struct inquiry *inquiry)
{
    inquiry->exchange->inquiry = NULL;
    inquiry->exchange = NULL;
}
