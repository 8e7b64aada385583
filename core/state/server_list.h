/* The list of servers: an answer of `servers`, checked, with the rules for finding one.
 * Immutable once made. [core] */
#ifndef DBACK_STATE_SERVER_LIST_H
#define DBACK_STATE_SERVER_LIST_H

#include "provider/instance.h"

struct server_list {
    struct server_row *servers;
    size_t count;
    const struct server_row *default_server; /* the flagged one, else the first that isn't passworded, else the first;
                                                NULL when there are none */
    /* private */
    struct answer *answer;
};

/* Takes the answer (NULL: no servers). Rows whose discord_id or id was there before are dropped, a
 * second default isn't one, a row whose id equals another's discord_id is dropped; each with a line in `complaints`
 * (NUL-terminated lines, may be NULL). */
struct server_list *server_list_create(struct answer *answer, struct text_buffer *complaints);
void server_list_destroy(struct server_list *list); /* NULL-safe */

/* As a viewer asks: an id, else a discord_id; "default" (or nothing) the default server. NULL: nobody has it. */
const struct server_row *server_list_find(const struct server_list *list, struct str wanted);
const struct server_row *server_list_by_discord_id(const struct server_list *list, struct str discord_id);

/* Do viewers see the same list? */
bool server_list_same_frame(const struct server_list *a, const struct server_list *b);
/* Appends the payload {"type":"server-list","data":{…}}: id, name, passworded, and default on the default one. */
void server_list_write(const struct server_list *list, struct text_buffer *out);

#endif
