/* One HTTP request and its answer, with libmicrohttpd. See inside.h.
 *
 * A handler of the library is called when the head is there, for each piece of the body, once more at the
 * body's end, and again after a suspended request was resumed. Answering earlier than at the body's end would
 * close the connection, so also what is refused at once is read to its end, as long as that isn't far.
 */
#include "control/inside.h"

#include "control/feed.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* What is read and thrown away of a body that is too large, so that the peer hears why. */
#define DISCARD_MAX (16 * BODY_MAX)
#define MEMORY_PER_CONNECTION 32768
#define CONNECTIONS_MAX (DOOR_COUNT * VISITORS_MAX + 64)

/* ------------------ answers ------------------------------------------------------------------- */

void exchange_answer(struct exchange *x, int status, const char *content_type, struct text_buffer *text)
{
    x->status = status;
    x->content_type = content_type;
    text_finish(&x->answer);
    x->answer = *text;
    *text = (struct text_buffer){ 0 };
}

static const char *title_of(int status)
{
    const char *title = MHD_get_reason_phrase_for((unsigned)status);
    return title ? title : "Error";
}

void exchange_problem(struct exchange *x, int status, const char *format, ...)
{
    struct text_buffer sentence = { 0 }, text = { 0 };
    va_list args;
    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    text_reserve(&sentence, (size_t)len + 1);
    va_start(args, format);
    vsnprintf(sentence.ptr, (size_t)len + 1, format, args);
    va_end(args);
    text_appendf(&text,
                 "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%d,\"detail\":", title_of(status),
                 status);
    text_append_json_any(&text, (struct str){ sentence.ptr, (size_t)len }); /* it may have been cut */
    text_append_literal(&text, "}\n");
    exchange_answer(x, status, "application/problem+json", &text);
    text_finish(&sentence);
}

const char *exchange_argument(struct exchange *x, const char *name)
{
    return MHD_lookup_connection_value(x->connection, MHD_GET_ARGUMENT_KIND, name);
}

bool exchange_number(struct exchange *x, const char *name, uint64_t least, uint64_t most, uint64_t fallback,
                     uint64_t *out)
{
    const char *text = exchange_argument(x, name);
    *out = fallback;
    if (!text)
        return true;
    size_t len = strlen(text);
    if (len >= 1 && len <= 19 && strspn(text, "0123456789") == len) {
        *out = strtoull(text, NULL, 10);
        if (*out >= least && *out <= most)
            return true;
    }
    exchange_problem(x, 400, "the argument \"%s\" isn't a number from %llu to %llu", name,
                     (unsigned long long)least, (unsigned long long)most);
    return false;
}

/* ------------------ suspended ----------------------------------------------------------------- */

void exchange_suspend(struct exchange *x, uint32_t deadline_ms)
{
    x->suspended = true;
    x->deadline_ms = deadline_ms ? now_ms() + deadline_ms : 0;
    MHD_suspend_connection(x->connection);
}

void exchange_resume(struct exchange *x)
{
    if (!x->suspended)
        return;
    x->suspended = false;
    x->deadline_ms = 0;
    MHD_resume_connection(x->connection);
}

static void give_up(struct exchange *x, int status, const char *why)
{
    if (x->inquiry)
        inquiry_forget(x->inquiry);
    exchange_problem(x, status, "%s", why);
    exchange_resume(x);
}

void exchanges_tick(struct control *control, uint64_t now)
{
    struct exchange *x;
    bool some = false;
    LIST_FOREACH(x, &control->exchanges, link)
    {
        if (!x->suspended || !x->deadline_ms || now < x->deadline_ms)
            continue;
        give_up(x, 504, "d-back is too busy to answer in time; it goes on serving, try again");
        some = true;
    }
    feeds_tick(control, now);
    if (some)
        exchanges_run(control);
}

void exchanges_end(struct control *control)
{
    struct exchange *x;
    feeds_end(control);
    LIST_FOREACH(x, &control->exchanges, link)
    {
        if (x->suspended && !x->feed)
            give_up(x, 503, "d-back is stopping");
    }
    exchanges_run(control);
}

/* ------------------ one request --------------------------------------------------------------- */

/* The library calls this with the line as it came, before anything else. */
static void *on_request(void *arg, const char *uri, struct MHD_Connection *connection)
{
    struct control *control = arg;
    struct exchange *x = xcalloc(1, sizeof *x);
    x->control = control;
    x->connection = connection;
    x->path = xstrndup(uri, strcspn(uri, "?"));
    x->visitor = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    LIST_INSERT_HEAD(&control->exchanges, x, link);
    control->exchange_count++;
    return x;
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **context,
                         enum MHD_RequestTerminationCode code)
{
    struct control *control = arg;
    struct exchange *x = *context;
    (void)connection;
    (void)code;
    if (!x)
        return;
    *context = NULL;
    if (x->inquiry)
        inquiry_forget(x->inquiry);
    feed_close(x);
    LIST_REMOVE(x, link);
    control->exchange_count--;
    for (size_t i = 0; i < PARAMETERS_MAX; i++)
        free(x->parameters[i]);
    text_finish(&x->body);
    text_finish(&x->answer);
    free(x->allow);
    free(x->path);
    free(x);
}

static void refuse_stranger(struct exchange *x)
{
    struct control *control = x->control;
    uint64_t suppressed;
    count_add(&control->counts.unauthorized, 1);
    if (burst_count(&control->unauthorized_burst, now_ms(), &suppressed))
        log_room(control->log, LOG_WARN, "control",
                 "%s %s from %s refused: no token, or a wrong one suppressed=%llu", x->method, x->path,
                 x->visitor->who, (unsigned long long)suppressed);
    exchange_problem(x, 401,
                     "this door needs the token of control.token_file: send \"Authorization: Bearer TOKEN\"");
}

static void refuse_unknown(struct exchange *x, struct text_buffer *allowed)
{
    if (!allowed->len) {
        exchange_problem(x, 404, "there is no %s; docs/control-api.yaml lists what there is", x->path);
        return;
    }
    x->allow = xstrndup(allowed->ptr, allowed->len);
    exchange_problem(x, 405, "%s doesn't take %s; it takes %s", x->path, x->method, x->allow);
}

/* The head is there: may it go on, and where to? */
static void begin(struct exchange *x, const char *method)
{
    struct text_buffer allowed = { 0 };
    x->method = strcmp(method, "HEAD") == 0 ? "GET" : method;
    const char *authorization = MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, "Authorization");
    if (!utf8_valid(x->path, strlen(x->path))) {
        free(x->path);
        x->path = xstrdup("?");
        exchange_problem(x, 400, "the path isn't UTF-8");
    } else if (x->visitor->door->needs_token &&
               !token_matches(x->control->config->control.token_file, authorization)) {
        refuse_stranger(x);
    } else {
        x->route = route_find(x->method, x->path, x->parameters, &allowed);
        if (!x->route)
            refuse_unknown(x, &allowed);
    }
    text_finish(&allowed);
}

static bool body_is_huge(struct exchange *x)
{
    const char *length = MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, "Content-Length");
    return length && (strlen(length) > 18 || strtoull(length, NULL, 10) > DISCARD_MAX);
}

/* False: it goes on and on. */
static bool collect(struct exchange *x, const char *bytes, size_t len)
{
    x->received += len;
    if (!x->status && x->received <= BODY_MAX)
        text_append(&x->body, bytes, len);
    return x->received <= DISCARD_MAX;
}

static void tell(struct exchange *x)
{
    if (strcmp(x->method, "GET") != 0 && x->route)
        log_room(x->control->log, LOG_INFO, "control", "%s %s by %s: %d", x->method, x->path, x->visitor->who,
                 x->status);
}

static enum MHD_Result send_answer(struct exchange *x)
{
    struct MHD_Response *response;
    if (x->feed) {
        response = feed_response(x);
    } else if (x->answer.len) {
        response = MHD_create_response_from_buffer(x->answer.len, x->answer.ptr, MHD_RESPMEM_MUST_FREE);
        x->answer = (struct text_buffer){ 0 };
    } else {
        response = MHD_create_response_from_buffer(0, (void *)"", MHD_RESPMEM_PERSISTENT);
    }
    if (!response)
        return MHD_NO;
    if (x->content_type)
        MHD_add_response_header(response, "Content-Type", x->content_type);
    if (x->allow)
        MHD_add_response_header(response, "Allow", x->allow);
    if (x->status == 401)
        MHD_add_response_header(response, "WWW-Authenticate", "Bearer realm=\"d-back\"");
    MHD_add_response_header(response, "Cache-Control", "no-store");
    enum MHD_Result result = MHD_queue_response(x->connection, (unsigned)x->status, response);
    MHD_destroy_response(response);
    count_add(&x->control->counts.requests[x->status / 100], 1);
    tell(x);
    return result;
}

static enum MHD_Result on_call(void *arg, struct MHD_Connection *connection, const char *url,
                               const char *method, const char *version, const char *bytes, size_t *len,
                               void **context)
{
    struct exchange *x = *context;
    (void)arg;
    (void)connection;
    (void)url;
    (void)version;
    if (!x->method) {
        begin(x, method);
        if (!body_is_huge(x))
            return MHD_YES;
        exchange_problem(x, 413, "a body may have %d bytes at most", BODY_MAX);
        return send_answer(x);
    }
    if (*len) {
        bool enough = collect(x, bytes, *len);
        *len = 0;
        return enough ? MHD_YES : MHD_NO;
    }
    if (!x->status && x->received > BODY_MAX)
        exchange_problem(x, 413, "a body may have %d bytes at most", BODY_MAX);
    if (!x->status)
        x->route->handle(x);
    return x->status ? send_answer(x) : MHD_YES; /* else it is suspended */
}

/* ------------------ libmicrohttpd ------------------------------------------------------------- */

static void on_connection(void *arg, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct control *control = arg;
    (void)connection;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        *context = control->adopting;
        control->adopting = NULL;
        return;
    }
    struct visitor *visitor = *context;
    door_left(visitor->door);
    free(visitor);
}

void exchanges_adopt(struct control *control, struct visitor *visitor, int fd, const struct sockaddr *name,
                     socklen_t length)
{
    control->adopting = visitor;
    MHD_add_connection(control->http, fd, name, length); /* closes the socket, if it comes to nothing */
    if (!control->adopting)
        return;
    control->adopting = NULL;
    door_left(visitor->door);
    free(visitor);
}

static void on_http_timer(uv_timer_t *timer)
{
    exchanges_run(timer->data);
}

static void on_http_event(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    exchanges_run(poll->data);
}

void exchanges_run(struct control *control)
{
    MHD_UNSIGNED_LONG_LONG wait_ms;
    if (!control->http || control->running) /* it calls back: not from within itself */
        return;
    control->running = true;
    MHD_run(control->http);
    control->running = false;
    if (MHD_get_timeout(control->http, &wait_ms) == MHD_YES)
        uv_timer_start(&control->http_timer, on_http_timer, wait_ms, 0);
    else
        uv_timer_stop(&control->http_timer);
}

bool exchanges_start(struct control *control)
{
    control->http = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_call, control,
        MHD_OPTION_URI_LOG_CALLBACK, on_request, control, MHD_OPTION_NOTIFY_COMPLETED, on_completed, control,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, control, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_TIMEOUT_S,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY_PER_CONNECTION, MHD_OPTION_SIGPIPE_HANDLED_BY_APP,
        1, MHD_OPTION_END);
    if (!control->http)
        return false;
    int fd = MHD_get_daemon_info(control->http, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    uv_timer_init(&control->loop, &control->http_timer);
    uv_poll_init(&control->loop, &control->http_poll, fd);
    control->http_timer.data = control->http_poll.data = control;
    uv_poll_start(&control->http_poll, UV_READABLE, on_http_event);
    return true;
}

void exchanges_stop(struct control *control)
{
    if (!control->http)
        return;
    uv_poll_stop(&control->http_poll); /* before its descriptor goes */
    struct MHD_Daemon *http = control->http;
    control->http = NULL;
    uv_close((uv_handle_t *)&control->http_poll, NULL);
    uv_close((uv_handle_t *)&control->http_timer, NULL);
    MHD_stop_daemon(http);
}
