/* Checks for the operator: everything that has to be right at Discord, one plain sentence each.
 *
 * Handed out as extension "x-discord-doctor": a program that has created an instance calls run() on the
 * instance's thread, before anything else; the gateway isn't connected to then.
 */
#ifndef DBACK_DISCORD_DOCTOR_H
#define DBACK_DISCORD_DOCTOR_H

#include "base.h"

struct discord;
struct doctor;

/* `level` is DBACK_LOG_INFO: fine; WARN: works, but; ERROR: must be changed. */
typedef void (*doctor_line)(void *arg, uint32_t level, dback_str sentence);
typedef void (*doctor_done)(void *arg, uint32_t errors);

/* [provider] */
struct discord_doctor {
    uint32_t size;
    /* Answers DBACK_OK, and calls `line` and at the end `done` later; or below 0: one runs already, or memory
     * is out. */
    int32_t (*run)(void *self, doctor_line line, doctor_done done, void *arg);
};

int32_t doctor_run(struct discord *discord, doctor_line line, doctor_done done, void *arg);
void doctor_free(struct doctor *doctor); /* NULL-safe */

#endif
