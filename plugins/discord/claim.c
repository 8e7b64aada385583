/* See login.h. */
#include "login.h"

#include "timestamp.h"

#include <string.h>

#define TOKEN_MAX 256
#define USER_JSON_MAX 65536

bool claim_token_is_sane(dback_str token)
{
    if (token.len < 1 || token.len > TOKEN_MAX)
        return false;
    for (size_t i = 0; i < token.len; i++) {
        char c = token.ptr[i];
        bool fits = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                    (c != '\0' && strchr("-._~+/=", c));
        if (!fits)
            return false;
    }
    return true;
}

snowflake claim_user(dback_str user_json)
{
    if (user_json.len < 1 || user_json.len > USER_JSON_MAX)
        return 0;
    json_t *user = json_loadb(user_json.ptr, user_json.len, JSON_REJECT_DUPLICATES, NULL);
    const json_t *id = json_object_get(user, "id");
    snowflake number = 0;
    if (!json_is_string(id) || !snowflake_parse(json_string_value(id), json_string_length(id), &number))
        number = 0;
    json_decref(user);
    return number;
}

static bool has_scope(const json_t *scopes, const char *name)
{
    size_t i;
    json_t *scope;
    json_array_foreach(scopes, i, scope)
    {
        if (json_is_string(scope) && strcmp(json_string_value(scope), name) == 0)
            return true;
    }
    return false;
}

snowflake claim_judge(const json_t *answer, const char *client_id, int64_t now, int64_t *expires_s,
                      const char **why)
{
    snowflake application = json_snowflake(json_object_get(answer, "application"), "id");
    snowflake user = json_snowflake(json_object_get(answer, "user"), "id");
    const char *expires = json_text(answer, "expires");
    snowflake ours = 0;
    *why = NULL;
    if (!snowflake_parse(client_id, strlen(client_id), &ours) || application != ours)
        *why = "the token was made for another application";
    else if (!has_scope(json_object_get(answer, "scopes"), "identify") || !user)
        *why = "the token doesn't have the scope identify";
    else if (!expires || !timestamp_parse(expires, expires_s) || *expires_s <= now)
        *why = "the token has expired";
    return *why ? 0 : user;
}
