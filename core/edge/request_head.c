/* See request_head.h.
 *
 * Two passes. The first runs over each byte once, as it comes, and knows all of the grammar but the meaning:
 * it refuses at the earliest byte and finds the end. The second runs once over a complete head and gives the
 * fields their places.
 */
#include "edge/request_fields.h"

/* What the next byte belongs to. */
enum {
    AT_START, /* nothing yet; one empty line is let pass, as RFC 9112 2.2 asks */
    AT_START_LF,
    AT_REQUEST_LINE, /* its first byte */
    IN_REQUEST_LINE,
    AT_REQUEST_LF,
    AT_FIELD, /* the start of a field line, or of the empty line that ends the head */
    IN_NAME,
    IN_VALUE,
    AT_VALUE_LF,
    AT_END_LF,
    AT_END,
};

enum head_result request_head_refuse(struct request_head *head, int status, const char *sentence)
{
    head->status = status;
    head->sentence = sentence;
    return HEAD_ERROR;
}

/* ------------------ the request line ---------------------------------------------------------- */

/* Of "http://host:port/path?query": keeps the authority as host, leaves "/path?query" (perhaps empty) in
 * `target`. */
static bool take_authority(struct request_head *head, struct str *target)
{
    static const struct str schemes[] = { { "http", 4 }, { "https", 5 }, { "ws", 2 }, { "wss", 3 } };
    struct str rest = *target;
    struct str scheme = str_cut_at(&rest, ':');
    bool known = false;
    for (size_t i = 0; i < ARRAY_LENGTH(schemes); i++)
        known |= str_equal_nocase(scheme, schemes[i]);
    if (!known || rest.len < 2 || memcmp(rest.ptr, "//", 2) != 0)
        return false;
    rest = (struct str){ rest.ptr + 2, rest.len - 2 };
    size_t n = 0;
    while (n < rest.len && rest.ptr[n] != '/' && rest.ptr[n] != '?')
        n++;
    head->host = (struct str){ rest.ptr, n };
    *target = (struct str){ rest.ptr + n, rest.len - n };
    return host_valid(head->host);
}

static enum head_result read_target(struct request_head *head, struct str target)
{
    if (memchr(target.ptr, '#', target.len))
        return request_head_refuse(head, 400, "The address in the request line has a fragment.");
    if (target.ptr[0] != '/' && !take_authority(head, &target))
        return request_head_refuse(head, 400,
                                   "The address in the request line is neither a path nor a good URL.");
    bool has_query = target.len && memchr(target.ptr, '?', target.len);
    struct str rest = target;
    head->path = str_cut_at(&rest, '?');
    head->query = has_query ? rest : (struct str){ 0 };
    if (!head->path.len) /* "http://host" means its root */
        head->path = STR("/");
    if (!path_escapes_valid(head->path))
        return request_head_refuse(head, 400,
                                   "The path has a percent sign that isn't followed by a character's code.");
    return HEAD_COMPLETE;
}

static enum head_result read_version(struct request_head *head, struct str version)
{
    if (version.len != 8 || memcmp(version.ptr, "HTTP/", 5) != 0 || !is_digit(version.ptr[5]) ||
        version.ptr[6] != '.' || !is_digit(version.ptr[7]))
        return request_head_refuse(head, 400, "The request line doesn't end with a version of HTTP.");
    if (version.ptr[5] != '1' || version.ptr[7] > '1')
        return request_head_refuse(head, 505, "This server speaks HTTP/1.1 and HTTP/1.0.");
    head->minor = (unsigned)(version.ptr[7] - '0');
    return HEAD_COMPLETE;
}

/* HEAD_COMPLETE: the line is good. */
static enum head_result read_request_line(struct request_head *head, struct str line)
{
    struct str rest = line;
    struct str method = str_cut_at(&rest, ' ');
    struct str target = str_cut_at(&rest, ' ');
    for (size_t i = 0; i < method.len; i++)
        if (!is_token(method.ptr[i]))
            return request_head_refuse(head, 400, "The request line doesn't start with a method.");
    if (!target.len || !rest.len)
        return request_head_refuse(head, 400, "The request line isn't a method, an address and a version.");
    head->method = METHOD_OTHER; /* methods mind their case */
    if (str_equal(method, STR("GET")))
        head->method = METHOD_GET;
    else if (str_equal(method, STR("HEAD")))
        head->method = METHOD_HEAD;
    enum head_result result = read_version(head, rest);
    /* The other methods have forms of address of their own ("*"); they are a 405 in any case. */
    if (result == HEAD_COMPLETE && head->method != METHOD_OTHER)
        result = read_target(head, target);
    return result;
}

/* ------------------ the first pass ------------------------------------------------------------ */

static enum head_result read_complete(struct request_head *head, const char *bytes)
{
    head->used = head->progress.scanned;
    struct str rest = { bytes + head->progress.first_line, head->used - head->progress.first_line };
    struct str line = str_cut_at(&rest, '\n');
    line.len--;
    read_request_line(head, line); /* again: the buffer may have moved since it was checked */
    return request_fields_read(head, rest);
}

static enum head_result scan_line_feed(struct request_head *head, const char *bytes, char c)
{
    if (c != '\n')
        return request_head_refuse(head, 400, "A carriage return stands alone.");
    size_t end = head->progress.scanned - 1; /* where the CR is */
    switch (head->progress.state) {
    case AT_START_LF:
        head->progress.state = AT_REQUEST_LINE;
        break;
    case AT_REQUEST_LF:
        head->progress.state = AT_FIELD;
        struct str line = { bytes + head->progress.first_line, end - head->progress.first_line };
        return read_request_line(head, line) == HEAD_ERROR ? HEAD_ERROR : HEAD_MORE;
    case AT_VALUE_LF:
        head->progress.state = AT_FIELD;
        break;
    default:
        head->progress.state = AT_END;
    }
    return HEAD_MORE;
}

static enum head_result scan_field(struct request_head *head, char c)
{
    if (head->progress.state == AT_FIELD) {
        if (c == '\r') {
            head->progress.state = AT_END_LF;
            return HEAD_MORE;
        }
        if (is_blank(c))
            return request_head_refuse(head, 400, "A field is folded over several lines.");
        if (!is_token(c))
            return request_head_refuse(head, 400, "A field has no name.");
        if (++head->progress.fields > HEAD_FIELDS_MAX)
            return request_head_refuse(head, 431, "The request has too many fields.");
        head->progress.state = IN_NAME;
    } else if (head->progress.state == IN_NAME) {
        if (c == ':')
            head->progress.state = IN_VALUE;
        else if (!is_token(c))
            return request_head_refuse(head, 400, "A field's name has a character that no name may have.");
    } else if (c == '\r') {
        head->progress.state = AT_VALUE_LF;
    } else if (!is_visible(c) && !is_blank(c) && (unsigned char)c < 0x80) {
        return request_head_refuse(head, 400, "A field has a control character.");
    }
    return HEAD_MORE;
}

static enum head_result scan_byte(struct request_head *head, const char *bytes, char c)
{
    switch (head->progress.state) {
    case AT_START:
        if (c == '\r') {
            head->progress.state = AT_START_LF;
            return HEAD_MORE;
        }
        /* fall through */
    case AT_REQUEST_LINE:
        if (!is_token(c))
            return request_head_refuse(head, 400, "This isn't a request of HTTP/1.1.");
        head->progress.first_line = head->progress.scanned;
        head->progress.state = IN_REQUEST_LINE;
        return HEAD_MORE;
    case IN_REQUEST_LINE:
        if (c == '\r')
            head->progress.state = AT_REQUEST_LF;
        else if (!is_visible(c) && c != ' ')
            return request_head_refuse(head, 400,
                                       "The request line has a character that must be percent-encoded.");
        return HEAD_MORE;
    case AT_START_LF:
    case AT_REQUEST_LF:
    case AT_VALUE_LF:
    case AT_END_LF:
        return scan_line_feed(head, bytes, c);
    default:
        return scan_field(head, c);
    }
}

enum head_result request_head_read(struct request_head *head, const char *bytes, size_t len, size_t limit)
{
    while (head->progress.scanned < len && head->progress.scanned < limit) {
        if (scan_byte(head, bytes, bytes[head->progress.scanned]) == HEAD_ERROR)
            return HEAD_ERROR;
        head->progress.scanned++;
        if (head->progress.state == AT_END)
            return read_complete(head, bytes);
    }
    if (head->progress.scanned < limit)
        return HEAD_MORE;
    if (head->progress.state <= AT_REQUEST_LF)
        return request_head_refuse(head, 414, "The address in the request line is too long.");
    return request_head_refuse(head, 431, "The head of the request is too large.");
}

void request_head_write_upgrade(const struct request_head *head, struct text_buffer *out)
{
    text_append_literal(out,
                        "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        "Sec-WebSocket-Key: ");
    text_append_str(out, head->websocket_key);
    text_append_literal(out, "\r\nSec-WebSocket-Version: 13\r\n\r\n");
}
