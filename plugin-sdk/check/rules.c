/* What a provider may hand over: the limits that dback/provider.h states beside each member. See internal.h.
 */
#include "internal.h"

#include <ctype.h>

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
    return s.len >= least && s.len <= most && (s.ptr || s.len == 0) &&
           utf8_valid((const unsigned char *)s.ptr, s.len);
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

const char *check_user_fault(const dback_user *user)
{
    if (!user || user->size < sizeof *user)
        return "a user that is NULL or smaller than dback_user (its size comes first)";
    if (!check_text_fits(user->uid, 1, 64))
        return "a user's uid that isn't 1 to 64 bytes of UTF-8";
    if (!check_text_fits(user->username, 0, 256))
        return "a username that isn't at most 256 bytes of UTF-8";
    if (!color_fits(user->role_color))
        return "a role_color that isn't #rrggbb";
    if (user->status > DBACK_STATUS_OFFLINE)
        return "a status that is none of DBACK_STATUS_*";
    return NULL;
}

const char *check_server_fault(const dback_server *server)
{
    if (!server || server->size < sizeof *server)
        return "a server that is NULL or smaller than dback_server (its size comes first)";
    if (!check_text_fits(server->discord_id, 1, 64) || !check_text_fits(server->id, 1, 64))
        return "a server's discord_id or id that isn't 1 to 64 bytes of UTF-8";
    if (!check_text_fits(server->name, 1, 256))
        return "a server's name that isn't 1 to 256 bytes of UTF-8";
    if (!check_text_fits(server->password, 0, 1024))
        return "a password that isn't at most 1024 bytes of UTF-8";
    return NULL;
}
