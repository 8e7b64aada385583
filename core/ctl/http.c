/* One HTTP request over the control socket, and its answer: whole, or line by line. */
#include "ctl/ctl.h"

#include <errno.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER_MAX (1u << 30)
#define HEAD_MAX 65536
#define READ_SIZE 65536

/* ------------------ sending ------------------------------------------------------------------- */

static bool send_all(int fd, const char *bytes, size_t len)
{
    while (len) {
        ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        bytes += n;
        len -= (size_t)n;
    }
    return true;
}

bool http_send(int fd, const char *method, const char *path, const char *body)
{
    struct text_buffer request = { 0 };
    text_appendf(&request, "%s %s HTTP/1.1\r\nHost: d-back\r\nConnection: close\r\n", method, path);
    if (body)
        text_appendf(&request, "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                     strlen(body), body);
    else
        text_append_literal(&request, "\r\n");
    bool sent = send_all(fd, request.ptr, request.len);
    text_finish(&request);
    return sent;
}

/* ------------------ receiving ----------------------------------------------------------------- */

struct stream {
    int fd;
    struct text_buffer bytes; /* that came, and weren't used */
    bool over;
    bool chunked;
    size_t left; /* of the chunk, or of the body; SIZE_MAX: to the end */
    bool began;  /* a chunk was read before */
};

static bool read_more(struct stream *s)
{
    text_reserve(&s->bytes, READ_SIZE);
    ssize_t n;
    while ((n = recv(s->fd, s->bytes.ptr + s->bytes.len, READ_SIZE, 0)) < 0 && errno == EINTR)
        ;
    if (n <= 0)
        return false;
    s->bytes.len += (size_t)n;
    return true;
}

static void drop(struct stream *s, size_t len)
{
    memmove(s->bytes.ptr, s->bytes.ptr + len, s->bytes.len - len);
    s->bytes.len -= len;
}

/* A line without its CR LF, NUL-terminated; NULL: there is none. Caller frees. */
static char *read_line(struct stream *s)
{
    for (;;) {
        char *end = s->bytes.len ? memchr(s->bytes.ptr, '\n', s->bytes.len) : NULL;
        if (end) {
            size_t len = (size_t)(end - s->bytes.ptr);
            char *line = xstrndup(s->bytes.ptr, len && end[-1] == '\r' ? len - 1 : len);
            drop(s, len + 1);
            return line;
        }
        if (s->bytes.len > HEAD_MAX || !read_more(s))
            return NULL;
    }
}

static bool read_head(struct stream *s, int *status)
{
    char *line = read_line(s);
    bool good = line && strncmp(line, "HTTP/1.", 7) == 0 && strlen(line) >= 12;
    *status = good ? atoi(line + 9) : 0;
    free(line);
    s->left = SIZE_MAX;
    while (good && (line = read_line(s)) && *line) {
        if (strncasecmp(line, "Content-Length:", 15) == 0)
            s->left = strtoull(line + 15, NULL, 10);
        if (strncasecmp(line, "Transfer-Encoding:", 18) == 0 && strstr(line, "chunked"))
            s->chunked = true;
        free(line);
    }
    if (good)
        free(line);
    if (s->chunked)
        s->left = 0;
    return good && line;
}

/* The next chunk's size. */
static bool enter_chunk(struct stream *s)
{
    if (s->began) /* the end of the one before */
        free(read_line(s));
    s->began = true;
    char *line = read_line(s);
    if (!line)
        return false;
    s->left = strtoull(line, NULL, 16);
    s->over = s->left == 0;
    free(line);
    return true;
}

/* Appends some of the body. False: it has ended, or broken (then it isn't `over`). */
static bool read_body(struct stream *s, struct text_buffer *body)
{
    if (s->chunked && !s->left && !enter_chunk(s))
        return false;
    if (!s->left)
        s->over = true;
    if (s->over)
        return false;
    if (!s->bytes.len && !read_more(s)) {
        s->over = s->left == SIZE_MAX;
        return false;
    }
    size_t n = s->bytes.len < s->left ? s->bytes.len : s->left;
    text_append(body, s->bytes.ptr, n);
    drop(s, n);
    s->left -= s->left == SIZE_MAX ? 0 : n;
    return body->len < ANSWER_MAX;
}

bool http_receive(int fd, struct reply *reply)
{
    struct stream s = { .fd = fd };
    bool good = read_head(&s, &reply->status);
    while (good && read_body(&s, &reply->body))
        ;
    text_finish(&s.bytes);
    return good && s.over;
}

static bool give_lines(struct text_buffer *body, line_callback take, void *arg)
{
    char *end;
    while (body->len && (end = memchr(body->ptr, '\n', body->len))) {
        size_t len = (size_t)(end - body->ptr);
        bool more = take(arg, (struct str){ body->ptr, len });
        memmove(body->ptr, end + 1, body->len - len - 1);
        body->len -= len + 1;
        if (!more)
            return false;
    }
    return true;
}

bool http_follow(int fd, struct reply *reply, line_callback take, void *arg)
{
    struct stream s = { .fd = fd };
    bool good = read_head(&s, &reply->status), feed = good && reply->status == 200;
    while (good && read_body(&s, &reply->body) && (!feed || give_lines(&reply->body, take, arg)))
        ;
    text_finish(&s.bytes);
    return feed;
}

/* ------------------ asking -------------------------------------------------------------------- */

void say_refusal(const struct reply *reply)
{
    json_t *problem = json_loadb(reply->body.ptr ? reply->body.ptr : "", reply->body.len, 0, NULL);
    const char *detail = json_string_value(json_object_get(problem, "detail"));
    struct text_buffer shown = { 0 };
    for (const char *line = detail, *end; line;
         line = *end ? end + 1 : NULL) { /* of a configuration: several */
        end = line + strcspn(line, "\n");
        text_append_printable(&shown, (struct str){ line, (size_t)(end - line) });
        text_append(&shown, end, *end ? 1 : 0);
    }
    if (detail)
        complain("%.*s", (int)shown.len, shown.len ? shown.ptr : "");
    else
        complain("d-back answered with %d, which this d-backctl doesn't understand; are they of one version?",
                 reply->status);
    text_finish(&shown);
    json_decref(problem);
}

static bool exchange(const struct call *call, const char *method, const char *path, const json_t *body,
                     struct reply *reply)
{
    int fd = connect_to_daemon(call);
    if (fd < 0)
        return false;
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    bool sent = http_send(fd, method, path, text);
    /* It may have been refused before all of it was sent. */
    bool answered = http_receive(fd, reply);
    if (!answered)
        complain("the connection broke%s; has d-back ended meanwhile?",
                 sent ? " before the answer was there" : "");
    free(text);
    close(fd);
    return answered;
}

static json_t *understand(const struct reply *reply)
{
    if (reply->status == 204)
        return json_object();
    json_t *answer = json_loadb(reply->body.ptr ? reply->body.ptr : "", reply->body.len, 0, NULL);
    if (!answer)
        complain("d-back's answer isn't JSON; is it d-back that listens there?");
    return answer;
}

json_t *ask(const struct call *call, const char *method, const char *path, const json_t *body)
{
    struct reply reply = { 0 };
    json_t *answer = NULL;
    if (exchange(call, method, path, body, &reply)) {
        if (reply.status < 300)
            answer = understand(&reply);
        else
            say_refusal(&reply);
    }
    text_finish(&reply.body);
    return answer;
}

json_t *ask_and_show(const struct call *call, const char *method, const char *path, const json_t *body,
                     int *result)
{
    json_t *answer = ask(call, method, path, body);
    *result = answer ? 0 : EXIT_REFUSED;
    if (!answer || !call->json)
        return answer;
    if (json_object_size(answer))
        json_dumpf(answer, stdout, JSON_INDENT(2));
    puts("");
    json_decref(answer);
    *result = flushed();
    return NULL;
}

/* ------------------ paths --------------------------------------------------------------------- */

static void append_encoded(struct text_buffer *out, const char *piece)
{
    for (const char *p = piece; *p; p++) {
        unsigned char c = (unsigned char)*p;
        bool plain =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("-_.~", c);
        if (plain)
            text_append(out, p, 1);
        else
            text_appendf(out, "%%%02X", c);
    }
}

char *path_of(const char *format, ...)
{
    struct text_buffer path = { 0 };
    va_list args;
    va_start(args, format);
    for (const char *p = format; *p; p++) {
        if (strncmp(p, "%s", 2) != 0) {
            text_append(&path, p, 1);
            continue;
        }
        append_encoded(&path, va_arg(args, const char *));
        p++;
    }
    va_end(args);
    text_append(&path, "", 1);
    return path.ptr;
}
