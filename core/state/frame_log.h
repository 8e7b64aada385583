/* The frame log: the one copy of everything that a server's viewers are sent.
 *
 * Ready-made WebSocket frames, back to back, in a chain of counted chunks of up to 64 KiB. The core thread
 * appends; edge workers read, each with a cursor per viewer, and write straight from the chunk to the socket.
 * No locks.
 *   - Bytes never change once published (the chunk's `used` is stored with release order after the bytes).
 *   - A frame never straddles two chunks.
 *   - A position is a 64-bit offset that only grows; it is a frame boundary.
 * A chunk lives while the log, a predecessor that is held, or a cursor holds it: a reader can't be overtaken
 * by the writer, only left behind, and then letting go frees the memory. The log itself holds only its
 * newest chunk, and none before the first cursor or append. A cursor outlives the log.
 */
#ifndef DBACK_STATE_FRAME_LOG_H
#define DBACK_STATE_FRAME_LOG_H

#include "base/text.h"

#define FRAME_LOG_CHUNK 65536
/* The largest frame that fits, header included. */
#define FRAME_LOG_FRAME_MAX (FRAME_LOG_CHUNK - 64)

struct frame_log;
struct log_chunk;

/* A place in a log; holds its chunk. {0} is no place. */
struct log_cursor {
    struct log_chunk *chunk;
    uint32_t offset; /* within the chunk */
};

/* Counted; the core holds one reference, every subscribed edge worker's viewers the others. */
struct frame_log *frame_log_create(void);
struct frame_log *frame_log_ref(struct frame_log *log); /* [any] */
void frame_log_unref(struct frame_log *log);            /* [any] NULL-safe */

/* [core] Appends one text frame with this payload (header added here). -EMSGSIZE when it can't fit. */
int frame_log_append(struct frame_log *log, struct str payload);

/* [core] Nobody watches any more: gives the newest chunk back, unless a cursor still holds it. The head
 * stays. */
void frame_log_trim(struct frame_log *log);

/* [any] Total bytes ever appended: the position of the next frame. All of them can be peeked; a reader may
 * already have peeked the frame that is being appended, and then stands a little beyond. */
uint64_t frame_log_head(const struct frame_log *log);

/* [any] Frames ever appended. */
uint64_t frame_log_frames(const struct frame_log *log);

/* A frame whose way to the viewers is measured: the position behind it, and when it was emitted. */
struct log_mark {
    uint64_t position, emitted_ns;
};
/* [core] The frame that was appended last. */
void frame_log_mark(struct frame_log *log, uint64_t emitted_ns);
/* [any] The latest. False: there is none, or it is being changed just now. */
bool frame_log_marked(const struct frame_log *log, struct log_mark *mark);

/* [core] A cursor at the head: what is appended from now on. */
struct log_cursor frame_log_cursor(struct frame_log *log);
/* [any] Another hold on the same place, as long as the given one is held. */
struct log_cursor log_cursor_copy(const struct log_cursor *cursor);
/* [any] Lets go; the cursor is {0} afterwards. {0} is fine. */
void log_cursor_release(struct log_cursor *cursor);
/* [any] Position of a cursor; 0 for {0}. */
uint64_t log_cursor_position(const struct log_cursor *cursor);

/* [edge] What can be read at the cursor without crossing into another chunk: whole frames only. Moves on
 * to the next chunk (and lets the old one go) when this one is read to its end. len 0: nothing yet. */
struct str log_cursor_peek(struct log_cursor *cursor);
/* [edge] `len` bytes of the peeked piece are done with. */
void log_cursor_advance(struct log_cursor *cursor, size_t len);

#endif
