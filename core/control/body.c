/* See body.h. */
#include "control/body.h"

static const char *const type_names[] = { "a string", "true or false", "an object" };

static bool fits(const struct member *member, const json_t *value)
{
    switch (member->type) {
    case MEMBER_TEXT:
        return json_is_string(value);
    case MEMBER_FLAG:
        return json_is_boolean(value);
    default:
        return json_is_object(value);
    }
}

static void refuse_unknown(struct exchange *x, const char *name, const struct member *members, size_t count)
{
    struct text_buffer known = { 0 };
    for (size_t i = 0; i < count; i++)
        text_appendf(&known, "%s\"%s\"", i ? ", " : "", members[i].name);
    if (count)
        exchange_problem(x, 400, "there is no member \"%.100s\"; allowed: %.*s", name, (int)known.len,
                         known.ptr);
    else
        exchange_problem(x, 400, "there is no member \"%.100s\"; the object has to be empty", name);
    text_finish(&known);
}

static bool take(struct exchange *x, const char *name, const json_t *value, struct member *members,
                 size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(members[i].name, name) != 0)
            continue;
        members[i].value = value;
        if (fits(&members[i], value))
            return true;
        exchange_problem(x, 400, "\"%s\" must be %s", name, type_names[members[i].type]);
        return false;
    }
    refuse_unknown(x, name, members, count);
    return false;
}

static json_t *parse(struct exchange *x)
{
    json_error_t error;
    if (!x->body.len)
        return json_object();
    json_t *body = json_loadb(x->body.ptr, x->body.len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (!body)
        exchange_problem(x, 400, "the body isn't JSON: line %d, column %d: %s", error.line, error.column,
                         error.text);
    else if (!json_is_object(body))
        exchange_problem(x, 400, "the body must be a JSON object");
    if (json_is_object(body))
        return body;
    json_decref(body);
    return NULL;
}

bool body_read(struct exchange *x, struct member *members, size_t count, json_t **out)
{
    json_t *body = parse(x), *value;
    const char *name;
    bool good = body != NULL;
    json_object_foreach(body, name, value)
    {
        good = good && take(x, name, value, members, count);
    }
    for (size_t i = 0; good && i < count; i++) {
        good = !members[i].required || members[i].value;
        if (!good)
            exchange_problem(x, 400, "the member \"%s\" is missing; it must be %s", members[i].name,
                             type_names[members[i].type]);
    }
    if (good)
        *out = body;
    else
        json_decref(body);
    return good;
}

struct str member_text(const struct member *member)
{
    return member->value ? (struct str){ json_string_value(member->value), json_string_length(member->value) }
                         : STR("");
}

bool member_flag(const struct member *member, bool fallback)
{
    return member->value ? json_is_true(member->value) : fallback;
}

char *member_object(const struct member *member)
{
    return member->value ? json_dumps(member->value, JSON_COMPACT) : NULL;
}
