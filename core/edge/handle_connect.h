/* The one frame that a viewer sends: {"type":"connect","data":{"server":X[,"password":…][,"discordToken":…,
 * "discordUser":{…}]}}. Pure: text in, a request to the core or a refusal out. */
#ifndef DBACK_EDGE_HANDLE_CONNECT_H
#define DBACK_EDGE_HANDLE_CONNECT_H

#include "app/seam.h"

/* Fills in `wanted`, `token`, `user_json`, `password` and `request` of `join` (owned blocks; to_core_free()
 * frees them) and returns true, or sets `refusal`. `text` is valid UTF-8. */
bool handle_connect(struct str text, struct to_core *join, enum refusal *refusal);

#endif
