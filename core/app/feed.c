/* See feed.h. */
#include "app/feed.h"

struct frame_log *feed_listen(struct core *core, uv_async_t *wake, struct log_cursor *cursor)
{
    if (!core->feed.log)
        core->feed.log = frame_log_create();
    core->feed.wake = wake;
    core->feed.listeners++;
    *cursor = frame_log_cursor(core->feed.log);
    return frame_log_ref(core->feed.log);
}

void feed_leave(struct core *core)
{
    if (--core->feed.listeners > 0)
        return;
    frame_log_unref(core->feed.log);
    core->feed.log = NULL;
    text_finish(&core->feed.line);
}

static struct text_buffer *begin(struct core *core)
{
    struct text_buffer *line = &core->feed.line;
    line->len = 0;
    text_append_literal(line, "{\"time\":\"");
    text_append_time(line);
    text_append_literal(line, "\",");
    return line;
}

/* A line that is too long for the log is left out; no event of a provider is. */
static void end(struct core *core)
{
    if (frame_log_append(core->feed.log, (struct str){ core->feed.line.ptr, core->feed.line.len }) == 0)
        core->feed.appended = true;
}

void feed_frame(struct core *core, struct str payload)
{
    if (!feed_is_heard(core))
        return;
    text_append(begin(core), payload.ptr + 1, payload.len - 1);
    end(core);
}

void feed_note(struct core *core, const char *type, struct str members)
{
    if (!feed_is_heard(core))
        return;
    struct text_buffer *line = begin(core);
    text_appendf(line, "\"type\":\"%s\"", type);
    text_append_str(line, members);
    text_append_literal(line, "}");
    end(core);
}

void feed_note_text(struct core *core, const char *type, const char *name, const char *text)
{
    struct text_buffer members = { 0 };
    if (!feed_is_heard(core))
        return;
    text_appendf(&members, ",\"%s\":", name);
    text_append_json_any(&members, str_of(text));
    feed_note(core, type, (struct str){ members.ptr, members.len });
    text_finish(&members);
}
