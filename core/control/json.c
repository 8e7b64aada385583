/* See json.h. */
#include "control/json.h"

static void begin(struct json *json, const char *name)
{
    if (json->comma)
        text_append_literal(json->out, ",");
    json->comma = true;
    if (name)
        text_appendf(json->out, "\"%s\":", name);
}

void json_open(struct json *json, const char *name, char bracket)
{
    begin(json, name);
    text_append(json->out, &bracket, 1);
    json->comma = false;
}

void json_close(struct json *json, char bracket)
{
    text_append(json->out, &bracket, 1);
    json->comma = true;
}

void json_text(struct json *json, const char *name, struct str text)
{
    begin(json, name);
    text_append_json_any(json->out, text);
}

void json_text_if(struct json *json, const char *name, struct str text)
{
    if (text.len)
        json_text(json, name, text);
}

void json_count(struct json *json, const char *name, uint64_t value)
{
    begin(json, name);
    text_appendf(json->out, "%llu", (unsigned long long)value);
}

void json_seconds(struct json *json, const char *name, double value)
{
    begin(json, name);
    /* Written as integers, because the locale may be the embedding program's. */
    uint64_t us = value > 0 ? (uint64_t)(value * 1e6 + 0.5) : 0;
    text_appendf(json->out, "%llu.%06u", (unsigned long long)(us / 1000000), (unsigned)(us % 1000000));
}

void json_flag(struct json *json, const char *name, bool value)
{
    begin(json, name);
    text_append_str(json->out, str_of(value ? "true" : "false"));
}

void json_nothing(struct json *json, const char *name)
{
    begin(json, name);
    text_append_literal(json->out, "null");
}

void json_verbatim(struct json *json, const char *name, struct str text)
{
    begin(json, name);
    text_append_str(json->out, text);
}
