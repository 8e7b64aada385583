/* Checks for the operator: everything that has to be right at Discord, a plain sentence each.
 *
 * For "d-backctl discord doctor", which finds it as an extension of the plugin: it creates an instance and
 * calls run() before anything else happens to it. The gateway isn't connected to then. This header is all
 * that d-backctl knows of the plugin.
 */
#ifndef DBACK_DISCORD_DOCTOR_H
#define DBACK_DISCORD_DOCTOR_H

#include <dback/provider.h>

#define DISCORD_DOCTOR "x-discord-doctor"

/* `level` is DBACK_LOG_INFO: fine; WARN: works, but; ERROR: must be changed. The sentence has no secrets in
 * it, and nothing that could move a terminal's cursor. */
typedef void (*doctor_line)(void *arg, uint32_t level, dback_str sentence);
typedef void (*doctor_done)(void *arg);

/* [provider] */
struct discord_doctor {
    uint32_t size;
    /* Answers DBACK_OK, and calls `line` for every check and at the end `done`, later; or below 0: one runs
     * already, or memory is out. */
    int32_t (*run)(void *self, doctor_line line, doctor_done done, void *arg);
};

#endif
