/* An answer while it is being put together: rows in growing arrays, their text in an arena of chunks.
 *
 * Single values (a login, a client id, a file, bytes) have a block each, so that putting one anew frees the
 * old one and an answer can't grow by repetition.
 */
#ifndef DBACK_PROVIDER_ANSWER_H
#define DBACK_PROVIDER_ANSWER_H

#include "provider/instance.h"

struct answer *answer_create(void);
/* What it holds: rows, text, blocks. */
size_t answer_bytes(const struct answer *answer);
/* Copy the row's text. */
void answer_add_server(struct answer *answer, const struct server_row *row);
void answer_add_user(struct answer *answer, const struct user_row *row);
void answer_set_login(struct answer *answer, struct str uid);
void answer_set_client_id(struct answer *answer, struct str client_id);
/* The later of the two counts. `block` of answer_set_bytes() is malloc()ed (NULL when empty) and taken over.
 */
void answer_set_file(struct answer *answer, struct str path, struct str content_type);
void answer_set_bytes(struct answer *answer, char *block, size_t len, struct str content_type);

#endif
