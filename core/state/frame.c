/* See frame.h. */
#include "state/frame.h"

#include <stdlib.h>

static void write_big_endian(unsigned char *out, size_t bytes, uint64_t value)
{
    for (size_t i = bytes; i-- > 0; value >>= 8)
        out[i] = (unsigned char)(value & 0xff);
}

size_t frame_header_write(unsigned char out[FRAME_HEADER_MAX], unsigned first_byte, size_t payload_len)
{
    out[0] = (unsigned char)first_byte;
    if (payload_len <= 125) {
        out[1] = (unsigned char)payload_len;
        return 2;
    }
    if (payload_len <= 0xffff) {
        out[1] = 126;
        write_big_endian(out + 2, 2, payload_len);
        return 4;
    }
    out[1] = 127;
    write_big_endian(out + 2, 8, payload_len);
    return 10;
}

struct frame *frame_create_fragment(unsigned first_byte, struct str payload)
{
    unsigned char header[FRAME_HEADER_MAX];
    size_t header_len = frame_header_write(header, first_byte, payload.len);
    struct frame *frame = xmalloc(sizeof *frame + header_len + payload.len);
    frame->references = 1;
    frame->len = header_len + payload.len;
    memcpy(frame->bytes, header, header_len);
    if (payload.len)
        memcpy(frame->bytes + header_len, payload.ptr, payload.len);
    return frame;
}

struct frame *frame_create(struct str payload)
{
    return frame_create_fragment(FRAME_WHOLE_TEXT, payload);
}

struct frame *frame_ref(struct frame *frame)
{
    __atomic_fetch_add(&frame->references, 1, __ATOMIC_RELAXED);
    return frame;
}

void frame_unref(struct frame *frame)
{
    if (frame && __atomic_sub_fetch(&frame->references, 1, __ATOMIC_ACQ_REL) == 0)
        free(frame);
}

size_t frame_payload(struct str bytes, size_t *header)
{
    const unsigned char *b = (const unsigned char *)bytes.ptr;
    size_t extra = b[1] == 126 ? 2 : b[1] == 127 ? 8 : 0, len = extra ? 0 : b[1];
    for (size_t i = 0; i < extra; i++)
        len = len << 8 | b[2 + i];
    *header = 2 + extra;
    return len;
}
