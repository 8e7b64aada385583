/* An answer while it is being put together: rows in growing arrays, their text in an arena of chunks.
 *
 * Single values (a login, a client id, a file, bytes) have a block each, so that putting one anew frees the
 * old one and an answer can't grow by repetition. Bytes for the web page live on in answers that viewers are
 * being sent, as slowly as they read; a budget counts them until the last one is freed.
 */
#ifndef DBACK_PROVIDER_ANSWER_H
#define DBACK_PROVIDER_ANSWER_H

#include "provider/instance.h"

/* Counted: answers keep it beyond the end of who made it. All three [any]. */
struct budget;
struct budget *budget_create(void);
void budget_unref(struct budget *budget); /* NULL-safe */
size_t budget_used(const struct budget *budget);

/* Its bytes for the web page count in `content`. */
struct answer *answer_create(struct budget *content);
/* What it holds besides those: rows, text, blocks. */
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
