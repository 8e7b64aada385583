/* Statuses from a guild's widget: who it lists is there. Pure.
 *
 * Discord makes the ids in it unrecognisable, so people are matched by the name that is shown; where that
 * isn't certain, because two have the same name, nothing is assumed. The widget lists at most a hundred: if
 * it lists fewer, whoever isn't on it is offline. */
#ifndef DBACK_DISCORD_WIDGET_H
#define DBACK_DISCORD_WIDGET_H

#include "guild.h"

/* Sets the status of every member. NULL: there is no widget, nobody's is known. False: memory is out. */
bool widget_apply(struct guild *guild, const json_t *widget);

#endif
