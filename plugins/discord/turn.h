/* Whose turn it is to identify: one instance at a time.
 *
 * Discord takes one session start of a bot in five seconds, and two instances with one token don't know of
 * each other: the old and the new one of a reload, or two entries of d-back.cfg. Their code is loaded apart,
 * so they share no variable. What they share is the machine's list of abstract socket addresses: whoever has
 * the one that follows from the token may identify, and keeps it for those five seconds. It goes with the
 * process that has it.
 */
#ifndef DBACK_DISCORD_TURN_H
#define DBACK_DISCORD_TURN_H

#include "alarm.h"

struct turn {
    int fd;            /* below 0: it isn't ours */
    uint64_t since_ms; /* when we began to wait; 0: we don't */
    struct alarm end;
};

void turn_init(struct turn *turn, struct alarms *alarms);
void turn_finish(struct turn *turn);
/* 0: it is ours, or can't be had (nobody is waited for longer than 30 seconds); else so many milliseconds
 * later. */
uint64_t turn_wait(struct turn *turn, const char *token, uint64_t now);
/* We have identified: it is ours for `ms` yet. */
void turn_keep(struct turn *turn, uint64_t ms);
/* We won't identify now. */
void turn_give_up(struct turn *turn);

#endif
