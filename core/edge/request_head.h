/* The head of an HTTP/1 request: read strictly, byte by byte as it comes, before anything else sees it.
 *
 * Whoever speaks to the public port is a stranger, so what RFC 9110 and 9112 leave to a server's indulgence
 * is refused: bare LF, folded lines, a space before the colon, two Hosts. The result is the same however the
 * bytes were cut into pieces. One connection carries one request: content after the head of a plain request
 * is never read.
 */
#ifndef DBACK_EDGE_REQUEST_HEAD_H
#define DBACK_EDGE_REQUEST_HEAD_H

#include "edge/http_text.h"

#define HEAD_FIELDS_MAX 100   /* field lines in one head; more answers 431 */
#define HEAD_FORWARDED_MAX 8  /* X-Forwarded-For lines that are kept: the last ones, the nearest proxies' */
#define HEAD_UPGRADE_SIZE 256 /* request_head_write_upgrade() writes fewer bytes than that */

enum head_result {
    HEAD_MORE,     /* the head isn't complete yet */
    HEAD_COMPLETE, /* all members below are set; `used` bytes of the buffer were the head */
    HEAD_ERROR, /* answer `status` with `sentence` and close; `method` is HEAD when that was seen already */
};

enum request_method { METHOD_OTHER, METHOD_GET, METHOD_HEAD };

/* Start with all zero. The pieces point into the caller's buffer, and hold while it isn't moved or changed. A
 * piece whose ptr is NULL wasn't sent (a field that was sent empty has a ptr and len 0). Owns nothing. */
struct request_head {
    size_t used;
    int status;           /* HEAD_ERROR: 400, 405, 414, 426, 431, 501 or 505 */
    const char *sentence; /* HEAD_ERROR: why, for people; constant text */

    enum request_method method; /* a complete head is GET or HEAD; others are a 405 */
    unsigned minor;             /* of HTTP/1.x: 0 or 1 */
    struct str path;            /* as sent, starts with "/"; path_decode() of it can't fail */
    struct str query;           /* as sent, without the "?" */
    struct str host; /* Host, or the authority of an absolute target; checked; may be empty or not sent */
    struct str if_none_match, if_modified_since, range, if_range;
    struct str forwarded_for[HEAD_FORWARDED_MAX]; /* the lines in the order sent; oldest are dropped */
    size_t forwarded_for_count;
    struct str forwarded_proto, forwarded_host; /* the last line of each */
    bool accepts_html;        /* Accept names text/html itself: a browser that opens a page */
    bool wants_websocket;     /* a good WebSocket upgrade (version 13); else it is plain HTTP */
    struct str websocket_key; /* Sec-WebSocket-Key: 24 characters */

    struct { /* private: where reading stands */
        size_t scanned, first_line;
        unsigned fields;
        int state;
    } progress;
};

/* Reads on in `bytes`: all `len` bytes that came so far, not just the new ones (the buffer may have moved
 * since the last call). At most `limit` bytes may be the head. After COMPLETE or ERROR don't call again with
 * this head. */
enum head_result request_head_read(struct request_head *head, const char *bytes, size_t len, size_t limit);

/* Appends the upgrade request that libwebsockets gets to see in place of the viewer's: the key and nothing
 * else of what was sent, so that no cookie, extension, subprotocol or path of a stranger is ever parsed
 * there. For a head with `wants_websocket`. The bytes after `used` follow it unchanged. */
void request_head_write_upgrade(const struct request_head *head, struct text_buffer *out);

#endif
