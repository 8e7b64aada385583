/* Writing the JSON of an answer: members and elements with their commas.
 *
 * A name NULL is for elements of an array. Text that may not be UTF-8 is made so.
 */
#ifndef DBACK_CONTROL_JSON_H
#define DBACK_CONTROL_JSON_H

#include "base/text.h"

struct json {
    struct text_buffer *out;
    bool comma; /* before what comes next */
};

void json_open(struct json *json, const char *name, char bracket); /* '{' or '[' */
void json_close(struct json *json, char bracket);                  /* '}' or ']' */
void json_text(struct json *json, const char *name, struct str text);
/* Only when there is some. */
void json_text_if(struct json *json, const char *name, struct str text);
void json_count(struct json *json, const char *name, uint64_t value);
void json_seconds(struct json *json, const char *name, double value);
void json_flag(struct json *json, const char *name, bool value);
void json_nothing(struct json *json, const char *name); /* null */
/* JSON as it is. */
void json_verbatim(struct json *json, const char *name, struct str text);

#endif
