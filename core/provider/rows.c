/* See rows.h. */
#include "provider/rows.h"

#include <stdarg.h>
#include <stdio.h>

static int32_t refuse(struct row_fault *fault, const char *format, ...) PRINTF_LIKE(2, 3);
static int32_t refuse(struct row_fault *fault, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(fault->text, sizeof fault->text, format, args);
    va_end(args);
    return DBACK_INVALID;
}

/* A member of a struct that may be older than ours. */
#define MEMBER(type, p, field) (DBACK_HAS(type, p, field) ? (p)->field : (dback_str){ NULL, 0 })

int32_t row_check_text(const char *member, dback_str text, size_t least, size_t most, struct str *checked,
                       struct row_fault *fault)
{
    *checked = (struct str){ "", 0 };
    if (text.len == 0)
        return least == 0 ? DBACK_OK : refuse(fault, "%s is missing", member);
    if (!text.ptr)
        return refuse(fault, "%s has a length but no pointer", member);
    if (text.len < least)
        return refuse(fault, "%s is shorter than %zu bytes", member, least);
    if (text.len > most)
        return refuse(fault, "%s is longer than %zu bytes", member, most);
    if (memchr(text.ptr, 0, text.len))
        return refuse(fault, "%s holds a NUL byte", member);
    if (!utf8_valid(text.ptr, text.len))
        return refuse(fault, "%s isn't valid UTF-8", member);
    *checked = (struct str){ text.ptr, text.len };
    return DBACK_OK;
}

int32_t row_check_server(const dback_server *server, struct server_row *checked, struct row_fault *fault)
{
    *checked = (struct server_row){ 0 };
    if (!server)
        return refuse(fault, "the server is NULL");
    if (!DBACK_HAS(dback_server, server, name))
        return refuse(fault,
                      "the server's size of %u bytes doesn't cover its name; begin with DBACK_SERVER_INIT",
                      server->size);
    int32_t result;
    if ((result = row_check_text("discord_id", server->discord_id, 1, ID_MAX, &checked->discord_id, fault)) <
            0 ||
        (result = row_check_text("id", server->id, 1, ID_MAX, &checked->id, fault)) < 0 ||
        (result = row_check_text("name", server->name, 1, NAME_MAX_BYTES, &checked->name, fault)) < 0 ||
        (result = row_check_text("password", MEMBER(dback_server, server, password), 0, PASSWORD_MAX,
                                 &checked->password, fault)) < 0)
        return result;
    checked->is_default = (server->flags & DBACK_SERVER_DEFAULT) != 0;
    checked->passworded = (server->flags & DBACK_SERVER_PASSWORDED) != 0 || checked->password.len > 0;
    return DBACK_OK;
}

static int32_t check_color(dback_str color, struct checked_user *checked, struct row_fault *fault)
{
    struct str text;
    int32_t result = row_check_text("role_color", color, 0, 7, &text, fault);
    if (result < 0 || text.len == 0)
        return result;
    bool good = text.len == 7 && text.ptr[0] == '#';
    for (size_t i = 1; good && i < 7; i++) {
        char c = text.ptr[i];
        good = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
        checked->role_color[i] = c >= 'A' && c <= 'F' ? (char)(c - 'A' + 'a') : c;
    }
    if (!good)
        return refuse(fault, "role_color isn't of the form #rrggbb");
    checked->role_color[0] = '#';
    checked->row.role_color = (struct str){ checked->role_color, 7 };
    return DBACK_OK;
}

/* `only_uid`: the event says nothing else of the user, so the rest isn't looked at. */
static int32_t check_user(const dback_user *user, bool only_uid, struct checked_user *checked,
                          struct row_fault *fault)
{
    *checked = (struct checked_user){ 0 };
    if (!user)
        return refuse(fault, "the user is NULL");
    if (!DBACK_HAS(dback_user, user, uid))
        return refuse(fault, "the user's size of %u bytes doesn't cover its uid; begin with DBACK_USER_INIT",
                      user->size);
    int32_t result = row_check_text("uid", user->uid, 1, ID_MAX, &checked->row.uid, fault);
    if (result < 0 || only_uid)
        return result;
    if (user->status > DBACK_STATUS_OFFLINE)
        return refuse(fault, "status %u isn't one of DBACK_STATUS_*", user->status);
    checked->row.status = user->status;
    result = row_check_text("username", MEMBER(dback_user, user, username), 0, NAME_MAX_BYTES,
                            &checked->row.username, fault);
    if (result < 0)
        return result;
    return check_color(MEMBER(dback_user, user, role_color), checked, fault);
}

int32_t row_check_user(const dback_user *user, struct checked_user *checked, struct row_fault *fault)
{
    return check_user(user, false, checked, fault);
}

int32_t row_check_event(const dback_event *event, struct checked_event *checked, struct row_fault *fault)
{
    *checked = (struct checked_event){ 0 };
    if (!event)
        return refuse(fault, "the event is NULL");
    if (!DBACK_HAS(dback_event, event, kind))
        return refuse(fault,
                      "the event's size of %u bytes doesn't cover its kind; begin with DBACK_EVENT_INIT",
                      event->size);
    checked->kind = event->kind;
    if (event->kind == DBACK_EVENT_SERVERS_CHANGED)
        return DBACK_OK;
    if (event->kind < DBACK_EVENT_MESSAGE || event->kind > DBACK_EVENT_LOGIN_ENDED)
        return refuse(fault, "event kind %u isn't one of DBACK_EVENT_*", event->kind);
    int32_t result =
        row_check_text("server", MEMBER(dback_event, event, server), 1, ID_MAX, &checked->server, fault);
    if (result < 0)
        return result;
    const dback_user *user = DBACK_HAS(dback_event, event, user) ? event->user : NULL;
    dback_str channel = MEMBER(dback_event, event, channel), text = MEMBER(dback_event, event, text);
    switch (event->kind) {
    case DBACK_EVENT_MESSAGE:
        if ((result = check_user(user, true, &checked->user, fault)) < 0 ||
            (result = row_check_text("channel", channel, 0, ID_MAX, &checked->channel, fault)) < 0)
            return result;
        return row_check_text("text", text, 1, MESSAGE_MAX, &checked->text, fault);
    case DBACK_EVENT_USER:
        return check_user(user, false, &checked->user, fault);
    case DBACK_EVENT_USER_GONE:
    case DBACK_EVENT_LOGIN_ENDED:
        return check_user(user, true, &checked->user, fault);
    case DBACK_EVENT_CLIENT_ID:
        return row_check_text("text", text, 0, ID_MAX, &checked->text, fault);
    default:
        return DBACK_OK;
    }
}

int32_t row_check_path(dback_str path, struct str *checked, struct row_fault *fault)
{
    int32_t result = row_check_text("path", path, 1, PATH_MAX_BYTES, checked, fault);
    if (result == DBACK_OK && checked->ptr[0] != '/')
        return refuse(fault, "path isn't absolute");
    return result;
}

int32_t row_check_content_type(dback_str type, struct str *checked, struct row_fault *fault)
{
    int32_t result = row_check_text("content_type", type, 0, CONTENT_TYPE_MAX, checked, fault);
    for (size_t i = 0; result == DBACK_OK && i < checked->len; i++)
        if (checked->ptr[i] < 0x20 || checked->ptr[i] > 0x7e)
            return refuse(fault, "content_type isn't printable ASCII");
    return result;
}

int32_t row_check_bytes(dback_str bytes, struct str *checked, struct row_fault *fault)
{
    *checked = (struct str){ "", 0 };
    if (bytes.len == 0)
        return DBACK_OK;
    if (!bytes.ptr)
        return refuse(fault, "bytes have a length but no pointer");
    if (bytes.len > BYTES_MAX)
        return refuse(fault, "bytes are more than 16 MiB");
    *checked = (struct str){ bytes.ptr, bytes.len };
    return DBACK_OK;
}

/* How many bytes the character at `p` has; 0: it isn't valid. */
static size_t character(const char *p, size_t left)
{
    unsigned char c = (unsigned char)*p;
    size_t n = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    return n <= left && utf8_valid(p, n) ? n : 0;
}

size_t row_copy_readable(char *out, size_t out_size, dback_str text)
{
    size_t used = 0, n;
    for (size_t i = 0; text.ptr && i < text.len; i += n ? n : 1) {
        n = character(text.ptr + i, text.len - i);
        if (used + (n ? n : 1) >= out_size)
            break;
        unsigned char c = (unsigned char)text.ptr[i];
        if (n == 0 || c < 0x20 || c == 0x7f) {
            out[used++] = '?';
        } else {
            memcpy(out + used, text.ptr + i, n);
            used += n;
        }
    }
    out[used] = '\0';
    return used;
}
