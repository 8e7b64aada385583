/* What the load client and the bare loop say to each other and to d-back: time, and the few forms of
 * WebSocket frames that either of them writes.
 */
#ifndef BENCH_WIRE_H
#define BENCH_WIRE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

enum { OP_CONTINUATION = 0x0, OP_TEXT = 0x1, OP_CLOSE = 0x8, OP_PING = 0x9, OP_PONG = 0xa };

#define FRAME_HEADER_MAX 14
#define FRAME_FINAL 0x80u
#define FRAME_MASKED 0x80u

/* Digits of the time that ends a message's text, after an '@'. */
#define STAMP_DIGITS 19

static inline uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* The length of the header, which is at most FRAME_HEADER_MAX. With a mask, a key of zeros is not used: the
 * server's work of unmasking is a part of what is measured. */
static inline size_t frame_header(unsigned char *to, unsigned opcode, size_t len, const unsigned char *mask)
{
    size_t n = 2;
    to[0] = (unsigned char)(FRAME_FINAL | opcode);
    unsigned masked = mask ? FRAME_MASKED : 0;
    if (len < 126) {
        to[1] = (unsigned char)(masked | len);
    } else if (len < 65536) {
        to[1] = (unsigned char)(masked | 126u);
        to[2] = (unsigned char)(len >> 8);
        to[3] = (unsigned char)len;
        n = 4;
    } else {
        to[1] = (unsigned char)(masked | 127u);
        for (int i = 0; i < 8; i++)
            to[2 + i] = (unsigned char)((uint64_t)len >> (56 - 8 * i));
        n = 10;
    }
    if (mask) {
        memcpy(to + n, mask, 4);
        n += 4;
    }
    return n;
}

#endif
