/* The list of servers: an answer of `servers`, checked, with the rules for finding one.
 * Immutable once made. [core] */
#ifndef DBACK_STATE_SERVER_LIST_H
#define DBACK_STATE_SERVER_LIST_H

#include "provider/instance.h"
#include "state/text_table.h"

struct server_list {
    struct server_row *servers; /* in the answer's order; is_default marks default_server and no other */
    size_t count;
    /* Where viewers land who ask for nothing in particular: the flagged one, else the first; but never a
     * passworded one while there is an open one, because a viewer who is refused there has nowhere to go.
     * NULL: no servers. */
    const struct server_row *default_server;
    /* private */
    struct answer *answer;
    struct text_table by_id, by_discord_id;
};

/* Takes the answer (NULL: no servers). Rows whose discord_id or id was there before are dropped, a
 * second default isn't one, nor is a passworded one while there is an open one, a row whose id equals
 * another's discord_id is dropped; each with a line in `complaints` that names the row and why
 * (NUL-terminated lines, may be NULL). */
struct server_list *server_list_create(struct answer *answer, struct text_buffer *complaints);
void server_list_destroy(struct server_list *list); /* NULL-safe */

/* As a viewer asks: an id, else a discord_id. "default" (or nothing) always is the default server, also when
 * another row bears that id: clients ask for it when they know nothing else. NULL: nobody has it. */
const struct server_row *server_list_find(const struct server_list *list, struct str wanted);
const struct server_row *server_list_by_discord_id(const struct server_list *list, struct str discord_id);

/* Do viewers see the same list? The order doesn't count: to them it is a JSON object. */
bool server_list_same_frame(const struct server_list *a, const struct server_list *b);
/* Appends the payload {"type":"server-list","data":{…}}: id, name, passworded, and default on the default
 * one. */
void server_list_write(const struct server_list *list, struct text_buffer *out);

#endif
