/* The answers to plain HTTP: each builder's bytes, conditions and ranges, and the redirect with the
 * WebSocket's address. Every head is read back by a strict little reader before anything in it is looked at.
 */
#include "testing.h"

#include "edge/conditional.h"
#include "edge/http_response.h"
#include "edge/socket_url.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define CONTENT "0123456789abcdefghij"
#define MODIFIED 784111777 /* Sun, 06 Nov 1994 08:49:37 GMT */
#define MODIFIED_TEXT "Sun, 06 Nov 1994 08:49:37 GMT"

static struct request_head request_for(const char *fields)
{
    static char text[2048];
    snprintf(text, sizeof text, "%s\r\n", fields);
    struct request_head head = { 0 };
    assert_int_equal(request_head_read(&head, text, strlen(text), sizeof text), HEAD_COMPLETE);
    return head;
}

#define GET "GET / HTTP/1.1\r\nHost: h\r\n"
#define HEAD "HEAD / HTTP/1.1\r\nHost: h\r\n"

/* The value of a field; NULL when it isn't there. Fails when it is there twice, or when the head is no proper
 * one. */
static const char *field(const struct http_response *response, const char *name)
{
    static char values[8][1024];
    static unsigned turn;
    char *value = values[turn++ % 8];
    bool found = false;
    struct str rest = { response->head.ptr, response->head.len };
    assert_true(rest.len > 4 && memcmp(rest.ptr + rest.len - 4, "\r\n\r\n", 4) == 0);
    struct str line = str_cut_at(&rest, '\n');
    char expected[64];
    snprintf(expected, sizeof expected, "HTTP/1.1 %d %s\r", response->status, http_reason(response->status));
    assert_true(str_equal(line, str_of(expected)));
    while (rest.len > 2) {
        line = str_cut_at(&rest, '\n');
        assert_true(line.len > 3 && line.ptr[line.len - 1] == '\r' && !memchr(line.ptr, '\r', line.len - 1));
        line.len--;
        struct str field_name = str_cut_at(&line, ':');
        for (size_t i = 0; i < field_name.len; i++)
            assert_true(is_token(field_name.ptr[i]));
        assert_true(line.len >= 2 && line.ptr[0] == ' ');
        if (!str_equal_nocase(field_name, str_of(name)))
            continue;
        assert_false(found);
        found = true;
        snprintf(value, sizeof values[0], "%.*s", (int)line.len - 1, line.ptr + 1);
    }
    assert_true(str_equal(rest, STR("\r\n")));
    return found ? value : NULL;
}

static void assert_field(const struct http_response *response, const char *name, const char *expected)
{
    const char *value = field(response, name);
    if (!expected) {
        assert_null(value);
        return;
    }
    assert_non_null(value);
    assert_string_equal(value, expected);
}

/* What a client that obeys the response's own description gets. */
static void assert_body(const struct http_response *response, const char *expected)
{
    assert_int_equal(response->length, strlen(expected));
    char bytes[4096] = { 0 };
    assert_true(response->length < sizeof bytes);
    if (response->fd >= 0)
        assert_int_equal(pread(response->fd, bytes, response->length, (off_t)response->offset),
                         (ssize_t)response->length);
    else if (response->length)
        memcpy(bytes, response->body, response->length);
    assert_string_equal(bytes, expected);
}

static void assert_common(const struct http_response *response, int status)
{
    assert_int_equal(response->status, status);
    assert_field(response, "Connection", status == 426 ? "close, Upgrade" : "close");
    time_t when;
    const char *date = field(response, "Date");
    assert_non_null(date);
    assert_true(http_date_read(str_of(date), &when));
    assert_true(when > 1700000000 && when <= time(NULL));
    assert_null(field(response, "Server"));
    if (status != 304)
        assert_field(response, "X-Content-Type-Options", "nosniff");
}

/* ---------------------------------------------------------------- small answers ------------------------ */

static void test_errors(void **state)
{
    (void)state;
    static const int statuses[] = { 400, 403, 404, 405, 408, 414, 426, 431, 500, 501, 503, 505, 599 };
    for (size_t i = 0; i < ARRAY_LENGTH(statuses); i++) {
        struct http_response response;
        http_response_init(&response);
        http_respond_error(&response, NULL, statuses[i], NULL);
        assert_common(&response, statuses[i]);
        assert_field(&response, "Content-Type", "text/html; charset=utf-8");
        assert_field(&response, "Cache-Control", "no-store");
        assert_field(&response, "Allow", statuses[i] == 405 ? "GET, HEAD" : NULL);
        assert_field(&response, "Upgrade", statuses[i] == 426 ? "websocket" : NULL);
        assert_field(&response, "Sec-WebSocket-Version", statuses[i] == 426 ? "13" : NULL);
        assert_field(&response, "Retry-After", statuses[i] == 503 ? "5" : NULL);
        assert_int_equal(strtoull(field(&response, "Content-Length"), NULL, 10), response.length);
        assert_true(response.length > 100);
        assert_non_null(memmem(response.body, response.length, http_reason(statuses[i]),
                               strlen(http_reason(statuses[i]))));
        http_response_finish(&response);
    }
}

static void test_a_sentence_is_escaped(void **state)
{
    (void)state;
    struct http_response response;
    http_response_init(&response);
    http_respond_error(&response, NULL, 404, "<script>&");
    assert_non_null(memmem(response.body, response.length, "&lt;script&gt;&amp;", 19));
    assert_null(memmem(response.body, response.length, "<script", 7));
    http_response_finish(&response);
}

static void test_head_has_no_body(void **state)
{
    (void)state;
    struct request_head get = request_for(GET);
    struct http_response full, bare;
    http_response_init(&full);
    http_response_init(&bare);
    http_respond_error(&full, &get, 404, NULL);
    struct request_head only_head = request_for(HEAD);
    http_respond_error(&bare, &only_head, 404, NULL);
    assert_int_equal(bare.length, 0);
    assert_true(full.length > 0);
    assert_string_equal(field(&bare, "Content-Length"), field(&full, "Content-Length"));
    http_response_finish(&full);
    http_response_finish(&bare);
}

static void test_version(void **state)
{
    (void)state;
    struct request_head head = request_for(GET);
    struct http_response response;
    http_response_init(&response);
    http_respond_version(&response, &head, "1.2.3");
    assert_common(&response, 200);
    assert_field(&response, "Content-Type", "application/json");
    assert_field(&response, "Cache-Control", "no-store");
    assert_field(&response, "Content-Length", "19");
    assert_body(&response, "{\"version\":\"1.2.3\"}");
    http_response_finish(&response);
}

static void test_redirect(void **state)
{
    (void)state;
    struct request_head head = request_for(GET);
    struct http_response response;
    http_response_init(&response);
    http_respond_redirect(&response, &head, STR("/?socketURL=ws://h/"));
    assert_common(&response, 302);
    assert_field(&response, "Location", "/?socketURL=ws://h/");
    assert_field(&response, "Cache-Control", "no-store");
    http_response_finish(&response);

    static const struct str unfit[] = {
        { "/\r\nSet-Cookie: x", 16 }, { "/\n", 2 }, { "/\0", 2 }, { "", 0 }, { "/\x7f", 2 }
    };
    for (size_t i = 0; i < ARRAY_LENGTH(unfit); i++) {
        http_respond_redirect(&response, &head, unfit[i]);
        assert_common(&response, 500);
        assert_field(&response, "Location", NULL);
        assert_field(&response, "Set-Cookie", NULL);
        http_response_finish(&response);
    }
}

/* ---------------------------------------------------------------- bytes of a provider ------------------- */

static void count_release(void *held)
{
    ++*(int *)held;
}

static void test_bytes(void **state)
{
    (void)state;
    struct request_head head = request_for(GET);
    struct http_response response;
    int released = 0;
    http_response_init(&response);
    response.release = count_release;
    response.held = &released;
    http_respond_bytes(&response, &head, STR("body{}"), STR("text/css"));
    assert_common(&response, 200);
    assert_field(&response, "Content-Type", "text/css");
    assert_field(&response, "Content-Length", "6");
    assert_field(&response, "Cache-Control", "no-cache");
    assert_field(&response, "Last-Modified", NULL);
    assert_body(&response, "body{}");
    char fields[256];
    snprintf(fields, sizeof fields, GET "If-None-Match: %s\r\n", field(&response, "ETag"));
    assert_int_equal(released, 0);
    http_response_finish(&response);
    assert_int_equal(released, 1);

    head = request_for(fields);
    http_respond_bytes(&response, &head, STR("body{}"), STR("text/css"));
    assert_common(&response, 304);
    assert_body(&response, "");
    assert_field(&response, "Content-Length", NULL);
    assert_non_null(field(&response, "ETag"));
    http_response_finish(&response);
    http_respond_bytes(&response, &head, STR("body{ }"), STR("text/css"));
    assert_common(&response, 200);
    http_response_finish(&response);

    head = request_for(HEAD);
    http_respond_bytes(&response, &head, STR("body{}"), STR("text/css"));
    assert_field(&response, "Content-Length", "6");
    assert_body(&response, "");
    http_response_finish(&response);
    http_respond_bytes(&response, NULL, (struct str){ NULL, 0 }, STR("text/css"));
    assert_field(&response, "Content-Length", "0");
    assert_body(&response, "");
    http_response_finish(&response);
    assert_int_equal(released, 1);
}

/* One byte that differs anywhere, or is missing, makes another tag. */
static void test_tags_tell_bytes_apart(void **state)
{
    (void)state;
    char bytes[64], tags[sizeof bytes * 2 + 1][64];
    size_t count = 0;
    memset(bytes, 'x', sizeof bytes);
    for (size_t i = 0; i <= sizeof bytes * 2; i++) {
        size_t len = i < sizeof bytes ? i : sizeof bytes;
        if (i > sizeof bytes)
            bytes[i - sizeof bytes - 1] ^= 1;
        struct http_response response;
        http_response_init(&response);
        http_respond_bytes(&response, NULL, (struct str){ bytes, len }, STR("a/b"));
        snprintf(tags[count++], sizeof tags[0], "%s", field(&response, "ETag"));
        http_response_finish(&response);
        for (size_t earlier = 0; earlier + 1 < count; earlier++)
            assert_string_not_equal(tags[earlier], tags[count - 1]);
        if (i > sizeof bytes)
            bytes[i - sizeof bytes - 1] ^= 1;
    }
}

/* Changes that would cancel out, if the words' highest bits never met the lower ones. */
static void test_tags_mind_the_highest_bits(void **state)
{
    (void)state;
    char bytes[16] = { 0 }, first[64];
    struct http_response response;
    http_response_init(&response);
    http_respond_bytes(&response, NULL, (struct str){ bytes, sizeof bytes }, STR("a/b"));
    snprintf(first, sizeof first, "%s", field(&response, "ETag"));
    http_response_finish(&response);
    for (int i = 0; i < 2; i++) {
        memset(bytes, 0, sizeof bytes);
        bytes[i * 7] = bytes[8 + i * 7] = (char)0x80; /* whichever end the word's highest byte is */
        http_respond_bytes(&response, NULL, (struct str){ bytes, sizeof bytes }, STR("a/b"));
        assert_string_not_equal(field(&response, "ETag"), first);
        http_response_finish(&response);
    }
}

static void test_unfit_content_types_are_replaced(void **state)
{
    (void)state;
    static const struct str unfit[] = { { "", 0 },
                                        { NULL, 0 },
                                        { "text/html\r\nX: y", 15 },
                                        { "text/\0html", 10 },
                                        { "text/html\n", 10 },
                                        { "html", 4 },
                                        { " text/html", 10 },
                                        { "text/\xc3\xa4", 7 } };
    for (size_t i = 0; i < ARRAY_LENGTH(unfit); i++) {
        struct http_response response;
        http_response_init(&response);
        http_respond_bytes(&response, NULL, STR("x"), unfit[i]);
        assert_field(&response, "Content-Type", "application/octet-stream");
        assert_field(&response, "X", NULL);
        http_response_finish(&response);
    }
}

/* ---------------------------------------------------------------- files --------------------------------- */

static struct static_file a_file(const char *content)
{
    char name[] = "/tmp/dback-response-XXXXXX";
    int fd = mkstemp(name);
    assert_true(fd >= 0);
    unlink(name);
    assert_int_equal(write(fd, content, strlen(content)), (ssize_t)strlen(content));
    return (struct static_file){ .fd = fd,
                                 .size = strlen(content),
                                 .modified = { MODIFIED, 5 },
                                 .inode = 7,
                                 .content_type = STR("text/plain; charset=utf-8") };
}

static void respond(struct http_response *response, const char *fields, const char *content)
{
    struct request_head head = request_for(fields);
    struct static_file file = a_file(content);
    http_response_init(response);
    http_respond_file(response, &head, &file, (struct str){ 0 });
    assert_int_equal(file.fd, -1);
}

static void test_a_file(void **state)
{
    (void)state;
    struct http_response response;
    respond(&response, GET, CONTENT);
    assert_common(&response, 200);
    assert_field(&response, "Content-Type", "text/plain; charset=utf-8");
    assert_field(&response, "Content-Length", "20");
    assert_field(&response, "Last-Modified", MODIFIED_TEXT);
    assert_field(&response, "Cache-Control", "no-cache");
    assert_field(&response, "Accept-Ranges", "bytes");
    assert_body(&response, CONTENT);
    int fd = response.fd;
    http_response_finish(&response);
    assert_int_equal(fcntl(fd, F_GETFD), -1); /* it was closed */

    respond(&response, HEAD, CONTENT);
    assert_field(&response, "Content-Length", "20");
    assert_body(&response, "");
    http_response_finish(&response);
    respond(&response, GET, "");
    assert_field(&response, "Content-Length", "0");
    assert_body(&response, "");
    http_response_finish(&response);

    struct static_file file = a_file(CONTENT);
    http_respond_file(&response, NULL, &file, STR("font/woff2"));
    assert_field(&response, "Content-Type", "font/woff2");
    http_response_finish(&response);
    file = a_file(CONTENT);
    http_respond_file(&response, NULL, &file, STR("x\r\ny"));
    assert_field(&response, "Content-Type", "text/plain; charset=utf-8");
    http_response_finish(&response);
}

static const char *etag_of_a_file(void)
{
    static char etag[128];
    struct http_response response;
    respond(&response, GET, CONTENT);
    snprintf(etag, sizeof etag, "%s", field(&response, "ETag"));
    http_response_finish(&response);
    assert_true(etag[0] == '"' && strlen(etag) > 2 && etag[strlen(etag) - 1] == '"');
    return etag;
}

/* `%s` in the fields is the file's own tag. */
static int status_for(const char *fields)
{
    char text[1024];
    const char *mark = strstr(fields, "%s");
    snprintf(text, sizeof text, "%.*s%s%s", mark ? (int)(mark - fields) : (int)strlen(fields), fields,
             mark ? etag_of_a_file() : "", mark ? mark + 2 : "");
    struct http_response response;
    respond(&response, text, CONTENT);
    int status = response.status;
    assert_common(&response, status);
    if (status == 304) {
        assert_body(&response, "");
        assert_field(&response, "Content-Length", NULL);
        assert_field(&response, "Content-Type", NULL);
        assert_field(&response, "Last-Modified", MODIFIED_TEXT);
        assert_field(&response, "ETag", etag_of_a_file());
    }
    http_response_finish(&response);
    return status;
}

static void test_conditions(void **state)
{
    (void)state;
    assert_int_equal(status_for(GET "If-None-Match: %s\r\n"), 304);
    assert_int_equal(status_for(HEAD "If-None-Match: %s\r\n"), 304);
    assert_int_equal(status_for(GET "If-None-Match: W/%s\r\n"), 304);
    assert_int_equal(status_for(GET "If-None-Match: \"a\", W/\"b,c\" ,%s, \"d\"\r\n"), 304);
    assert_int_equal(status_for(GET "If-None-Match: *\r\n"), 304);
    assert_int_equal(status_for(GET "If-None-Match: \"other\"\r\n"), 200);
    assert_int_equal(status_for(GET "If-None-Match: \"unclosed, %s\r\n"), 200);
    assert_int_equal(status_for(GET "If-None-Match:\r\n"), 200);
    assert_int_equal(status_for(GET "If-None-Match:\r\nIf-Modified-Since: " MODIFIED_TEXT "\r\n"), 200);
    assert_int_equal(status_for(GET "If-None-Match: nonsense %s\r\n"), 200);
    /* The tag counts before the date. */
    assert_int_equal(status_for(GET "If-None-Match: \"other\"\r\nIf-Modified-Since: " MODIFIED_TEXT "\r\n"),
                     200);
    assert_int_equal(
        status_for(GET "If-None-Match: %s\r\nIf-Modified-Since: Sun, 06 Nov 1993 08:49:37 GMT\r\n"), 304);

    assert_int_equal(status_for(GET "If-Modified-Since: " MODIFIED_TEXT "\r\n"), 304);
    assert_int_equal(status_for(GET "If-Modified-Since: Sun, 06 Nov 1994 08:49:38 GMT\r\n"), 304);
    assert_int_equal(status_for(GET "If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT\r\n"), 200);
    assert_int_equal(status_for(GET "If-Modified-Since: yesterday\r\n"), 200);
    assert_int_equal(status_for(GET "If-Modified-Since:\r\n"), 200);
    /* A 304 even when a part is asked for. */
    assert_int_equal(status_for(GET "If-None-Match: %s\r\nRange: bytes=0-1\r\n"), 304);
}

static void assert_part(const char *range, const char *content_range, const char *body)
{
    char text[512];
    snprintf(text, sizeof text, GET "Range: %s\r\n", range);
    struct http_response response;
    respond(&response, text, CONTENT);
    if (response.status != 206)
        print_message("%s\n", range);
    assert_common(&response, 206);
    assert_field(&response, "Content-Range", content_range);
    assert_field(&response, "Content-Type", "text/plain; charset=utf-8");
    char length[24];
    snprintf(length, sizeof length, "%zu", strlen(body));
    assert_field(&response, "Content-Length", length);
    assert_body(&response, body);
    http_response_finish(&response);
}

static void test_ranges(void **state)
{
    (void)state;
    assert_part("bytes=0-0", "bytes 0-0/20", "0");
    assert_part("bytes=2-5", "bytes 2-5/20", "2345");
    assert_part("bytes=15-", "bytes 15-19/20", "fghij");
    assert_part("bytes=15-99", "bytes 15-19/20", "fghij");
    assert_part("bytes=15-99999999999999999999999999", "bytes 15-19/20", "fghij");
    assert_part("bytes=15-18446744073709551632", "bytes 15-19/20", "fghij"); /* 2^64 + 16 */
    assert_part("bytes=-3", "bytes 17-19/20", "hij");
    assert_part("bytes=-20", "bytes 0-19/20", CONTENT);
    assert_part("bytes=-99999999999999999999999", "bytes 0-19/20", CONTENT);
    assert_part("BYTES= 1-2", "bytes 1-2/20", "12");
    assert_part("bytes=19-19", "bytes 19-19/20", "j");

    static const char *const ignored[] = { "bytes=5-2", "bytes=-",    "bytes=",    "bytes",
                                           "bytes=x-2", "bytes=1-x",  "chars=0-1", "bytes=0-1,3-4",
                                           "bytes=--2", "bytes=+1-2", "bytes=1",   "bytes=0 - 1",
                                           "" };
    for (size_t i = 0; i < ARRAY_LENGTH(ignored); i++) {
        char text[256];
        snprintf(text, sizeof text, GET "Range: %s\r\n", ignored[i]);
        struct http_response response;
        respond(&response, text, CONTENT);
        assert_int_equal(response.status, 200);
        assert_field(&response, "Content-Range", NULL);
        assert_body(&response, CONTENT);
        http_response_finish(&response);
    }
    assert_int_equal(status_for(HEAD "Range: bytes=0-1\r\n"), 200); /* ranges are GET's alone */
}

static int lowest_free_descriptor(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    close(fd);
    return fd;
}

static void test_unsatisfiable_ranges(void **state)
{
    (void)state;
    static const char *const ranges[] = { "bytes=20-", "bytes=20-20", "bytes=99-100", "bytes=-0",
                                          "bytes=99999999999999999999-" };
    for (size_t i = 0; i < ARRAY_LENGTH(ranges); i++) {
        char text[256];
        snprintf(text, sizeof text, GET "Range: %s\r\n", ranges[i]);
        struct http_response response;
        int free_before = lowest_free_descriptor();
        respond(&response, text, CONTENT);
        assert_common(&response, 416);
        assert_field(&response, "Content-Range", "bytes */20");
        assert_int_equal(response.fd, -1);
        assert_int_equal(lowest_free_descriptor(), free_before); /* the file was closed */
        assert_null(memmem(response.body, response.length, CONTENT, strlen(CONTENT)));
        http_response_finish(&response);
    }
    struct http_response response;
    respond(&response, GET "Range: bytes=-1\r\n", "");
    assert_common(&response, 416);
    assert_field(&response, "Content-Range", "bytes */0");
    http_response_finish(&response);
}

static void test_if_range(void **state)
{
    (void)state;
    assert_int_equal(status_for(GET "Range: bytes=0-1\r\nIf-Range: %s\r\n"), 206);
    assert_int_equal(status_for(GET "Range: bytes=0-1\r\nIf-Range: W/%s\r\n"), 200);
    assert_int_equal(status_for(GET "Range: bytes=0-1\r\nIf-Range: \"other\"\r\n"), 200);
    assert_int_equal(status_for(GET "Range: bytes=0-1\r\nIf-Range: %s, \"x\"\r\n"), 200);
    assert_int_equal(status_for(GET "Range: bytes=0-1\r\nIf-Range: " MODIFIED_TEXT "\r\n"), 206);
    assert_int_equal(status_for(GET "Range: bytes=0-1\r\nIf-Range: Sun, 06 Nov 1994 08:49:38 GMT\r\n"), 200);
    assert_int_equal(status_for(GET "Range: bytes=0-1\r\nIf-Range: nonsense\r\n"), 200);
    assert_int_equal(status_for(GET "Range: bytes=99-\r\nIf-Range: \"other\"\r\n"), 200);
}

/* Whatever is asked for, what comes lies within the file. */
static void test_random_ranges_stay_within(void **state)
{
    (void)state;
    static const char spice[] = "0123456789--==,bytes ";
    struct dice dice = dice_create(9);
    for (int round = 0; round < 50000; round++) {
        char text[40] = "bytes=";
        size_t len = dice_below(&dice, 4) ? 6 : dice_below(&dice, 6);
        for (unsigned n = dice_below(&dice, 24); n > 0; n--)
            text[len++] = spice[dice_below(&dice, sizeof spice - 1)];
        char *block = malloc(len ? len : 1);
        memcpy(block, text, len);
        struct request_head head = { .method = METHOD_GET, .range = { block, len } };
        struct content_state content = { .etag = STR("\"x\""), .size = dice_below(&dice, 30) };
        uint64_t offset = 0, length = 0;
        if (conditional_range(&head, &content, &offset, &length) == RANGE_PART) {
            assert_true(length >= 1 && length <= content.size);
            assert_true(offset <= content.size - length);
        }
        head.if_none_match = head.if_range = head.range;
        conditional_not_modified(&head, &content);
        free(block);
    }
}

static void test_dates(void **state)
{
    (void)state;
    char text[HTTP_DATE_SIZE];
    http_date_write(MODIFIED, text);
    assert_string_equal(text, MODIFIED_TEXT);
    time_t when;
    struct dice dice = dice_create(4);
    for (int i = 0; i < 5000; i++) {
        time_t date = (time_t)(dice_roll(&dice) % 253402300800u); /* up to the year 9999 */
        http_date_write(date, text);
        assert_true(http_date_read(str_of(text), &when));
        assert_int_equal(when, date);
    }
    http_date_write((time_t)1 << 60, text);
    assert_true(http_date_read(str_of(text), &when));
    static const char *const wrong[] = { "",
                                         "Sunday, 06-Nov-94 08:49:37 GMT",
                                         "Sun Nov  6 08:49:37 1994",
                                         "Sun, 06 Nov 1994 08:49:37 UTC",
                                         "Sun, 06 nov 1994 08:49:37 GMT",
                                         "Sun, 00 Nov 1994 08:49:37 GMT",
                                         "Sun, 32 Nov 1994 08:49:37 GMT",
                                         "Sun, 06 Nov 1994 24:49:37 GMT",
                                         "Sun, 06 Nov 1994 08:60:37 GMT",
                                         "Sun, 06 Nov 1994 08:49:61 GMT",
                                         "Sun, 06 Nov -994 08:49:37 GMT",
                                         "Sun, 06 Nov 1994 08:49:37 GMT " };
    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++)
        assert_false(http_date_read(str_of(wrong[i]), &when));
}

/* ---------------------------------------------------------------- the WebSocket's address ----------------
 */

#define BROWSER " HTTP/1.1\r\nHost: localhost:3000\r\nAccept: text/html,*/*;q=0.8\r\n"

static void assert_location(const char *fields, bool secure, const char *host, const char *expected)
{
    struct request_head head = request_for(fields);
    struct origin origin = { secure, str_of(host) };
    struct text_buffer location = { 0 };
    assert_int_equal(socket_url_redirect(&head, &origin, true, true, &location), expected != NULL);
    assert_int_equal(location.len, expected ? strlen(expected) : 0);
    if (expected) {
        assert_memory_equal(location.ptr, expected, location.len);
        /* Followed, it isn't redirected again. */
        char again[1024];
        snprintf(again, sizeof again, "GET %.*s" BROWSER, (int)location.len, location.ptr);
        assert_location(again, secure, host, NULL);
    }
    text_finish(&location);
}

static void test_the_socket_url(void **state)
{
    (void)state;
    assert_location("GET /" BROWSER, false, "localhost:3000", "/?socketURL=ws://localhost:3000/");
    assert_location("HEAD /" BROWSER, false, "localhost:3000", "/?socketURL=ws://localhost:3000/");
    assert_location("GET /index.html" BROWSER, true, "d.example", "/index.html?socketURL=wss://d.example/");
    assert_location("GET /?a=1&b=%20x" BROWSER, false, "h", "/?socketURL=ws://h/&a=1&b=%20x");
    assert_location("GET /?" BROWSER, false, "h", "/?socketURL=ws://h/");
    assert_location("GET /?xsocketURL=1" BROWSER, false, "h", "/?socketURL=ws://h/&xsocketURL=1");
    assert_location("GET /?a=socketURL=1" BROWSER, false, "h", "/?socketURL=ws://h/&a=socketURL=1");
    assert_location("GET /" BROWSER, false, "[::1]:3000", "/?socketURL=ws://%5B::1%5D:3000/");
    /* It says already where to go. */
    assert_location("GET /?socketURL=ws://elsewhere" BROWSER, false, "h", NULL);
    assert_location("GET /?a&socketURL" BROWSER, false, "h", NULL);
    assert_location("GET /?a=1&socket%55RL=x&b" BROWSER, false, "h", NULL);
    /* Not a browser that opens the index. */
    assert_location("GET /app.js" BROWSER, false, "h", NULL);
    assert_location("GET /a/" BROWSER, false, "h", NULL);
    assert_location("GET //" BROWSER, false, "h", NULL);
    assert_location("GET //evil.example/" BROWSER, false, "h", NULL);
    assert_location("GET / HTTP/1.1\r\nHost: h\r\nAccept: */*\r\n", false, "h", NULL);
    assert_location("GET / HTTP/1.1\r\nHost: h\r\n", false, "h", NULL);
    assert_location("GET /" BROWSER, false, "", NULL);
}

static void test_the_socket_url_can_be_switched_off(void **state)
{
    (void)state;
    struct request_head head = request_for("GET /" BROWSER);
    struct origin origin = { false, head.host };
    struct text_buffer location = { 0 };
    assert_false(socket_url_redirect(&head, &origin, false, true, &location));
    assert_false(socket_url_redirect(&head, &origin, true, false, &location));
    assert_int_equal(location.len, 0);
    assert_true(socket_url_redirect(&head, &origin, true, true, &location));
    text_finish(&location);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_a_sentence_is_escaped),
        cmocka_unit_test(test_head_has_no_body),
        cmocka_unit_test(test_version),
        cmocka_unit_test(test_redirect),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_tags_tell_bytes_apart),
        cmocka_unit_test(test_tags_mind_the_highest_bits),
        cmocka_unit_test(test_unfit_content_types_are_replaced),
        cmocka_unit_test(test_a_file),
        cmocka_unit_test(test_conditions),
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_unsatisfiable_ranges),
        cmocka_unit_test(test_if_range),
        cmocka_unit_test(test_random_ranges_stay_within),
        cmocka_unit_test(test_dates),
        cmocka_unit_test(test_the_socket_url),
        cmocka_unit_test(test_the_socket_url_can_be_switched_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
