/* Prints where every member of the structs lies, by the header that PROVIDER_HEADER names. What a frozen
 * header prints, today's must print, too, but for the sizes of structs that have grown at their end. */
#include PROVIDER_HEADER

#include <stdio.h>

#define SIZE(type) printf("sizeof %s %zu\n", #type, sizeof(type))
#define MEMBER(type, member)                                                                                 \
    printf("%s.%s at %zu, %zu bytes\n", #type, #member, offsetof(type, member), sizeof(((type *)0)->member))

int main(void)
{
    SIZE(dback_str);
    MEMBER(dback_str, ptr);
    MEMBER(dback_str, len);
    SIZE(dback_server);
    MEMBER(dback_server, size);
    MEMBER(dback_server, flags);
    MEMBER(dback_server, discord_id);
    MEMBER(dback_server, id);
    MEMBER(dback_server, name);
    MEMBER(dback_server, password);
    SIZE(dback_user);
    MEMBER(dback_user, size);
    MEMBER(dback_user, status);
    MEMBER(dback_user, uid);
    MEMBER(dback_user, username);
    MEMBER(dback_user, role_color);
    SIZE(dback_login);
    MEMBER(dback_login, size);
    MEMBER(dback_login, flags);
    MEMBER(dback_login, server);
    MEMBER(dback_login, token);
    MEMBER(dback_login, user_json);
    MEMBER(dback_login, password);
    MEMBER(dback_login, peer);
    SIZE(dback_event);
    MEMBER(dback_event, size);
    MEMBER(dback_event, kind);
    MEMBER(dback_event, server);
    MEMBER(dback_event, user);
    MEMBER(dback_event, channel);
    MEMBER(dback_event, text);
    SIZE(dback_host);
    MEMBER(dback_host, size);
    MEMBER(dback_host, minor);
    MEMBER(dback_host, ctx);
    MEMBER(dback_host, log);
    MEMBER(dback_host, put_server);
    MEMBER(dback_host, put_user);
    MEMBER(dback_host, put_login);
    MEMBER(dback_host, put_client_id);
    MEMBER(dback_host, put_file);
    MEMBER(dback_host, put_bytes);
    MEMBER(dback_host, done);
    MEMBER(dback_host, emit);
    MEMBER(dback_host, hold);
    MEMBER(dback_host, release);
    MEMBER(dback_host, watch_fd);
    MEMBER(dback_host, unwatch_fd);
    MEMBER(dback_host, start_timer);
    MEMBER(dback_host, stop_timer);
    MEMBER(dback_host, extension);
#if DBACK_ABI_MINOR >= 1
    MEMBER(dback_host, report_health);
#endif
    SIZE(dback_vtable);
    MEMBER(dback_vtable, size);
    MEMBER(dback_vtable, flags);
    MEMBER(dback_vtable, create);
    MEMBER(dback_vtable, destroy);
    MEMBER(dback_vtable, servers);
    MEMBER(dback_vtable, users);
    MEMBER(dback_vtable, validate);
    MEMBER(dback_vtable, client_id);
    MEMBER(dback_vtable, static_file);
    MEMBER(dback_vtable, watched);
    MEMBER(dback_vtable, cancel);
    MEMBER(dback_vtable, quiesce);
    MEMBER(dback_vtable, extension);
    SIZE(dback_entry);
    MEMBER(dback_entry, magic);
    MEMBER(dback_entry, major);
    MEMBER(dback_entry, minor);
    MEMBER(dback_entry, size);
    MEMBER(dback_entry, need_minor);
    MEMBER(dback_entry, name);
    MEMBER(dback_entry, version);
    MEMBER(dback_entry, vtable);
    SIZE(dback_request);
    return 0;
}
