/* Providers as the operator sees them. */
#ifndef DBACK_CONTROL_PROVIDERS_H
#define DBACK_CONTROL_PROVIDERS_H

#include "app/core.h"
#include "control/json.h"

/* By DBACK_EVENT_*: "message", "user", ... */
extern const char *const event_kind_names[EVENT_KINDS];

/* [core] One element. */
void provider_write(struct core *core, struct provider *provider, struct json *json);

#endif
