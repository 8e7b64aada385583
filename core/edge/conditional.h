/* Is the browser's copy still good, and which part of the content does it want: RFC 9110 sections 13 and 14.
 *
 * If-None-Match counts before If-Modified-Since. One range of bytes is served; several at once would need a
 * multipart answer that no client of ours asks for, so they get the whole (RFC 9110 allows that).
 */
#ifndef DBACK_EDGE_CONDITIONAL_H
#define DBACK_EDGE_CONDITIONAL_H

#include "edge/request_head.h"

#include <time.h>

#define HTTP_DATE_SIZE 30 /* "Sun, 06 Nov 1994 08:49:37 GMT" and NUL */

/* Writes the only date form that may be sent. Years 0 to 9999. */
void http_date_write(time_t when, char text[HTTP_DATE_SIZE]);
/* Reads that form (the two obsolete ones count as no date). False: it is no such date. */
bool http_date_read(struct str text, time_t *when);

/* What the content is like now. */
struct content_state {
    struct str etag; /* a strong one, with its quotes */
    bool has_modified;
    time_t modified;
    uint64_t size;
};

/* Answer 304? */
bool conditional_not_modified(const struct request_head *head, const struct content_state *content);

enum range_kind { RANGE_WHOLE, RANGE_PART, RANGE_UNSATISFIABLE };
/* What Range and If-Range ask for; PART sets `offset` and `length` (at least 1 byte, within the content). */
enum range_kind conditional_range(const struct request_head *head, const struct content_state *content,
                                  uint64_t *offset, uint64_t *length);

#endif
