/* An event of the library or the operator, copied into one block, on its way to the core. See core.h. */
#include "app/core.h"

#include <stdlib.h>

static struct str copy_into(char **at, struct str from)
{
    struct str copy = { *at, from.len };
    if (from.len)
        memcpy(*at, from.ptr, from.len);
    *at += from.len;
    return copy;
}

struct world_event *world_event_copy(const struct checked_event *from)
{
    const struct user_row *user = &from->user.row;
    size_t text = from->server.len + from->channel.len + from->text.len + user->uid.len + user->username.len +
                  user->role_color.len;
    struct world_event *event = xmalloc(sizeof *event + text);
    char *at = (char *)(event + 1);
    *event = (struct world_event){
        .kind = from->kind,
        .server = copy_into(&at, from->server),
        .channel = copy_into(&at, from->channel),
        .text = copy_into(&at, from->text),
        .user = { .uid = copy_into(&at, user->uid),
                  .username = copy_into(&at, user->username),
                  .role_color = copy_into(&at, user->role_color),
                  .status = user->status },
    };
    return event;
}
