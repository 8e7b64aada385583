/* See http_response.h. */
#include "edge/http_response.h"

#include "edge/conditional.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ETAG_SIZE 64

void http_response_init(struct http_response *response)
{
    *response = (struct http_response){ .fd = -1 };
}

void http_response_finish(struct http_response *response)
{
    text_finish(&response->head);
    text_finish(&response->own);
    if (response->fd >= 0)
        close(response->fd);
    if (response->release)
        response->release(response->held);
    http_response_init(response);
}

static bool is_head_request(const struct request_head *head)
{
    return head && head->method == METHOD_HEAD;
}

/* ------------------ statuses ------------------------------------------------------------------ */

static const struct status_text {
    int status;
    const char *reason, *sentence, *fields;
} status_texts[] = {
    { 200, "OK", NULL, NULL },
    { 206, "Partial Content", NULL, NULL },
    { 302, "Found", "The page is at another address.", "Cache-Control: no-store\r\nVary: Accept\r\n" },
    { 304, "Not Modified", NULL, NULL },
    { 400, "Bad Request", "The request isn't proper HTTP.", NULL },
    { 403, "Forbidden", "This isn't for you.", NULL },
    { 404, "Not Found", "There is nothing at this address.", NULL },
    { 405, "Method Not Allowed", "Only GET and HEAD are answered here.", "Allow: GET, HEAD\r\n" },
    { 408, "Request Timeout", "The request took too long to arrive.", NULL },
    { 414, "URI Too Long", "The address in the request line is too long.", NULL },
    { 416, "Range Not Satisfiable", "The content has no such part.", NULL },
    { 426, "Upgrade Required", "This server speaks WebSocket here.",
      "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" },
    { 429, "Too Many Requests", "Too many connections come from your address.", "Retry-After: 5\r\n" },
    { 431, "Request Header Fields Too Large", "The head of the request is too large.", NULL },
    { 500, "Internal Server Error", "Something went wrong here.", NULL },
    { 501, "Not Implemented", "This server can't do that.", NULL },
    { 503, "Service Unavailable", "The server is too busy; try again in a moment.", "Retry-After: 5\r\n" },
    { 504, "Gateway Timeout", "The answer took too long.", NULL },
    { 505, "HTTP Version Not Supported", "This server speaks HTTP/1.1 and HTTP/1.0.", NULL },
};

static const struct status_text *text_of(int status)
{
    static const struct status_text unknown = { 0, "Error", "Something went wrong.", NULL };
    for (size_t i = 0; i < ARRAY_LENGTH(status_texts); i++)
        if (status_texts[i].status == status)
            return &status_texts[i];
    return &unknown;
}

const char *http_reason(int status)
{
    return text_of(status)->reason;
}

/* ------------------ the head ------------------------------------------------------------------ */

/* What may stand in a field's value: no control character, so nobody's text can begin a line of its own. */
static bool fits_in_field(struct str value)
{
    for (size_t i = 0; i < value.len; i++)
        if (!is_visible(value.ptr[i]) && value.ptr[i] != ' ')
            return false;
    return value.len > 0 && value.ptr[0] != ' ' && value.ptr[value.len - 1] != ' ';
}

static struct str content_type_or(struct str given, struct str otherwise)
{
    bool plausible = given.len <= 256 && fits_in_field(given) && memchr(given.ptr, '/', given.len);
    return plausible ? given : otherwise;
}

static void begin(struct http_response *response, int status)
{
    char date[HTTP_DATE_SIZE];
    http_date_write(time(NULL), date);
    const struct status_text *text = text_of(status);
    response->status = status;
    text_appendf(&response->head, "HTTP/1.1 %d %s\r\nDate: %s\r\nConnection: %s\r\n%s", status, text->reason,
                 date, status == 426 ? "close, Upgrade" : "close", text->fields ? text->fields : "");
}

/* Ends the head; `length` bytes of body follow, unless it was a HEAD. */
static void end(struct http_response *response, const struct request_head *head, uint64_t length)
{
    text_appendf(&response->head, "Content-Length: %" PRIu64 "\r\n\r\n", length);
    response->length = is_head_request(head) ? 0 : length;
}

static void append_content_type(struct http_response *response, struct str type)
{
    text_append_literal(&response->head, "X-Content-Type-Options: nosniff\r\nContent-Type: ");
    text_append_str(&response->head, type);
    text_append_literal(&response->head, "\r\n");
}

static void append_validators(struct http_response *response, const struct content_state *content)
{
    text_append_literal(&response->head, "Cache-Control: no-cache\r\nETag: ");
    text_append_str(&response->head, content->etag);
    text_append_literal(&response->head, "\r\n");
    if (!content->has_modified)
        return;
    char date[HTTP_DATE_SIZE];
    http_date_write(content->modified, date);
    text_appendf(&response->head, "Last-Modified: %s\r\n", date);
}

static void respond_not_modified(struct http_response *response, const struct content_state *content)
{
    begin(response, 304);
    append_validators(response, content);
    text_append_literal(&response->head, "\r\n"); /* no Content-Length: it would be that of a 200 */
}

/* ------------------ small pages --------------------------------------------------------------- */

static void append_html(struct text_buffer *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '<')
            text_append_literal(out, "&lt;");
        else if (*text == '>')
            text_append_literal(out, "&gt;");
        else if (*text == '&')
            text_append_literal(out, "&amp;");
        else
            text_append(out, text, 1);
    }
}

/* Writes the page for the status into `own`, and ends the head with it. */
static void end_with_page(struct http_response *response, const struct request_head *head,
                          const char *sentence)
{
    const struct status_text *text = text_of(response->status);
    struct text_buffer *page = &response->own;
    text_appendf(
        page,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
        "<meta name=\"viewport\" content=\"width=device-width\">\n"
        "<meta name=\"color-scheme\" content=\"light dark\">\n<title>%d %s</title>\n"
        "<style>body{font:1.1rem/1.5 system-ui,sans-serif;max-width:34rem;margin:15vh auto;padding:0 1rem}"
        "</style>\n</head>\n<body>\n<h1>%d %s</h1>\n<p>",
        response->status, text->reason, response->status, text->reason);
    append_html(page, sentence ? sentence : text->sentence ? text->sentence : text->reason);
    text_append_literal(page, "</p>\n</body>\n</html>\n");
    append_content_type(response, STR("text/html; charset=utf-8"));
    response->body = page->ptr;
    end(response, head, page->len);
}

void http_respond_error(struct http_response *response, const struct request_head *head, int status,
                        const char *sentence)
{
    begin(response, status);
    text_append_literal(&response->head, "Cache-Control: no-store\r\n");
    end_with_page(response, head, sentence);
}

void http_respond_redirect(struct http_response *response, const struct request_head *head,
                           struct str location)
{
    if (!fits_in_field(location)) {
        http_respond_error(response, head, 500, NULL);
        return;
    }
    begin(response, 302);
    text_append_literal(&response->head, "Location: ");
    text_append_str(&response->head, location);
    text_append_literal(&response->head, "\r\n");
    end_with_page(response, head, NULL);
}

void http_respond_version(struct http_response *response, const struct request_head *head,
                          const char *version)
{
    text_append_literal(&response->own, "{\"version\":");
    text_append_json(&response->own, str_of(version));
    text_append_literal(&response->own, "}");
    begin(response, 200);
    text_append_literal(&response->head, "Cache-Control: no-store\r\n");
    append_content_type(response, STR("application/json"));
    response->body = response->own.ptr;
    end(response, head, response->own.len);
}

/* ------------------ content ------------------------------------------------------------------- */

/* FNV-1a over words of eight bytes (megabytes would take too long bytewise), with a fold that carries high
 * bits down. It tells versions of one content apart; it is no defence against someone who looks for a
 * collision. */
static uint64_t hash_bytes(struct str bytes)
{
    uint64_t hash = 0xcbf29ce484222325u, word;
    size_t i = 0;
    for (; bytes.len - i >= sizeof word; i += sizeof word) {
        memcpy(&word, bytes.ptr + i, sizeof word);
        hash = (hash ^ word) * 0x100000001b3u;
        hash ^= hash >> 29;
    }
    for (; i < bytes.len; i++)
        hash = (hash ^ (unsigned char)bytes.ptr[i]) * 0x100000001b3u;
    return hash ^ hash >> 32;
}

void http_respond_bytes(struct http_response *response, const struct request_head *head, struct str bytes,
                        struct str content_type)
{
    char etag[ETAG_SIZE];
    snprintf(etag, sizeof etag, "\"%zx-%016" PRIx64 "\"", bytes.len, hash_bytes(bytes));
    struct content_state content = { .etag = str_of(etag), .size = bytes.len };
    if (head && conditional_not_modified(head, &content)) {
        respond_not_modified(response, &content);
        return;
    }
    begin(response, 200);
    append_validators(response, &content);
    append_content_type(response, content_type_or(content_type, STR("application/octet-stream")));
    response->body = bytes.ptr;
    end(response, head, bytes.len);
}

static void respond_part(struct http_response *response, const struct request_head *head,
                         const struct content_state *content, struct str type, uint64_t length)
{
    begin(response, 206);
    append_validators(response, content);
    append_content_type(response, type);
    text_appendf(&response->head,
                 "Accept-Ranges: bytes\r\nContent-Range: bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64 "\r\n",
                 response->offset, response->offset + length - 1, content->size);
    end(response, head, length);
}

void http_respond_file(struct http_response *response, const struct request_head *head,
                       struct static_file *file, struct str content_type)
{
    char etag[ETAG_SIZE];
    snprintf(etag, sizeof etag, "\"%" PRIx64 "%08lx-%" PRIx64 "-%" PRIx64 "\"",
             (uint64_t)file->modified.tv_sec, (unsigned long)file->modified.tv_nsec, file->size,
             (uint64_t)file->inode);
    struct content_state content = { str_of(etag), true, file->modified.tv_sec, file->size };
    struct str type = content_type_or(content_type, file->content_type);
    int fd = file->fd;
    file->fd = -1;
    response->fd = fd;
    if (head && conditional_not_modified(head, &content)) {
        respond_not_modified(response, &content);
        return;
    }
    uint64_t length = 0;
    switch (head ? conditional_range(head, &content, &response->offset, &length) : RANGE_WHOLE) {
    case RANGE_UNSATISFIABLE:
        close(fd);
        response->fd = -1; /* the body is the page */
        begin(response, 416);
        text_appendf(&response->head, "Content-Range: bytes */%" PRIu64 "\r\n", content.size);
        end_with_page(response, head, NULL);
        break;
    case RANGE_PART:
        respond_part(response, head, &content, type, length);
        break;
    case RANGE_WHOLE:
        begin(response, 200);
        append_validators(response, &content);
        append_content_type(response, type);
        text_append_literal(&response->head, "Accept-Ranges: bytes\r\n");
        end(response, head, content.size);
    }
}
