/* The content type of a file by the end of its name. Browsers are told not to guess (nosniff), so it must be
 * right. */
#ifndef DBACK_EDGE_CONTENT_TYPE_H
#define DBACK_EDGE_CONTENT_TYPE_H

#include "base/text.h"

/* By the extension of the last component of `path`, not minding case; "application/octet-stream" for an
 * unknown one. Constant text, also NUL-terminated. */
struct str content_type_of(struct str path);

#endif
