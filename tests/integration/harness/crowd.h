/* A viewer of the crowd, and what its two files say to each other: crowd.c is what viewers do, crowd_frames.c
 * judges what they are sent.
 */
#ifndef TEST_CROWD_H
#define TEST_CROWD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SERVERS_MAX 64

enum kind { STAYS, WANDERS, SURGES, DRIPS, NAPS, QUITS, KINDS };
enum state { AWAY, UPGRADING, LISTING, WATCHING, LEAVING };

struct viewer {
    int fd;
    enum kind kind;
    enum state state;
    bool deaf;
    char *bytes; /* what has come and isn't complete */
    size_t len, capacity;
    char *text; /* of a message in fragments, as far as it has come */
    size_t text_len;
    unsigned server, asked; /* the one that it watches, the one that it asked for last */
    bool asking;            /* and hasn't been answered */
    unsigned tick;          /* of the latest colour */
    bool said, may_be_said; /* its number was said; that isn't known, a snapshot brought the colour */
    uint64_t act_ms;        /* when it does something next */
};

/* Of all of them. */
struct crowd {
    unsigned servers, on_the_way;
    unsigned newest[SERVERS_MAX]; /* the latest tick that anybody saw */
    uint64_t joins, snapshots_again, frames, wrong, lost;
    char why[512]; /* what was wrong first */
};
extern struct crowd crowd;

/* crowd.c */
void complain(const struct viewer *viewer, const char *format, ...) __attribute__((format(printf, 2, 3)));
void lose(struct viewer *viewer, const char *how);
void ask(struct viewer *viewer, unsigned server);
/* At most 125 bytes. */
void send_frame(struct viewer *viewer, int opcode, const char *payload, size_t len);
unsigned pick(unsigned bound); /* by chance, below `bound` */

/* crowd_frames.c: goes through what is complete of `bytes`, and keeps the rest. The viewer may be away then.
 */
void take_bytes(struct viewer *viewer);

#endif
