/* See handle_connect.h. */
#include "edge/handle_connect.h"

#include <jansson.h>
#include <stdlib.h>

#define DEFAULT_SERVER STR("default")

/* NULL: it isn't JSON. A number too large for an integer still is. */
static json_t *parse(struct str text)
{
    size_t flags = JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY;
    json_error_t error;
    json_t *root = json_loadb(text.ptr, text.len, flags, &error);
    if (!root && json_error_code(&error) == json_error_numeric_overflow)
        root = json_loadb(text.ptr, text.len, flags | JSON_DECODE_INT_AS_REAL, &error);
    return root;
}

static struct str string_of(const json_t *value)
{
    return (struct str){ json_string_value(value), json_string_length(value) };
}

static void keep(char **block, size_t *len, struct str text)
{
    *block = xstrndup(text.ptr, text.len);
    *len = text.len;
}

static bool is_absent(const json_t *value)
{
    return !value || json_is_null(value);
}

/* What the viewer asks for, as text: nothing means the default server, a number its decimal digits. */
static bool read_server(const json_t *value, struct to_core *join)
{
    if (is_absent(value)) {
        keep(&join->wanted, &join->wanted_len, DEFAULT_SERVER);
        return true;
    }
    if (json_is_string(value)) {
        struct str wanted = str_trim(string_of(value));
        keep(&join->wanted, &join->wanted_len, wanted.len ? wanted : DEFAULT_SERVER);
        return true;
    }
    if (!json_is_number(value))
        return false;
    join->wanted = json_dumps(value, JSON_ENCODE_ANY);
    join->wanted_len = join->wanted ? strlen(join->wanted) : 0;
    return join->wanted != NULL;
}

static bool read_text(const json_t *value, char **block, size_t *len)
{
    if (is_absent(value))
        return true;
    if (!json_is_string(value))
        return false;
    keep(block, len, string_of(value));
    return true;
}

static bool read_user(const json_t *value, struct to_core *join)
{
    if (is_absent(value))
        return true;
    if (!json_is_object(value))
        return false;
    if (json_object_size(value) == 0)
        return true; /* counts as none */
    join->user_json = json_dumps(value, JSON_COMPACT);
    join->user_json_len = join->user_json ? strlen(join->user_json) : 0;
    return join->user_json != NULL;
}

/* The client stores this and asks for it again. */
static void write_request(struct to_core *join)
{
    struct text_buffer b = { 0 };
    text_append_literal(&b, "{\"server\":");
    text_append_json(&b, (struct str){ join->wanted, join->wanted_len });
    if (join->password) {
        text_append_literal(&b, ",\"password\":");
        text_append_json(&b, (struct str){ join->password, join->password_len });
    }
    text_append_literal(&b, "}");
    join->request = b.ptr;
    join->request_len = b.len;
}

bool handle_connect(struct str text, struct to_core *join, enum refusal *refusal)
{
    json_t *root = parse(text);
    if (!root) {
        *refusal = REFUSE_INVALID_JSON;
        return false;
    }
    const json_t *type = json_object_get(root, "type");
    bool is_connect = json_is_string(type) && str_equal(string_of(type), STR("connect"));
    const json_t *data = json_object_get(root, "data");
    bool good = is_connect && json_is_object(data) && read_server(json_object_get(data, "server"), join) &&
                read_text(json_object_get(data, "password"), &join->password, &join->password_len) &&
                read_text(json_object_get(data, "discordToken"), &join->token, &join->token_len) &&
                read_user(json_object_get(data, "discordUser"), join);
    if (good)
        write_request(join);
    json_decref(root);
    *refusal = is_connect ? REFUSE_INVALID_JSON : REFUSE_UNKNOWN_TYPE;
    return good;
}
