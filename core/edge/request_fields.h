/* The fields of a complete request head: given their places, and judged together. The second half of
 * request_head.h. */
#ifndef DBACK_EDGE_REQUEST_FIELDS_H
#define DBACK_EDGE_REQUEST_FIELDS_H

#include "edge/request_head.h"

/* `lines` is the field section, each line ending in CR LF, with the empty line at its end; the request line
 * has been read into `head`. HEAD_COMPLETE or HEAD_ERROR. */
enum head_result request_fields_read(struct request_head *head, struct str lines);

/* Sets what to answer and returns HEAD_ERROR. */
enum head_result request_head_refuse(struct request_head *head, int status, const char *sentence);

#endif
