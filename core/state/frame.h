/* A frame: one complete WebSocket frame from server to client (so unmasked), ready to be written to a socket.
 *
 * Made once, then shared by everyone who gets it: immutable and counted.
 */
#ifndef DBACK_STATE_FRAME_H
#define DBACK_STATE_FRAME_H

#include "base/text.h"

/* The first byte of a text message that is a single frame (RFC 6455, 5.2: FIN and opcode 1). */
#define FRAME_WHOLE_TEXT 0x81u
#define FRAME_HEADER_MAX 10

struct frame {
    unsigned references; /* atomic */
    size_t len;          /* header and payload */
    unsigned char bytes[];
};

/* Writes the header of a frame with this first byte (FIN and opcode) and returns its length: 2 for a payload
 * of up to 125 bytes, 4 for up to 65,535, 10 above. [any] */
size_t frame_header_write(unsigned char out[FRAME_HEADER_MAX], unsigned first_byte, size_t payload_len);

/* A text message in one frame. The payload is copied. [any] */
struct frame *frame_create(struct str payload);
/* A part of a message, or a frame of another kind: as `first_byte` says. [any] */
struct frame *frame_create_fragment(unsigned first_byte, struct str payload);

/* Of the frame that `bytes`, whole frames as made here, begin with: the length of its payload, and of the
 * header before it. [any] */
size_t frame_payload(struct str bytes, size_t *header);

struct frame *frame_ref(struct frame *frame); /* [any] */
void frame_unref(struct frame *frame);        /* [any] NULL-safe */

#endif
