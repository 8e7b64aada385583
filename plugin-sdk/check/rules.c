/* What a provider may hand over: the limits that dback/provider.h states beside each member. See internal.h.
 */
#include "internal.h"

#include <ctype.h>
#include <string.h>

static bool utf8_valid(const unsigned char *s, size_t len)
{
    for (size_t i = 0; i < len;) {
        unsigned char c = s[i++];
        if (c < 0x80)
            continue;
        int more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
        uint32_t code = c & (0x3fu >> more);
        if (c < 0xc2 || c > 0xf4 || len - i < (size_t)more)
            return false;
        while (more-- > 0) {
            if ((s[i] & 0xc0) != 0x80)
                return false;
            code = code << 6 | (s[i++] & 0x3fu);
        }
        static const uint32_t least[5] = { 0, 0, 0x80, 0x800, 0x10000 };
        int bytes = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
        if (code < least[bytes] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
            return false;
    }
    return true;
}

bool check_text_fits(dback_str s, size_t least, size_t most)
{
    if (s.len == 0)
        return least == 0;
    return s.len >= least && s.len <= most && s.ptr && !memchr(s.ptr, 0, s.len) &&
           utf8_valid((const unsigned char *)s.ptr, s.len);
}

bool check_content_type_fits(dback_str type)
{
    if (!check_text_fits(type, 0, 127))
        return false;
    for (size_t i = 0; i < type.len; i++)
        if (type.ptr[i] < 0x20 || type.ptr[i] > 0x7e)
            return false;
    return true;
}

static bool color_fits(dback_str s)
{
    if (s.len == 0)
        return true;
    if (s.len != 7 || !s.ptr || s.ptr[0] != '#')
        return false;
    for (int i = 1; i < 7; i++)
        if (!isxdigit((unsigned char)s.ptr[i]))
            return false;
    return true;
}

const char *check_uid_fault(const dback_user *user)
{
    if (!user || !DBACK_HAS(dback_user, user, uid))
        return "a user that is NULL or whose size doesn't cover its uid (begin with DBACK_USER_INIT)";
    if (!check_text_fits(user->uid, 1, 64))
        return "a user's uid that isn't 1 to 64 bytes of UTF-8";
    return NULL;
}

const char *check_user_fault(const dback_user *user)
{
    const char *fault = check_uid_fault(user);
    if (fault)
        return fault;
    if (!check_text_fits(CHECK_MEMBER(dback_user, user, username), 0, 256))
        return "a username that isn't at most 256 bytes of UTF-8";
    if (!color_fits(CHECK_MEMBER(dback_user, user, role_color)))
        return "a role_color that isn't #rrggbb";
    if (user->status > DBACK_STATUS_OFFLINE)
        return "a status that is none of DBACK_STATUS_*";
    return NULL;
}

const char *check_server_fault(const dback_server *server)
{
    if (!server || !DBACK_HAS(dback_server, server, name))
        return "a server that is NULL or whose size doesn't cover its name (begin with DBACK_SERVER_INIT)";
    if (!check_text_fits(server->discord_id, 1, 64) || !check_text_fits(server->id, 1, 64))
        return "a server's discord_id or id that isn't 1 to 64 bytes of UTF-8";
    if (!check_text_fits(server->name, 1, 256))
        return "a server's name that isn't 1 to 256 bytes of UTF-8";
    if (!check_text_fits(CHECK_MEMBER(dback_server, server, password), 0, 1024))
        return "a password that isn't at most 1024 bytes of UTF-8";
    return NULL;
}

const char *check_event_fault(const dback_event *event)
{
    if (!event || !DBACK_HAS(dback_event, event, kind))
        return "an event that is NULL or whose size doesn't cover its kind (begin with DBACK_EVENT_INIT)";
    if (event->kind == DBACK_EVENT_SERVERS_CHANGED)
        return NULL;
    if (!check_text_fits(CHECK_MEMBER(dback_event, event, server), 1, 64))
        return "an event whose server isn't 1 to 64 bytes of UTF-8";
    const dback_user *user = DBACK_HAS(dback_event, event, user) ? event->user : NULL;
    dback_str text = CHECK_MEMBER(dback_event, event, text);
    switch (event->kind) {
    case DBACK_EVENT_MESSAGE:
        if (check_uid_fault(user))
            return check_uid_fault(user);
        if (!check_text_fits(CHECK_MEMBER(dback_event, event, channel), 0, 64))
            return "a message whose channel isn't at most 64 bytes of UTF-8";
        return check_text_fits(text, 1, 8192) ? NULL : "a message whose text isn't 1 to 8192 bytes of UTF-8";
    case DBACK_EVENT_USER:
        return check_user_fault(user);
    case DBACK_EVENT_USER_GONE:
    case DBACK_EVENT_LOGIN_ENDED:
        return check_uid_fault(user);
    case DBACK_EVENT_CLIENT_ID:
        return check_text_fits(text, 0, 64) ? NULL : "a client id that isn't at most 64 bytes of UTF-8";
    case DBACK_EVENT_USERS_CHANGED:
        return NULL;
    default:
        return "an event whose kind is none of DBACK_EVENT_*";
    }
}

const char *check_health_oddity(uint32_t health, dback_str text)
{
    if (health > DBACK_HEALTH_DOWN)
        return "it reports a health that is none of DBACK_HEALTH_*, which counts as degraded";
    if (!check_text_fits(text, 0, 512))
        return "it reports its health in a text that isn't at most 512 bytes of UTF-8: d-back cuts it, "
               "with ? for what can't be shown";
    if (health != DBACK_HEALTH_OK && text.len == 0)
        return "it reports that it isn't well without a word: nobody knows what to do then";
    return NULL;
}
