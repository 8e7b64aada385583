/* A setting of the file as people see it: its place, its type in words, and what is wrong with it. */
#include "config/reader.h"

#include <stdarg.h>
#include <stdlib.h>

char *setting_place(const struct reader *reader, const config_setting_t *setting)
{
    return source_place(&reader->source, config_setting_source_line(setting));
}

const char *setting_folder(const struct reader *reader, const config_setting_t *setting)
{
    return source_folder(&reader->source, config_setting_source_line(setting));
}

void setting_mistake(struct reader *reader, const config_setting_t *setting, const char *format, ...)
{
    char *place = setting_place(reader, setting);
    va_list args;
    va_start(args, format);
    mistake_list(&reader->mistakes, place, format, args);
    va_end(args);
    free(place);
}

bool setting_is_text(const config_setting_t *setting)
{
    return config_setting_type(setting) == CONFIG_TYPE_STRING;
}

bool setting_is_integer(const config_setting_t *setting)
{
    return config_setting_type(setting) == CONFIG_TYPE_INT ||
           config_setting_type(setting) == CONFIG_TYPE_INT64;
}

bool setting_is_sequence(const config_setting_t *setting)
{
    return config_setting_is_array(setting) || config_setting_is_list(setting);
}

static const char *type_of(const config_setting_t *setting)
{
    switch (config_setting_type(setting)) {
    case CONFIG_TYPE_GROUP:
        return "a group";
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_INT64:
        return "an integer";
    case CONFIG_TYPE_FLOAT:
        return "a decimal number";
    case CONFIG_TYPE_STRING:
        return "a string";
    case CONFIG_TYPE_BOOL:
        return "a boolean";
    case CONFIG_TYPE_ARRAY:
        return "an array";
    default:
        return "a list";
    }
}

static void append_value(struct text_buffer *out, const config_setting_t *setting)
{
    switch (config_setting_type(setting)) {
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_INT64:
        text_appendf(out, "%lld", config_setting_get_int64(setting));
        break;
    case CONFIG_TYPE_FLOAT:
        key_append_decimal(config_setting_get_float(setting), out);
        break;
    case CONFIG_TYPE_STRING:
        text_appendf(out, "\"%.100s\"", config_setting_get_string(setting));
        break;
    default:
        text_appendf(out, "%s", config_setting_get_bool(setting) ? "true" : "false");
    }
}

char *setting_describe(const config_setting_t *setting, enum describe what)
{
    struct text_buffer out = { 0 };
    bool value = what != DESCRIBE_TYPE && config_setting_is_scalar(setting);
    if (value)
        append_value(&out, setting);
    if (!value || what == DESCRIBE_BOTH)
        text_appendf(&out, "%s%s", value ? ", " : "", type_of(setting));
    text_append(&out, "", 1);
    return out.ptr;
}

bool setting_must_be_group(struct reader *reader, const config_setting_t *setting, const char *name)
{
    if (config_setting_is_group(setting))
        return true;
    char *described = setting_describe(setting, DESCRIBE_TYPE);
    setting_mistake(reader, setting, "\"%s\" is %s; allowed: a group { ... }", name, described);
    free(described);
    return false;
}

#define NAMES_MOST 32 /* of one group */

/* The names that may stand in `group`; how many. */
static size_t names_of(enum key_group group, const char *names[NAMES_MOST])
{
    size_t count = 0;
    for (const struct key *key = keys; key < keys + key_count; key++)
        if (key->group == group && count < NAMES_MOST)
            names[count++] = key->name;
    for (size_t i = GROUP_TOP + 1; group == GROUP_TOP && i < GROUP_COUNT; i++)
        if (count < NAMES_MOST)
            names[count++] = key_group_names[i];
    return count;
}

/* A key of that very name in another group; GROUP_COUNT: there is none. */
static enum key_group group_with(const char *name, enum key_group but)
{
    for (const struct key *key = keys; key < keys + key_count; key++)
        if (key->group != but && key->group != GROUP_ROUTES && strcmp(key->name, name) == 0)
            return key->group;
    return GROUP_COUNT;
}

void setting_unknown(struct reader *reader, const config_setting_t *setting, enum key_group group)
{
    const char *names[NAMES_MOST], *name = config_setting_name(setting);
    size_t count = names_of(group, names);
    struct text_buffer text = { 0 };
    text_appendf(&text, "unknown key \"%.100s\"", name);
    if (group != GROUP_TOP)
        text_appendf(&text, " in \"%s\"", key_group_names[group]);
    enum key_group other = group_with(name, group);
    const char *nearest = nearest_name(name, names, count);
    if (nearest) {
        text_appendf(&text, "; did you mean \"%s\"?", nearest);
    } else if (other == GROUP_TOP) {
        text_append_literal(&text, "; it belongs at the top, outside of every group");
    } else if (other != GROUP_COUNT) {
        text_appendf(&text, "; it belongs into \"%s\"", key_group_names[other]);
    } else {
        text_append_literal(&text, "; allowed: ");
        for (size_t i = 0; i < count; i++)
            text_appendf(&text, "%s%s", i ? ", " : "", names[i]);
    }
    text_append(&text, "", 1);
    setting_mistake(reader, setting, "%s", text.ptr);
    text_finish(&text);
}
