/* The feed: what happens, told to the operator who listens, one JSON object an event.
 *
 * What viewers are sent appears in it as they get it, with the time before it; what only the operator is
 * concerned with is noted beside. As long as nobody listens nothing is written.
 */
#ifndef DBACK_APP_FEED_H
#define DBACK_APP_FEED_H

#include "app/core.h"

/* [core] One listener more, from now on; `wake` is sent at the end of each turn in which something was
 * written. The log is counted for the caller. */
struct frame_log *feed_listen(struct core *core, uv_async_t *wake, struct log_cursor *cursor);
void feed_leave(struct core *core);

static inline bool feed_is_heard(const struct core *core)
{
    return core->feed.log != NULL;
}
/* [core] A frame for viewers: a JSON object. */
void feed_frame(struct core *core, struct str payload);
/* [core] Members after the type, JSON as it is: ",\"viewers\":5". */
void feed_note(struct core *core, const char *type, struct str members);
/* [core] One member of text. */
void feed_note_text(struct core *core, const char *type, const char *name, const char *text);

#endif
