/* See socket_url.h. */
#include "edge/socket_url.h"

static bool is_index(struct str path)
{
    return str_equal(path, STR("/")) || str_equal(path, STR("/index.html"));
}

/* Arguments are compared decoded, as the page will see them: otherwise "socket%55RL" would be redirected for
 * ever. */
static bool has_argument(struct str query, struct str wanted)
{
    bool found = false;
    while (query.len && !found) {
        struct str argument = str_cut_at(&query, '&');
        struct str name = str_cut_at(&argument, '=');
        struct text_buffer decoded = { 0 };
        found = path_decode(name, &decoded) && str_equal((struct str){ decoded.ptr, decoded.len }, wanted);
        text_finish(&decoded);
    }
    return found;
}

/* ":" and "/" may stand in a query as they are, and keep the address readable. */
static void append_escaped(struct text_buffer *out, struct str value)
{
    for (size_t i = 0; i < value.len; i++) {
        char c = value.ptr[i];
        if (is_alpha(c) || is_digit(c) || (c != '\0' && strchr("-._~:/", c)))
            text_append(out, &c, 1);
        else
            text_appendf(out, "%%%02X", (unsigned)(unsigned char)c);
    }
}

bool socket_url_redirect(const struct request_head *head, const struct origin *origin, bool static_dir_is_own,
                         bool announce, struct text_buffer *location)
{
    if (!static_dir_is_own || !announce || head->wants_websocket || !head->accepts_html || !origin->host.len)
        return false;
    if (!is_index(head->path) || has_argument(head->query, STR("socketURL")))
        return false;
    text_append_str(location, head->path);
    text_append_literal(location, "?socketURL=");
    append_escaped(location, origin->secure ? STR("wss://") : STR("ws://"));
    append_escaped(location, origin->host);
    text_append_literal(location, "/"); /* the index's folder: any path would do */
    if (head->query.len) {
        text_append_literal(location, "&");
        text_append_str(location, head->query);
    }
    return true;
}
