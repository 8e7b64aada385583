/* See socket.h. */
#include "socket.h"

#include "rest.h"
#include "tls.h"

#include <libwebsockets.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONNECTIONS 8
#define MESSAGE_IN_MAX (32u * 1024 * 1024) /* the largest communities arrive in one */
#define KEPT_CAPACITY (256u * 1024)
#define OUT_MAX 32
#define RECEIVE_SIZE 65536
#define BUSY_MS 20
#define QUIET_MS 1000
#define ROUNDS 64
#define NO_GOODBYE 4000 /* any code but 1000 and 1001 leaves the session alive */

struct connection {
    struct sockets *owner;
    struct lws *wsi; /* NULL: this place is free */
    int fd;
    int64_t watch;
    bool hung_up;             /* the other side: there is nothing more to be watched */
    bool open, closing, over; /* `over`: no events any more */
    int close_code;           /* ours */
    int peer_code;
    char *in;
    size_t in_len, in_capacity;
    bool in_binary;
    struct {
        size_t len;
        unsigned char *bytes; /* LWS_PRE before the text */
    } out[OUT_MAX];
    size_t out_first, out_count;
};

struct sockets {
    const dback_host *host;
    const struct socket_events *events;
    void *arg;
    struct lws_context *context;
    SSL_CTX *tls;
    struct connection all[CONNECTIONS];
    struct connection *current;
    struct alarm alarm;
    uint64_t alarm_ms;
    bool servicing, calling; /* within the library; within events->... */
};

/* ------------------ the loop ------------------------------------------------------------------ */

static void service(struct sockets *sockets);

static void stop_watching(struct connection *connection)
{
    const dback_host *host = connection->owner->host;
    if (connection->watch)
        host->unwatch_fd(host, connection->watch);
    connection->watch = 0;
}

static void on_ready(void *arg, int fd, uint32_t events)
{
    struct connection *connection = arg;
    (void)fd;
    if (events & DBACK_FD_HANGUP) {
        /* Whatever the library makes of it, we aren't told again and again: the alarm goes on. */
        connection->hung_up = true;
        stop_watching(connection);
    }
    service(connection->owner);
}

static void unwatch(struct connection *connection)
{
    stop_watching(connection);
    connection->hung_up = false;
    connection->fd = -1;
}

/* d-back may have no watch left: then the alarm goes on often, and each time one is asked for again. */
static void watch(struct connection *connection)
{
    const dback_host *host = connection->owner->host;
    int fd = connection->wsi ? lws_get_socket_fd(connection->wsi) : -1;
    if (fd != connection->fd)
        unwatch(connection);
    connection->fd = fd;
    if (fd >= 0 && !connection->watch && !connection->hung_up) {
        int64_t number = host->watch_fd(host, fd, DBACK_FD_READ, on_ready, connection);
        connection->watch = number > 0 ? number : 0;
    }
}

static void on_alarm(void *arg)
{
    service(arg);
}

/* Every so often; 0: not at all. */
static void set_alarm(struct sockets *sockets, uint64_t ms)
{
    if (sockets->alarm_ms == ms)
        return;
    sockets->alarm_ms = ms;
    if (ms)
        alarm_set(&sockets->alarm, ms, ms);
    else
        alarm_stop(&sockets->alarm);
}

/* Runs the library until it has nothing more to do at the moment. */
static void service(struct sockets *sockets)
{
    if (sockets->servicing)
        return;
    sockets->servicing = true;
    int rounds = 0;
    do
        lws_service(sockets->context, -1);
    while (++rounds < ROUNDS && lws_service_adjust_timeout(sockets->context, 1, 0) == 0);
    sockets->servicing = false;
    uint64_t ms = 0;
    for (size_t i = 0; i < CONNECTIONS; i++) {
        struct connection *c = &sockets->all[i];
        watch(c);
        if (!c->wsi)
            continue;
        bool quiet = c->open && !c->closing && c->out_count == 0 && c->watch && rounds < ROUNDS;
        ms = quiet && ms != BUSY_MS ? QUIET_MS : BUSY_MS;
    }
    set_alarm(sockets, ms);
}

/* ------------------ connections --------------------------------------------------------------- */

static void clear(struct connection *c)
{
    unwatch(c);
    for (; c->out_count > 0; c->out_count--, c->out_first = (c->out_first + 1) % OUT_MAX) {
        explicit_bzero(c->out[c->out_first].bytes, LWS_PRE + c->out[c->out_first].len);
        free(c->out[c->out_first].bytes);
    }
    free(c->in);
    *c = (struct connection){ .owner = c->owner, .fd = -1 };
}

/* From here on it is nobody's any more. */
static void detach(struct connection *c)
{
    c->over = true;
    if (c->owner->current == c)
        c->owner->current = NULL;
}

static void tell_closed(struct connection *c, const char *why)
{
    bool heard = !c->over;
    unwatch(c); /* before the library closes the descriptor */
    c->closing = true;
    c->close_code = c->close_code ? c->close_code : NO_GOODBYE;
    detach(c);
    if (heard)
        c->owner->events->closed(c->owner->arg, c->peer_code, why);
}

static bool receive(struct connection *c, const char *bytes, size_t n, bool last)
{
    if (c->over)
        return true;
    if (n > MESSAGE_IN_MAX - c->in_len) {
        tell_closed(c, "a message was longer than 32 MiB");
        return false;
    }
    if (c->in_len + n > c->in_capacity) {
        size_t capacity = c->in_capacity ? c->in_capacity : RECEIVE_SIZE;
        while (capacity < c->in_len + n)
            capacity *= 2;
        char *larger = realloc(c->in, capacity);
        if (!larger) {
            tell_closed(c, "out of memory");
            return false;
        }
        c->in = larger;
        c->in_capacity = capacity;
    }
    memcpy(c->in + c->in_len, bytes, n);
    c->in_len += n;
    if (!last)
        return true;
    size_t len = c->in_len;
    c->in_len = 0;
    c->owner->events->message(c->owner->arg, c->in, len);
    if (c->in_capacity > KEPT_CAPACITY) {
        free(c->in);
        c->in = NULL;
        c->in_capacity = 0;
    }
    return true;
}

/* One message of those that wait. Below 0: the connection is done for. */
static int write_next(struct connection *c)
{
    if (c->out_count == 0)
        return 0;
    unsigned char *bytes = c->out[c->out_first].bytes;
    size_t len = c->out[c->out_first].len;
    c->out_first = (c->out_first + 1) % OUT_MAX;
    c->out_count--;
    int result = lws_write(c->wsi, bytes + LWS_PRE, len, LWS_WRITE_TEXT);
    explicit_bzero(bytes, LWS_PRE + len);
    free(bytes);
    if (result < 0)
        return -1;
    if (c->out_count > 0)
        lws_callback_on_writable(c->wsi);
    return 0;
}

/* What to answer to the library when we want to close: the close frame goes out with our code. */
static int say_goodbye(struct connection *c)
{
    lws_close_reason(c->wsi, (enum lws_close_status)c->close_code, NULL, 0);
    return -1;
}

static int add_user_agent(struct lws *wsi, void *in, size_t len)
{
    unsigned char **at = in;
    const char *agent = rest_user_agent();
    return lws_add_http_header_by_token(wsi, WSI_TOKEN_HTTP_USER_AGENT, (const unsigned char *)agent,
                                        (int)strlen(agent), at, *at + len);
}

static int on_library_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                            size_t len)
{
    struct connection *c = user;
    char why[160];
    if (!c)
        return 0;
    switch (reason) {
    case LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER:
        return add_user_agent(wsi, in, len) ? -1 : 0;
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
        c->wsi = wsi;
        c->open = true;
        if (c->closing)
            return say_goodbye(c);
        c->owner->events->opened(c->owner->arg);
        break;
    case LWS_CALLBACK_CLIENT_RECEIVE:
        if (!c->closing && lws_frame_is_binary(wsi))
            tell_closed(c, "the gateway sent something that isn't text");
        else if (!c->closing)
            receive(c, in, len, lws_is_final_fragment(wsi) && lws_remaining_packet_payload(wsi) == 0);
        break;
    case LWS_CALLBACK_CLIENT_WRITEABLE:
        if (!c->closing && write_next(c) < 0)
            return -1;
        break;
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
        if (len >= 2)
            c->peer_code = ((unsigned char *)in)[0] << 8 | ((unsigned char *)in)[1];
        return 0;
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
        snprintf(why, sizeof why, "it can't be opened: %.100s", in ? (const char *)in : "no reason is known");
        tell_closed(c, why);
        return 0;
    case LWS_CALLBACK_CLIENT_CLOSED:
        tell_closed(c, "the connection was closed");
        return 0;
    case LWS_CALLBACK_WSI_DESTROY:
        tell_closed(c, "the connection is gone");
        clear(c);
        return 0;
    default:
        return 0;
    }
    return c->open && c->closing ? say_goodbye(c) : 0;
}

/* ------------------ what the gateway calls ---------------------------------------------------- */

bool socket_open(struct sockets *sockets, const struct url *url, const char *address, const char *query)
{
    char authority[300], path[1024];
    struct connection *c = sockets->all;
    while (c < sockets->all + CONNECTIONS && c->wsi)
        c++;
    if (c == sockets->all + CONNECTIONS || sockets->current)
        return false;
    url_authority(url, authority, sizeof authority);
    snprintf(path, sizeof path, "%s/%s", url->path, query);
    struct lws_client_connect_info info = {
        .context = sockets->context,
        .address = address,
        .port = url->port,
        .ssl_connection = url->tls ? LCCSCF_USE_SSL : 0,
        .path = path,
        .host = authority,
        .ietf_version_or_minus_one = -1,
        .userdata = c,
        .local_protocol_name = "gateway",
        .pwsi = &c->wsi,
    };
    sockets->current = c;
    c->over = true; /* while it is being opened a failure is told by our result */
    struct lws *wsi = lws_client_connect_via_info(&info);
    if (!wsi || !c->wsi || c->closing) {
        sockets->current = NULL;
        clear(c);
        return false;
    }
    c->over = false;
    sockets->current = c;
    service(sockets);
    return true;
}

bool socket_send(struct sockets *sockets, const char *text, size_t len)
{
    struct connection *c = sockets->current;
    if (!c || !c->open || c->closing || c->out_count == OUT_MAX || len > SOCKET_MESSAGE_MAX)
        return false;
    unsigned char *bytes = malloc(LWS_PRE + len);
    if (!bytes)
        return false;
    memcpy(bytes + LWS_PRE, text, len);
    size_t at = (c->out_first + c->out_count++) % OUT_MAX;
    c->out[at].bytes = bytes;
    c->out[at].len = len;
    lws_callback_on_writable(c->wsi);
    service(sockets);
    return true;
}

void socket_close(struct sockets *sockets, int code)
{
    struct connection *c = sockets->current;
    if (!c)
        return;
    detach(c);
    c->closing = true;
    c->close_code = code;
    if (c->open)
        lws_callback_on_writable(c->wsi);
    else
        lws_set_timeout(c->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
    service(sockets);
}

/* ------------------ life ---------------------------------------------------------------------- */

struct sockets *sockets_create(struct alarms *alarms, const char *ca_file, const struct socket_events *events,
                               void *arg)
{
    static const struct lws_protocols protocols[] = {
        { .name = "gateway", .callback = on_library_event, .rx_buffer_size = RECEIVE_SIZE },
        { .name = NULL },
    };
    struct sockets *sockets = calloc(1, sizeof *sockets);
    if (!sockets)
        return NULL;
    sockets->host = alarms->host;
    alarm_init(&sockets->alarm, alarms, on_alarm, sockets);
    sockets->events = events;
    sockets->arg = arg;
    for (size_t i = 0; i < CONNECTIONS; i++)
        sockets->all[i] = (struct connection){ .owner = sockets, .fd = -1 };
    const struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN,
        .protocols = protocols,
        .gid = (gid_t)-1,
        .uid = (uid_t)-1,
        .fd_limit_per_thread = 16,
        .pt_serv_buf_size = RECEIVE_SIZE,
        .timeout_secs = 15,
        .http_proxy_address = ":0", /* none, whatever the environment says */
    };
    sockets->tls = tls_create(ca_file);
    sockets->context = sockets->tls ? lws_create_context(&info) : NULL;
    if (sockets->context && tls_use(sockets->tls, sockets->context))
        return sockets;
    sockets_destroy(sockets);
    return NULL;
}

void sockets_destroy(struct sockets *sockets)
{
    if (!sockets)
        return;
    sockets->servicing = true; /* nothing is to be run any more */
    for (size_t i = 0; i < CONNECTIONS; i++) {
        sockets->all[i].over = true;
        unwatch(&sockets->all[i]);
    }
    if (sockets->context)
        lws_context_destroy(sockets->context);
    for (size_t i = 0; i < CONNECTIONS; i++)
        clear(&sockets->all[i]);
    SSL_CTX_free(sockets->tls);
    set_alarm(sockets, 0);
    free(sockets);
}
