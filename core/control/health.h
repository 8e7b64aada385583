/* Is every loop of the house turning? */
#ifndef DBACK_CONTROL_HEALTH_H
#define DBACK_CONTROL_HEALTH_H

#include "control/inside.h"
#include "control/json.h"

#define HEALTHY_SILENCE_MS 1000

/* A member for each thread: "ok", or what is wrong with it. True: all are. */
bool health_write(const struct control *control, struct json *json);

#endif
