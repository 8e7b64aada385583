/* discord doctor: is everything right at Discord? See commands.c. */
#ifndef DBACK_CTL_DISCORD_DOCTOR_H
#define DBACK_CTL_DISCORD_DOCTOR_H

#include "ctl/ctl.h"

/* Exit code: 0 nothing failed; 1 something did; 2 it couldn't be looked at: a mistake on the command line or
 * in d-back.cfg. */
int run_discord_doctor(struct call *call);

#endif
