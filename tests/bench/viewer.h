/* One viewer, as a d-zone client behaves: it connects, upgrades, waits for the server list, asks for a
 * server, and listens. Its frames are read as they come; only a frame's torn end is kept, and of a large
 * snapshot nothing at all, so that ten thousand of them take little memory and less time than the server that
 * is measured.
 */
#ifndef BENCH_VIEWER_H
#define BENCH_VIEWER_H

#include "window.h"

enum viewer_state {
    VIEWER_CONNECTING,
    VIEWER_UPGRADING,
    VIEWER_LISTING, /* waits for the server list */
    VIEWER_JOINING,
    VIEWER_WATCHING,
    VIEWER_LEAVING, /* has sent its close frame */
    VIEWER_GONE,
};

struct viewer {
    int fd;
    enum viewer_state state;
    bool deaf;      /* reads nothing */
    uint64_t begun; /* when it began to connect */
    struct stream stream;
    unsigned char *rest; /* the beginning of a frame whose end hasn't come */
    size_t rest_len, rest_capacity;
    uint64_t skip;       /* bytes of a long frame's payload that are still to come */
    unsigned char first; /* byte of the frame that is being read */
    bool snapshot;       /* the message that is being read is one */
};

/* What all viewers share. */
struct crowd {
    int epoll;
    uint16_t port;
    uint64_t serial;         /* of the newest one: chooses its address on the loopback */
    unsigned receive_buffer; /* bytes, of those who connect from now on; 0: the kernel's choice */
    unsigned connecting, watching;
    uint64_t lost;          /* ended without having been told to leave */
    char why[128];          /* the first of them */
    uint64_t bytes;         /* read by all, ever */
    struct histogram joins; /* from connect() to the end of the snapshot */
    struct window window;
};

void viewer_begin(struct crowd *crowd, struct viewer *viewer);
/* Its descriptor has something to say; `events` are epoll's. */
void viewer_event(struct crowd *crowd, struct viewer *viewer, uint32_t events);
/* Says goodbye with a close frame, and is gone when the server has answered. */
void viewer_leave(struct crowd *crowd, struct viewer *viewer);
/* Without a word. */
void viewer_drop(struct crowd *crowd, struct viewer *viewer);
/* Reads nothing from now on, or again. */
void viewer_set_deaf(struct crowd *crowd, struct viewer *viewer, bool deaf);

#endif
