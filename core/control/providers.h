/* Providers as the operator sees them. */
#ifndef DBACK_CONTROL_PROVIDERS_H
#define DBACK_CONTROL_PROVIDERS_H

#include "app/core.h"
#include "control/json.h"

/* By DBACK_EVENT_*: "message", "user", ... */
extern const char *const event_kind_names[];

#define HEALTH_STATES ((int)DBACK_HEALTH_DOWN + 1)
/* By DBACK_HEALTH_*: "ok", ... */
extern const char *const health_names[];

/* [core] A member "unwell": each provider that says of itself that it isn't well, and why. */
void providers_write_unwell(const struct core *core, struct json *json);

#endif
