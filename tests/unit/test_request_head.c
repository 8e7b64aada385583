/* The request's head: each rule of its grammar by itself, then mutated heads, which have to give the same
 * result however they are cut, and never make the parser look outside its bytes. */
#include "testing.h"

#include "edge/request_head.h"

#include <stdio.h>

#define LIMIT 16384
#define KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define UPGRADE_FIELDS "Upgrade: websocket\r\nConnection: Upgrade\r\n"
#define UPGRADE "Host: h\r\n" UPGRADE_FIELDS "Sec-WebSocket-Key: " KEY "\r\nSec-WebSocket-Version: 13\r\n"

#define assert_str(piece, text)                                                                              \
    do {                                                                                                     \
        struct str piece_ = (piece);                                                                         \
        assert_int_equal(piece_.len, strlen(text));                                                          \
        assert_memory_equal(piece_.ptr, (text), piece_.len);                                                 \
    } while (0)

static struct request_head read_whole(const char *bytes, size_t len, size_t limit, enum head_result *result)
{
    struct request_head head = { 0 };
    *result = request_head_read(&head, bytes, len, limit);
    return head;
}

static struct request_head good(const char *text)
{
    enum head_result result;
    struct request_head head = read_whole(text, strlen(text), LIMIT, &result);
    if (result != HEAD_COMPLETE)
        print_message("refused: %d %s\n%s\n", head.status, head.sentence, text);
    assert_int_equal(result, HEAD_COMPLETE);
    assert_int_equal(head.used, strlen(text));
    return head;
}

static void bad_bytes(const char *bytes, size_t len, int status)
{
    enum head_result result;
    struct request_head head = read_whole(bytes, len, LIMIT, &result);
    if (result != HEAD_ERROR || head.status != status)
        print_message("result %d, status %d (%s) instead of %d\n%.*s\n", (int)result, head.status,
                      head.sentence ? head.sentence : "", status, (int)len, bytes);
    assert_int_equal(result, HEAD_ERROR);
    assert_int_equal(head.status, status);
    assert_non_null(head.sentence);
}

static void bad(const char *text, int status)
{
    bad_bytes(text, strlen(text), status);
}

/* ---------------------------------------------------------------- the request line --------------------- */

static void test_a_plain_get(void **state)
{
    (void)state;
    struct request_head head =
        good("GET /a/b%20c?x=1&y HTTP/1.1\r\nHost: localhost:3000\r\nAccept: */*\r\n\r\n");
    assert_int_equal(head.method, METHOD_GET);
    assert_int_equal(head.minor, 1);
    assert_str(head.path, "/a/b%20c");
    assert_str(head.query, "x=1&y");
    assert_str(head.host, "localhost:3000");
    assert_false(head.accepts_html);
    assert_false(head.wants_websocket);
    assert_null(head.range.ptr);
    assert_null(head.if_none_match.ptr);

    head = good("HEAD / HTTP/1.0\r\n\r\n");
    assert_int_equal(head.method, METHOD_HEAD);
    assert_int_equal(head.minor, 0);
    assert_null(head.host.ptr);
    assert_null(head.query.ptr);

    head = good("GET /? HTTP/1.1\r\nHost:\r\n\r\n");
    assert_non_null(head.query.ptr);
    assert_int_equal(head.query.len, 0);
    assert_non_null(head.host.ptr);
    assert_int_equal(head.host.len, 0);
}

static void test_an_absolute_address(void **state)
{
    (void)state;
    struct request_head head = good("GET http://real.example:81/p?q HTTP/1.1\r\nHost: other\r\n\r\n");
    assert_str(head.host, "real.example:81");
    assert_str(head.path, "/p");
    assert_str(head.query, "q");
    head = good("GET HTTPS://real.example HTTP/1.1\r\nHost: other\r\n\r\n");
    assert_str(head.path, "/");
    assert_null(head.query.ptr);
    head = good("GET ws://[::1]?x HTTP/1.1\r\nHost: other\r\n\r\n");
    assert_str(head.host, "[::1]");
    assert_str(head.path, "/");
    assert_str(head.query, "x");
    bad("GET ftp://h/ HTTP/1.1\r\nHost: h\r\n\r\n", 400);
    bad("GET http:/h/ HTTP/1.1\r\nHost: h\r\n\r\n", 400);
    bad("GET http:///p HTTP/1.1\r\nHost: h\r\n\r\n", 400);
    bad("GET http://user@h/ HTTP/1.1\r\nHost: h\r\n\r\n", 400);
    bad("GET http://h:99999/ HTTP/1.1\r\nHost: h\r\n\r\n", 400);
    bad("GET http://h/\r\n\r\n", 400);
}

static void test_wrong_request_lines(void **state)
{
    (void)state;
    bad("GET /\r\n\r\n", 400);
    bad("GET  / HTTP/1.1\r\nHost: h\r\n\r\n", 400);
    bad("GET / HTTP/1.1 \r\nHost: h\r\n\r\n", 400);
    bad("GET /a b HTTP/1.1\r\nHost: h\r\n\r\n", 400);
    bad(" GET / HTTP/1.1\r\nHost: h\r\n\r\n", 400);
    bad("GET\t/ HTTP/1.1\r\nHost: h\r\n\r\n", 400);
    bad("G@T / HTTP/1.1\r\nHost: h\r\n\r\n", 400);
    bad("GET * HTTP/1.1\r\nHost: h\r\n\r\n", 400);
    bad("GET host:80 HTTP/1.1\r\nHost: h\r\n\r\n", 400);
    bad("GET relative HTTP/1.1\r\nHost: h\r\n\r\n", 400);
    bad("GET /#top HTTP/1.1\r\nHost: h\r\n\r\n", 400);
    bad("GET /\xc3\xa4 HTTP/1.1\r\nHost: h\r\n\r\n", 400);
    bad("GET /%zz HTTP/1.1\r\nHost: h\r\n\r\n", 400);
    bad("GET /a%2 HTTP/1.1\r\nHost: h\r\n\r\n", 400);
    bad("GET /% HTTP/1.1\r\nHost: h\r\n\r\n", 400);
    bad("GET /a%00b HTTP/1.1\r\nHost: h\r\n\r\n", 400);
    bad("GET / http/1.1\r\nHost: h\r\n\r\n", 400);
    bad("GET / HTTP/11\r\nHost: h\r\n\r\n", 400);
    bad("GET / HTTP/1.1.1\r\nHost: h\r\n\r\n", 400);
    bad("GET / XTTP/1.1\r\nHost: h\r\n\r\n", 400);
    bad("GET / HTTP/1.2\r\n\r\n", 505);
    bad("GET / HTTP/2.0\r\n\r\n", 505);
    bad("GET / HTTP/0.9\r\n\r\n", 505);
    bad("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505);
    good("GET /?%zz HTTP/1.0\r\n\r\n"); /* nobody decodes the query */
}

static void test_other_methods(void **state)
{
    (void)state;
    bad("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello", 405);
    bad("PUT /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", 405);
    bad("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", 405);
    bad("CONNECT host:443 HTTP/1.1\r\nHost: h\r\n\r\n", 405);
    bad("get / HTTP/1.1\r\nHost: h\r\n\r\n", 405);
    bad("BREW /%zz HTTP/1.1\r\nHost: h\r\n\r\n", 405);
}

static void test_other_protocols_are_refused_at_their_first_bytes(void **state)
{
    (void)state;
    bad_bytes("\x16\x03\x01", 3, 400);     /* TLS */
    bad_bytes("\x00\x00\x00\x0c", 4, 400); /* binary */
    bad_bytes("\n", 1, 400);
    bad_bytes("\r\n\r\n", 4, 400);
    bad_bytes("GET / HTTP/1.1\n", 15, 400);
    bad_bytes("SSH-2.0-x\n", 10, 400);
}

static void test_one_empty_line_before(void **state)
{
    (void)state;
    struct request_head head = good("\r\nGET /x HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_str(head.path, "/x");
    bad("\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", 400);
    bad("\rGET / HTTP/1.1\r\nHost: h\r\n\r\n", 400);
}

/* ---------------------------------------------------------------- fields ------------------------------- */

static void test_wrong_fields(void **state)
{
    (void)state;
    bad("GET / HTTP/1.1\r\nHost: h\r\n X: y\r\n\r\n", 400);
    bad("GET / HTTP/1.1\r\nHost: h\r\n\tX: y\r\n\r\n", 400);
    bad("GET / HTTP/1.1\r\n Host: h\r\n\r\n", 400);
    bad("GET / HTTP/1.1\r\nHost : h\r\n\r\n", 400);
    bad("GET / HTTP/1.1\r\nHost: h\r\n: y\r\n\r\n", 400);
    bad("GET / HTTP/1.1\r\nHost: h\r\nnothing\r\n\r\n", 400);
    bad("GET / HTTP/1.1\r\nHost: h\r\nX(: y\r\n\r\n", 400);
    bad("GET / HTTP/1.1\r\nHost: h\r\nX: a\rb\r\n\r\n", 400);
    bad("GET / HTTP/1.1\r\nHost: h\r\nX: a\nY: b\r\n\r\n", 400);
    bad("GET / HTTP/1.1\r\nHost: h\r\nX: a\x01\r\n\r\n", 400);
    bad("GET / HTTP/1.1\r\nHost: h\r\nX: a\x7f\r\n\r\n", 400);
    bad("GET / HTTP/1.1\r\nHost: h\r\n\n", 400);
    bad("GET / HTTP/1.1\r\nHost: h\n\n", 400);
    bad_bytes("GET / HTTP/1.1\r\nHost: h\r\nX: \0\r\n\r\n", 32, 400);
    bad_bytes("GET /\0 HTTP/1.1\r\nHost: h\r\n\r\n", 28, 400);
    good("GET / HTTP/1.1\r\nHost: h\r\nX: \xc3\xa4\t b \t\r\nEmpty:\r\n\r\n");
}

static void test_hosts(void **state)
{
    (void)state;
    bad("GET / HTTP/1.1\r\n\r\n", 400);
    bad("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400);
    bad("GET / HTTP/1.0\r\nHost: a\r\nhost: b\r\n\r\n", 400);
    bad("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400);
    bad("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400);
    bad("GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", 400);
    bad("GET / HTTP/1.1\r\nHost: a,b\r\n\r\n", 400);
    bad("GET / HTTP/1.1\r\nHost: a\"><script>\r\n\r\n", 400);
    struct request_head head = good("GET / HTTP/1.1\r\nhOST:\t d-zone.example:80 \t\r\n\r\n");
    assert_str(head.host, "d-zone.example:80");

    static const char *const valid[] = { "a",     "A-b.c_d~1",  "127.0.0.1",        "h:0",   "h:65535", "h:",
                                         "[::1]", "[::1]:3000", "[::ffff:1.2.3.4]", "[::1]:" };
    static const char *const invalid[] = { "",      ":80",      "h:65536", "h:100000", "h:x", "h:1:2",
                                           "[::1",  "[]",       "[::1]80", "[::g]",    "[h]", "::1",
                                           "a%20b", "h/",       "h:-1",    "[::1]:x",  "h\\", "h?",
                                           "h#",    "\xc3\xa4", "h\t",     "[::1%lo]" };
    for (size_t i = 0; i < ARRAY_LENGTH(valid); i++)
        assert_true(host_valid(str_of(valid[i])));
    for (size_t i = 0; i < ARRAY_LENGTH(invalid); i++) {
        if (host_valid(str_of(invalid[i])))
            print_message("number %zu is taken for a host\n", i);
        assert_false(host_valid(str_of(invalid[i])));
    }
    assert_false(host_valid((struct str){ NULL, 0 }));
    assert_false(host_valid((struct str){ "a\0b", 3 }));
    char longest[300];
    memset(longest, 'a', sizeof longest);
    assert_true(host_valid((struct str){ longest, 255 }));
    assert_false(host_valid((struct str){ longest, 256 }));
}

static void test_content_is_refused(void **state)
{
    (void)state;
    good("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
    bad("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello", 400);
    bad("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999999\r\n\r\n", 400);
    bad("HEAD / HTTP/1.1\r\nHost: h\r\nContent-Length: -0\r\n\r\n", 400);
    bad("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: \r\n\r\n", 400);
    bad("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 0, 0\r\n\r\n", 400);
    bad("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n", 400);
    bad("GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", 501);
    bad("GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: identity\r\nContent-Length: 0\r\n\r\n", 501);
}

static void test_what_is_extracted(void **state)
{
    (void)state;
    struct request_head head =
        good("GET / HTTP/1.1\r\nHost: h\r\nIf-None-Match: \"a\"\r\nIF-MODIFIED-SINCE: now\r\n"
             "Range: bytes=0-1\r\nIf-Range: \"b\"\r\nX-Forwarded-For: 1.1.1.1, 2.2.2.2\r\n"
             "X-Forwarded-For: 3.3.3.3\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: w\r\n"
             "X-Forwarded-Host: v\r\n\r\n");
    assert_str(head.if_none_match, "\"a\"");
    assert_str(head.if_modified_since, "now");
    assert_str(head.range, "bytes=0-1");
    assert_str(head.if_range, "\"b\"");
    assert_int_equal(head.forwarded_for_count, 2);
    assert_str(head.forwarded_for[0], "1.1.1.1, 2.2.2.2");
    assert_str(head.forwarded_for[1], "3.3.3.3");
    assert_str(head.forwarded_proto, "https");
    assert_str(head.forwarded_host, "v");

    head =
        good("GET / HTTP/1.1\r\nHost: h\r\nRange: bytes=0-1\r\nRange: bytes=2-3\r\nIf-Modified-Since: a\r\n"
             "If-Modified-Since: b\r\n\r\n");
    assert_null(head.range.ptr);
    assert_null(head.if_modified_since.ptr);
}

static void test_only_the_nearest_forwarders_are_kept(void **state)
{
    (void)state;
    struct text_buffer text = { 0 };
    text_append_literal(&text, "GET / HTTP/1.1\r\nHost: h\r\n");
    for (int i = 0; i < HEAD_FORWARDED_MAX + 3; i++)
        text_appendf(&text, "X-Forwarded-For: 10.0.0.%d\r\n", i);
    text_append(&text, "\r\n", 3);
    struct request_head head = good(text.ptr);
    assert_int_equal(head.forwarded_for_count, HEAD_FORWARDED_MAX);
    assert_str(head.forwarded_for[0], "10.0.0.3");
    assert_str(head.forwarded_for[HEAD_FORWARDED_MAX - 1], "10.0.0.10");
    text_finish(&text);
}

static bool html_accepted(const char *accept)
{
    char text[512];
    snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: h\r\nAccept: %s\r\n\r\n", accept);
    return good(text).accepts_html;
}

static void test_accepting_html(void **state)
{
    (void)state;
    assert_true(html_accepted("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"));
    assert_true(html_accepted("image/png , TEXT/HTML ;level=1; q=0.1"));
    assert_true(html_accepted("image/png\r\nAccept: text/html"));
    assert_false(html_accepted("*/*"));
    assert_false(html_accepted("text/*"));
    assert_false(html_accepted("text/htmlx, xtext/html"));
    assert_false(html_accepted("text/html;q=0"));
    assert_false(html_accepted("text/html; Q=0.000"));
    assert_false(html_accepted(""));
    assert_false(html_accepted(",;,;q=,"));
}

/* ---------------------------------------------------------------- WebSocket ---------------------------- */

static void test_an_upgrade(void **state)
{
    (void)state;
    struct request_head head =
        good("GET /sub/path/ws?x HTTP/1.1\r\n" UPGRADE "Cookie: secret\r\n"
             "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n");
    assert_true(head.wants_websocket);
    assert_str(head.websocket_key, KEY);
    struct text_buffer out = { 0 };
    request_head_write_upgrade(&head, &out);
    assert_true(out.len < HEAD_UPGRADE_SIZE);
    /* What libwebsockets gets is itself a good upgrade, with the same key and nothing of the rest. */
    text_append(&out, "", 1);
    struct request_head again = good(out.ptr);
    assert_true(again.wants_websocket);
    assert_str(again.websocket_key, KEY);
    assert_null(strstr(out.ptr, "Cookie"));
    assert_null(strstr(out.ptr, "Protocol"));
    assert_null(strstr(out.ptr, "Extensions"));
    text_finish(&out);

    head = good("GET / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, UPGRADE\r\nUpgrade: h2c, WebSocket\r\n"
                "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " KEY "\r\n\r\n");
    assert_true(head.wants_websocket);
    head =
        good("GET / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive\r\nConnection: upgrade\r\nConnection: x\r\n"
             "Upgrade: websocket\r\nUpgrade: h2c\r\n"
             "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " KEY "\r\n\r\n");
    assert_true(head.wants_websocket);
}

static void test_what_is_no_upgrade(void **state)
{
    (void)state;
    static const char *const plain[] = {
        "HEAD / HTTP/1.1\r\n" UPGRADE "\r\n",
        "GET / HTTP/1.0\r\n" UPGRADE "\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: close\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocketx\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nConnection: xUpgrade\r\nUpgrade: websocket\r\n\r\n",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(plain); i++)
        assert_false(good(plain[i]).wants_websocket);
}

static void test_wrong_upgrades(void **state)
{
    (void)state;
#define WITH(fields) "GET / HTTP/1.1\r\nHost: h\r\n" UPGRADE_FIELDS fields "\r\n"
    bad(WITH("Sec-WebSocket-Key: " KEY "\r\n"), 426);
    bad(WITH("Sec-WebSocket-Key: " KEY "\r\nSec-WebSocket-Version: 8\r\n"), 426);
    bad(WITH("Sec-WebSocket-Key: " KEY "\r\nSec-WebSocket-Version: 013\r\n"), 426);
    bad(WITH("Sec-WebSocket-Version: 13\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " KEY "\r\n"),
        426);
    bad(WITH("Sec-WebSocket-Version: 13\r\n"), 400);
    bad(WITH("Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key:\r\n"), 400);
    bad(WITH("Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short==\r\n"), 400);
    bad(WITH("Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=\r\n"), 400);
    bad(WITH("Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQAA\r\n"), 400);
    bad(WITH("Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub2=jZQ==\r\n"), 400);
    bad(WITH("Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBs SBub25jZQ==\r\n"), 400);
    bad(WITH("Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZ===\r\n"), 400);
    bad(WITH("Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " KEY "\r\nSec-WebSocket-Key: " KEY "\r\n"),
        400);
    bad(WITH("Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " KEY "\r\nContent-Length: 1\r\n"), 400);
#undef WITH
}

/* ---------------------------------------------------------------- limits ------------------------------- */

static void test_the_limit_of_bytes(void **state)
{
    (void)state;
    const char *text = "GET /path HTTP/1.1\r\nHost: h\r\n\r\n";
    size_t len = strlen(text), line = 20;
    enum head_result result;
    struct request_head head = read_whole(text, len, len, &result);
    assert_int_equal(result, HEAD_COMPLETE);
    for (size_t limit = 0; limit < len; limit++) {
        head = read_whole(text, len, limit, &result);
        assert_int_equal(result, HEAD_ERROR);
        assert_int_equal(head.status, limit < line ? 414 : 431);
        read_whole(text, limit, limit + 1, &result);
        assert_int_equal(result, HEAD_MORE);
    }
}

static void test_the_limit_of_fields(void **state)
{
    (void)state;
    for (int more = 0; more <= 1; more++) {
        struct text_buffer text = { 0 };
        text_append_literal(&text, "GET / HTTP/1.1\r\nHost: h\r\n");
        for (int i = 1; i < HEAD_FIELDS_MAX + more; i++)
            text_appendf(&text, "X-%d: y\r\n", i);
        text_append(&text, "\r\n", 3);
        if (more)
            bad(text.ptr, 431);
        else
            good(text.ptr);
        text_finish(&text);
    }
}

static void test_what_follows_the_head_is_left(void **state)
{
    (void)state;
    const char *text = "GET / HTTP/1.1\r\n" UPGRADE "\r\n\x81\x80mask";
    enum head_result result;
    struct request_head head = read_whole(text, strlen(text), LIMIT, &result);
    assert_int_equal(result, HEAD_COMPLETE);
    assert_int_equal(head.used, strlen(text) - 6);
}

/* ---------------------------------------------------------------- paths and lists ---------------------- */

static void test_decoding_paths(void **state)
{
    (void)state;
    struct text_buffer out = { 0 };
    assert_true(path_decode(STR("/a%2Fb%2e%2E%41%ff+%25"), &out));
    assert_str(((struct str){ out.ptr, out.len }), "/a/b..A\xff+%");
    size_t before = out.len;
    static const char *const wrong[] = { "/x%", "/x%4", "/x%g0", "/x%0g", "/%00", "%%41", "%-1", "% 1" };
    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
        assert_false(path_decode(str_of(wrong[i]), &out));
        size_t len = strlen(wrong[i]);
        char *block = memcpy(malloc(len), wrong[i], len); /* nothing behind it may be looked at */
        assert_false(path_escapes_valid((struct str){ block, len }));
        free(block);
        assert_int_equal(out.len, before);
    }
    text_finish(&out);
}

static void test_lists(void **state)
{
    (void)state;
    struct str list = STR(" ,a ,, b\t,c d,"), piece;
    assert_true(list_next(&list, &piece));
    assert_str(piece, "a");
    assert_true(list_next(&list, &piece));
    assert_str(piece, "b");
    assert_true(list_next(&list, &piece));
    assert_str(piece, "c d");
    assert_false(list_next(&list, &piece));
    list = (struct str){ NULL, 0 };
    assert_false(list_next(&list, &piece));
}

/* ---------------------------------------------------------------- random cuts and mutations ------------- */

static const char *const seeds[] = {
    "GET / HTTP/1.1\r\nHost: localhost:3000\r\nAccept: text/html,*/*;q=0.8\r\nIf-None-Match: \"a\", "
    "W/\"b\"\r\n\r\n",
    "GET /sub/path/ws HTTP/1.1\r\n" UPGRADE "Sec-WebSocket-Protocol: chat\r\n\r\n\x81\x05hello",
    "\r\nHEAD http://h:1/%41?q=%20 HTTP/1.0\r\nRange: bytes=0-5\r\nIf-Range: \"x\"\r\nX-Forwarded-For: "
    "1.2.3.4\r\n\r\n",
    "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc",
    "GET / HTTP/1.1\r\nHost: [::1]:80\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n",
};

/* Each call gets a block of exactly the bytes so far, at another address: reading beyond them, or through a
 * piece of an earlier call, is seen by the sanitizers. */
static enum head_result feed(struct request_head *head, const char *bytes, size_t len, size_t step,
                             size_t limit, char **block)
{
    enum head_result result = HEAD_MORE;
    for (size_t have = 0; result == HEAD_MORE && have < len;) {
        have = have + step < len ? have + step : len;
        char *moved = malloc(have);
        memcpy(moved, bytes, have);
        free(*block);
        *block = moved;
        result = request_head_read(head, moved, have, limit);
    }
    return result;
}

static size_t mutate(struct dice *dice, char *bytes, size_t len, size_t capacity)
{
    static const char spice[] = "\r\n \t:,%;?#/\\\"\0\x7f\xff\x01GETHostupgrade0123456789-=[]";
    for (unsigned n = dice_below(dice, 4); n > 0 && len > 0; n--) {
        size_t at = dice_below(dice, (unsigned)len);
        switch (dice_below(dice, 5)) {
        case 0:
            bytes[at] = (char)dice_roll(dice);
            break;
        case 1:
            bytes[at] = spice[dice_below(dice, sizeof spice)];
            break;
        case 2:
            memmove(bytes + at, bytes + at + 1, len - at - 1);
            len--;
            break;
        case 3:
            if (len < capacity) {
                memmove(bytes + at + 1, bytes + at, len - at);
                bytes[at] = spice[dice_below(dice, sizeof spice)];
                len++;
            }
            break;
        default: /* a piece of it once more */
            if (len + 12 <= capacity && at + 12 <= len) {
                memmove(bytes + at + 12, bytes + at, len - at);
                len += 12;
            }
        }
    }
    return len;
}

static void assert_inside(struct str piece, const char *block, size_t used)
{
    if (!piece.ptr || str_equal(piece, STR("/")))
        return;
    assert_true(piece.ptr >= block && piece.ptr + piece.len <= block + used);
}

static void assert_sound(const struct request_head *head, const char *block)
{
    const struct str pieces[] = { head->path,           head->query,           head->host,
                                  head->if_none_match,  head->range,           head->if_range,
                                  head->forwarded_host, head->forwarded_proto, head->if_modified_since };
    for (size_t i = 0; i < ARRAY_LENGTH(pieces); i++)
        assert_inside(pieces[i], block, head->used);
    assert_true(head->path.len >= 1 && head->path.ptr[0] == '/');
    assert_true(!head->host.len || host_valid(head->host));
    assert_true(head->method == METHOD_GET || head->method == METHOD_HEAD);
    assert_true(!head->wants_websocket || head->websocket_key.len == 24);
    struct text_buffer decoded = { 0 };
    assert_true(path_decode(head->path, &decoded));
    assert_null(memchr(decoded.ptr, '\0', decoded.len));
    text_finish(&decoded);
}

static void test_mutations_read_alike_however_they_are_cut(void **state)
{
    (void)state;
    struct dice dice = dice_create(17);
    unsigned complete = 0, refused = 0;
    for (int round = 0; round < 20000; round++) {
        char bytes[1024];
        const char *seed = seeds[dice_below(&dice, ARRAY_LENGTH(seeds))];
        size_t len = strlen(seed);
        memcpy(bytes, seed, len);
        len = mutate(&dice, bytes, len, sizeof bytes);
        size_t limit = dice_below(&dice, 8) ? LIMIT : 1 + dice_below(&dice, 200);
        struct request_head whole = { 0 }, cut = { 0 };
        char *whole_block = NULL, *cut_block = NULL;
        enum head_result a = feed(&whole, bytes, len, len, limit, &whole_block);
        size_t step = round % 16 == 0 ? 1 : 1 + dice_below(&dice, 60);
        enum head_result b = feed(&cut, bytes, len, step, limit, &cut_block);
        assert_int_equal(a, b);
        if (a == HEAD_ERROR) {
            refused++;
            assert_int_equal(whole.status, cut.status);
            assert_string_equal(whole.sentence, cut.sentence);
            assert_int_equal(whole.method == METHOD_HEAD, cut.method == METHOD_HEAD);
        } else if (a == HEAD_COMPLETE) {
            complete++;
            assert_int_equal(whole.used, cut.used);
            assert_true(whole.used <= limit);
            assert_true(str_equal(whole.path, cut.path) && str_equal(whole.host, cut.host));
            assert_int_equal(whole.wants_websocket, cut.wants_websocket);
            assert_sound(&whole, whole_block);
            assert_sound(&cut, cut_block);
        }
        free(whole_block);
        free(cut_block);
    }
    assert_true(complete > 1000 && refused > 1000); /* both kinds were really met */
}

static void test_noise(void **state)
{
    (void)state;
    struct dice dice = dice_create(18);
    for (int round = 0; round < 5000; round++) {
        size_t len = 1 + dice_below(&dice, 64);
        char *bytes = malloc(len);
        for (size_t i = 0; i < len; i++)
            bytes[i] = (char)dice_roll(&dice);
        struct request_head head = { 0 };
        assert_int_not_equal(request_head_read(&head, bytes, len, LIMIT), HEAD_COMPLETE);
        host_valid((struct str){ bytes, len });
        free(bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_plain_get),
        cmocka_unit_test(test_an_absolute_address),
        cmocka_unit_test(test_wrong_request_lines),
        cmocka_unit_test(test_other_methods),
        cmocka_unit_test(test_other_protocols_are_refused_at_their_first_bytes),
        cmocka_unit_test(test_one_empty_line_before),
        cmocka_unit_test(test_wrong_fields),
        cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_content_is_refused),
        cmocka_unit_test(test_what_is_extracted),
        cmocka_unit_test(test_only_the_nearest_forwarders_are_kept),
        cmocka_unit_test(test_accepting_html),
        cmocka_unit_test(test_an_upgrade),
        cmocka_unit_test(test_what_is_no_upgrade),
        cmocka_unit_test(test_wrong_upgrades),
        cmocka_unit_test(test_the_limit_of_bytes),
        cmocka_unit_test(test_the_limit_of_fields),
        cmocka_unit_test(test_what_follows_the_head_is_left),
        cmocka_unit_test(test_decoding_paths),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_mutations_read_alike_however_they_are_cut),
        cmocka_unit_test(test_noise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
