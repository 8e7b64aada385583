/* A snapshot: the server-join frames of one roster, built once and shared by everyone who joins.
 *
 * The body ({"type":"server-join","data":{"users":{…}) is the same for all; what follows it (the request's
 * echo, the server's name, the client id) may differ. A small roster makes one whole frame per ending; a
 * large one is cut into WebSocket fragments that all joiners share, and only the last fragment carries the
 * ending. So a stampede of ten thousand viewers onto five thousand users holds the text once. Fragments also
 * leave room between them for the control frames that the WebSocket library sends by itself.
 */
#ifndef DBACK_STATE_SNAPSHOT_H
#define DBACK_STATE_SNAPSHOT_H

#include "state/frame.h"
#include "state/roster.h"

/* Up to this many bytes of payload travel as one frame. */
#define SNAPSHOT_WHOLE_MAX 16384
/* One write to a socket, as much as libwebsockets takes at once. */
#define SNAPSHOT_FRAGMENT (65536 - 256)

struct snapshot {
    unsigned references;      /* atomic */
    uint64_t version;         /* roster_version() that it shows */
    struct str body;          /* owned */
    struct frame **fragments; /* shared; none for a small body */
    size_t fragment_count;
    struct str ending;  /* owned: that of `last` */
    struct frame *last; /* the frame that closes the message, for `ending` */
};

struct snapshot *snapshot_create(const struct roster *roster);
/* What it holds, about. */
size_t snapshot_bytes(const struct snapshot *snapshot);
struct snapshot *snapshot_ref(struct snapshot *snapshot); /* [any] */
void snapshot_unref(struct snapshot *snapshot);           /* [any] NULL-safe */
/* [core] The closing frame for this ending, counted for the caller; the latest is kept, because joiners in a
 * row mostly ask alike. */
struct frame *snapshot_last_frame(struct snapshot *snapshot, struct str ending);

/* Appends its users, the JSON object {"<uid>":{…},…}. [any] */
void snapshot_write_users(const struct snapshot *snapshot, struct text_buffer *out);

#endif
