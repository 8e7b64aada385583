/* Servers as the operator sees them, and how one is named. */
#ifndef DBACK_CONTROL_SERVERS_H
#define DBACK_CONTROL_SERVERS_H

#include "app/core.h"
#include "control/inside.h"
#include "control/json.h"

/* [core] By its Discord id or its own id; NULL: nobody has it. */
struct server *server_named(struct core *core, struct str name);
/* [core] The question names one that isn't there. */
void server_refuse_unknown(struct inquiry *inquiry, const char *name);
/* [core] One element. */
void server_write(struct core *core, const struct server *server, struct json *json);

#endif
