/* The live feed of /v1/events: one JSON line an event, for as long as the operator listens.
 *
 * The core writes the lines into a frame log of their own (app/feed.h), and each listener is a cursor in it,
 * as a viewer is in his server's. Who reads so slowly that more than FEED_BEHIND_MAX bytes wait is told so,
 * and let go.
 */
#ifndef DBACK_CONTROL_FEED_H
#define DBACK_CONTROL_FEED_H

#include "control/inside.h"

#define FEEDS_MAX 64
#define FEED_BEHIND_MAX 1048576
/* After so long without an event there is a line that says that it is still alive. */
#define FEED_QUIET_MS 15000

/* For send_answer(). */
struct MHD_Response *feed_response(struct exchange *exchange);
/* The exchange is over. */
void feed_close(struct exchange *exchange);
/* The core has written something. */
void feeds_look(struct control *control);
void feeds_tick(struct control *control, uint64_t now);
void feeds_end(struct control *control);

#endif
