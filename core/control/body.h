/* The JSON of a request: an object whose members are known, each of its type. */
#ifndef DBACK_CONTROL_BODY_H
#define DBACK_CONTROL_BODY_H

#include "control/inside.h"

enum member_type { MEMBER_TEXT, MEMBER_FLAG, MEMBER_OBJECT };

struct member {
    const char *name;
    enum member_type type;
    bool required;
    const json_t *value; /* NULL: not given */
};

/* Reads the body (nothing counts as {}) and finds the members. False: it isn't like that, and a problem has
 * been answered. What the members point to lives until `*body` is released with json_decref(). */
bool body_read(struct exchange *exchange, struct member *members, size_t count, json_t **body);
/* "" when it wasn't given. */
struct str member_text(const struct member *member);
bool member_flag(const struct member *member, bool fallback);
/* JSON text, NULL when it wasn't given. Caller frees. */
char *member_object(const struct member *member);

#endif
