/* POST /v1/servers/{id}/messages, presence and client-id: what happens, told by an operator or a bot.
 *
 * They go the same way as a provider's events and the library's broadcasts: checked by the same rules,
 * carried out on the core thread, seen by whoever watches the server at that moment.
 */
#include "control/requests.h"

#include "control/body.h"
#include "control/servers.h"

#include <stdlib.h>

struct event_inquiry {
    struct inquiry base;
    char *name; /* of the server, as it was asked for */
    struct world_event *event;
};

/* [core] */
static void refuse(struct core *core, struct event_inquiry *inquiry, const struct server *server, int result)
{
    struct str uid = inquiry->event->user.uid;
    if (result == DBACK_LIMIT)
        inquiry_refuse(&inquiry->base, 409, "limits.users = %u users are on the server already",
                       core->config->limits.users);
    else if (inquiry->event->kind == DBACK_EVENT_USER)
        inquiry_refuse(&inquiry->base, 409,
                       "\"%.*s\" is new on the server \"%s\": a newcomer's presence needs a username",
                       (int)uid.len, uid.ptr, server->id.ptr);
    else
        inquiry_refuse(&inquiry->base, 409,
                       "\"%.*s\" isn't on the server \"%s\"; GET /v1/servers/%s/users tells who is",
                       (int)uid.len, uid.ptr, server->id.ptr, server->id.ptr);
}

/* [core] */
static void ask_event(struct core *core, struct inquiry *base)
{
    struct event_inquiry *inquiry = CONTAINER_OF(base, struct event_inquiry, base);
    struct server *server = server_named(core, str_of(inquiry->name));
    struct json json = { .out = &base->text };
    if (!server || core->phase != CORE_SERVING) {
        server_refuse_unknown(base, inquiry->name);
        return;
    }
    inquiry->event->server = server->discord_id;
    core->emitted_ns = now_ns();
    int result = world_apply_event(core, NULL, inquiry->event);
    core->emitted_ns = 0;
    if (result != DBACK_OK) {
        refuse(core, inquiry, server, result);
        return;
    }
    json_open(&json, NULL, '{');
    json_count(&json, "viewers", server->viewers);
    json_close(&json, '}');
    text_append_literal(&base->text, "\n");
    base->status = 200;
    inquiry_answer(base);
}

static void destroy(struct inquiry *base)
{
    struct event_inquiry *inquiry = CONTAINER_OF(base, struct event_inquiry, base);
    free(inquiry->event);
    free(inquiry->name);
    free(inquiry);
}

static dback_str borrow(const struct member *member)
{
    struct str text = member_text(member);
    return (dback_str){ text.ptr, text.len };
}

/* The rules name a member as the SDK does; here it is one of the request. */
static void refuse_fault(struct exchange *x, uint32_t kind, const char *fault)
{
    size_t len = strcspn(fault, " ");
    struct str name = { fault, len };
    if (str_equal(name, STR("role_color")))
        exchange_problem(x, 400, "roleColor%s", fault + len);
    else if (str_equal(name, STR("text")))
        exchange_problem(x, 400, "%s%s", kind == DBACK_EVENT_MESSAGE ? "message" : "clientId", fault + len);
    else
        exchange_problem(x, 400, "%s", fault);
}

/* Checks it as a provider's is checked, and takes it to the core. */
static void send_event(struct exchange *x, dback_event *event)
{
    struct checked_event checked;
    struct row_fault fault;
    event->server = dback_text("0"); /* the core puts in which it is */
    if (row_check_event(event, &checked, &fault) != DBACK_OK) {
        refuse_fault(x, event->kind, fault.text);
        return;
    }
    struct event_inquiry *inquiry = xcalloc(1, sizeof *inquiry);
    inquiry->base.ask = ask_event;
    inquiry->base.destroy = destroy;
    inquiry->name = xstrdup(x->parameters[0]);
    inquiry->event = world_event_copy(&checked);
    inquiry_ask(x, &inquiry->base, ANSWER_DEADLINE_MS);
}

void do_message(struct exchange *x)
{
    enum { UID, MESSAGE, CHANNEL, COUNT };
    struct member members[COUNT] = { [UID] = { "uid", MEMBER_TEXT, true, NULL },
                                     [MESSAGE] = { "message", MEMBER_TEXT, true, NULL },
                                     [CHANNEL] = { "channel", MEMBER_TEXT, true, NULL } };
    json_t *body;
    if (!body_read(x, members, COUNT, &body))
        return;
    dback_user user = DBACK_USER_INIT;
    dback_event event = DBACK_EVENT_INIT;
    user.uid = borrow(&members[UID]);
    event.kind = DBACK_EVENT_MESSAGE;
    event.user = &user;
    event.text = borrow(&members[MESSAGE]);
    event.channel = borrow(&members[CHANNEL]);
    send_event(x, &event);
    json_decref(body);
}

/* False: it is none, which has been answered. */
static bool read_status(struct exchange *x, const struct member *member, uint32_t *status)
{
    struct str text = member_text(member);
    for (uint32_t s = DBACK_STATUS_ONLINE; s <= DBACK_STATUS_OFFLINE; s++) {
        if (!str_equal(text, str_of(status_name(s))))
            continue;
        *status = s;
        return true;
    }
    exchange_problem(x, 400, "\"status\" must be \"online\", \"idle\", \"dnd\" or \"offline\"");
    return false;
}

void do_presence(struct exchange *x)
{
    enum { UID, STATUS, USERNAME, COLOR, DELETE, COUNT };
    struct member members[COUNT] = { [UID] = { "uid", MEMBER_TEXT, true, NULL },
                                     [STATUS] = { "status", MEMBER_TEXT, false, NULL },
                                     [USERNAME] = { "username", MEMBER_TEXT, false, NULL },
                                     [COLOR] = { "roleColor", MEMBER_TEXT, false, NULL },
                                     [DELETE] = { "delete", MEMBER_FLAG, false, NULL } };
    json_t *body;
    if (!body_read(x, members, COUNT, &body))
        return;
    dback_user user = DBACK_USER_INIT;
    dback_event event = DBACK_EVENT_INIT;
    bool gone = member_flag(&members[DELETE], false);
    user.uid = borrow(&members[UID]);
    user.username = borrow(&members[USERNAME]);
    user.role_color = borrow(&members[COLOR]);
    event.kind = gone ? DBACK_EVENT_USER_GONE : DBACK_EVENT_USER;
    event.user = &user;
    bool status_counts = !gone || members[STATUS].value;
    if (!status_counts || read_status(x, &members[STATUS], &user.status))
        send_event(x, &event);
    json_decref(body);
}

void do_client_id(struct exchange *x)
{
    struct member member = { "clientId", MEMBER_TEXT, true, NULL };
    json_t *body;
    if (!body_read(x, &member, 1, &body))
        return;
    dback_event event = DBACK_EVENT_INIT;
    event.kind = DBACK_EVENT_CLIENT_ID;
    event.text = borrow(&member);
    send_event(x, &event);
    json_decref(body);
}
