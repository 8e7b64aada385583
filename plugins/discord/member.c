/* The members of a guild. See guild.h. */
#include "guild.h"

#include "clean.h"

#include <stdlib.h>
#include <string.h>

#define NAME_CHARS 64 /* twice what Discord allows; in UTF-8 they fit */

size_t member_name(const json_t *member, const json_t *user, char *out)
{
    size_t len = clean_name(json_text(member, "nick"), NAME_CHARS, out, MEMBER_NAME_SIZE);
    if (!len)
        len = clean_name(json_text(user, "global_name"), NAME_CHARS, out, MEMBER_NAME_SIZE);
    if (!len)
        len = clean_name(json_text(user, "username"), NAME_CHARS, out, MEMBER_NAME_SIZE);
    return len;
}

uint8_t member_status(const json_t *presence)
{
    static const struct {
        const char *text;
        uint8_t status;
    } known[] = { { "online", DBACK_STATUS_ONLINE },
                  { "idle", DBACK_STATUS_IDLE },
                  { "dnd", DBACK_STATUS_DND },
                  { "offline", DBACK_STATUS_OFFLINE },
                  { "invisible", DBACK_STATUS_OFFLINE } };
    const char *text = json_text(presence, "status");
    for (size_t i = 0; text && i < sizeof known / sizeof known[0]; i++)
        if (strcmp(text, known[i].text) == 0)
            return known[i].status;
    return DBACK_STATUS_UNKNOWN;
}

struct member *member_put_id(struct guild *guild, snowflake id, uint8_t status)
{
    struct member *member = id ? table_find(&guild->members, id) : NULL;
    if (!member && id && (member = calloc(1, sizeof *member))) {
        member->id = id;
        member->status = status;
        if (!table_add(&guild->members, member)) {
            free(member);
            return NULL;
        }
    }
    return member;
}

static void set_name(struct member *member, const json_t *json, const json_t *user)
{
    char name[MEMBER_NAME_SIZE];
    if (!member_name(json, user, name)) {
        if (member->name || !json_is_object(user))
            return;
        strcpy(name, snowflake_text(member->id).text); /* a name that can't be seen at all */
    }
    if (member->name && strcmp(member->name, name) == 0)
        return;
    char *copy = strdup(name);
    if (!copy)
        return;
    free(member->name);
    member->name = copy;
    member->renamed = true;
}

static void set_roles(struct member *member, const json_t *roles)
{
    size_t count = json_array_size(roles);
    if (!json_is_array(roles))
        return;
    count = count < MEMBER_ROLES_MAX ? count : MEMBER_ROLES_MAX;
    snowflake *ids = count ? calloc(count, sizeof *ids) : NULL;
    if (count && !ids)
        return;
    for (size_t i = 0; i < count; i++) {
        const json_t *id = json_array_get(roles, i);
        if (json_is_string(id) && !snowflake_parse(json_string_value(id), json_string_length(id), &ids[i]))
            ids[i] = 0;
    }
    free(member->roles);
    member->roles = ids;
    member->role_count = (uint16_t)count;
}

struct member *member_put(struct guild *guild, const json_t *json, const json_t *user, uint8_t status)
{
    struct member *member = member_put_id(guild, json_snowflake(user, "id"), status);
    if (!member)
        return NULL;
    member->sweep = guild->sweep;
    set_name(member, json, user);
    set_roles(member, json_object_get(json, "roles"));
    if (json_object_get(user, "bot"))
        member->bot = json_flag(user, "bot");
    return member;
}

void member_free(struct member *member)
{
    if (!member)
        return;
    free(member->name);
    free(member->roles);
    free(member);
}
