/* Reads WebSocket frames as a client does (RFC 6455, 5.2), written independently of the code under test. */
#ifndef DBACK_TESTS_UNIT_PARSE_FRAME_H
#define DBACK_TESTS_UNIT_PARSE_FRAME_H

#include "base/text.h"

struct parsed_frame {
    unsigned first_byte;
    struct str payload;
    size_t len; /* of the whole frame */
};

/* False: there is no complete, unmasked, minimally encoded frame at the beginning. */
static inline bool parse_frame(struct str stream, struct parsed_frame *out)
{
    *out = (struct parsed_frame){ 0 };
    const unsigned char *p = (const unsigned char *)stream.ptr;
    if (stream.len < 2 || (p[1] & 0x80))
        return false;
    size_t header = p[1] == 126 ? 4 : p[1] == 127 ? 10 : 2;
    if (stream.len < header)
        return false;
    uint64_t len = p[1];
    if (header > 2) {
        len = 0;
        for (size_t i = 2; i < header; i++)
            len = len * 256 + p[i];
        if (len <= (header == 4 ? 125u : 65535u))
            return false;
    }
    if (stream.len - header < len)
        return false;
    *out = (struct parsed_frame){ p[0], { stream.ptr + header, (size_t)len }, header + (size_t)len };
    return true;
}

#endif
