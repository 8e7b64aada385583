/* Telling a d-zone page where its WebSocket is.
 *
 * A d-zone build that we serve can't find us by itself (it guesses a host name without our port), but it
 * obeys a `socketURL` argument in its own address. So a browser that opens the index of the operator's own
 * site without one is sent to the same page with it.
 */
#ifndef DBACK_EDGE_SOCKET_URL_H
#define DBACK_EDGE_SOCKET_URL_H

#include "edge/peer.h"
#include "edge/request_head.h"

/* Should this request be redirected? Then `location` is appended: "/?socketURL=ws://localhost:3000/" and the
 * other arguments as they were. `static_dir_is_own` and `announce` as configured; both must be true. */
bool socket_url_redirect(const struct request_head *head, const struct origin *origin, bool static_dir_is_own,
                         bool announce, struct text_buffer *location);

#endif
