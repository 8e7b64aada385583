/* One key's value: from a setting of the file, the environment or the command line into struct config. */
#include "config/reader.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

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
    char what[2 * ERR_SIZE], *place = setting_place(reader, setting);
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    mistake(&reader->mistakes, place, "%s", what);
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

char *setting_describe(const config_setting_t *setting, bool secret)
{
    struct text_buffer out = { 0 };
    switch (config_setting_type(setting)) {
    case CONFIG_TYPE_GROUP:
        text_append_literal(&out, "a group");
        break;
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_INT64:
        if (!secret)
            text_appendf(&out, "%lld, ", config_setting_get_int64(setting));
        text_append_literal(&out, "an integer");
        break;
    case CONFIG_TYPE_FLOAT:
        if (!secret)
            key_append_decimal(config_setting_get_float(setting), &out);
        text_appendf(&out, "%sa decimal number", secret ? "" : ", ");
        break;
    case CONFIG_TYPE_STRING:
        if (!secret)
            text_appendf(&out, "\"%.100s\", ", config_setting_get_string(setting));
        text_append_literal(&out, "a string");
        break;
    case CONFIG_TYPE_BOOL:
        if (!secret)
            text_appendf(&out, "%s, ", config_setting_get_bool(setting) ? "true" : "false");
        text_append_literal(&out, "a boolean");
        break;
    case CONFIG_TYPE_ARRAY:
        text_append_literal(&out, "an array");
        break;
    default:
        text_append_literal(&out, "a list");
    }
    text_append(&out, "", 1);
    return out.ptr;
}

bool setting_must_be_group(struct reader *reader, const config_setting_t *setting, const char *name)
{
    if (config_setting_is_group(setting))
        return true;
    char *described = setting_describe(setting, true);
    setting_mistake(reader, setting, "\"%s\" is %s; allowed: a group { ... }", name, described);
    free(described);
    return false;
}

/* ------------------------------------------------------------------ unknown keys */

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

/* ------------------------------------------------------------------ known ones */

void value_refuse(struct reader *reader, const struct key *key, const char *place, const char *described)
{
    struct text_buffer name = { 0 }, allowed = { 0 };
    key_append_name(key, &name);
    key_append_allowed(key, &allowed);
    mistake(&reader->mistakes, place, "\"%.*s\" is %s; allowed: %.*s", (int)name.len, name.ptr, described,
            (int)allowed.len, allowed.ptr);
    text_finish(&name);
    text_finish(&allowed);
}

static unsigned cpu_count(void)
{
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online < 1 ? 1 : (unsigned)online;
}

#define LETTERS_AND_DIGITS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

static bool is_made_of(const char *text, const char *bytes, size_t most)
{
    size_t len = strlen(text);
    return len >= 1 && len <= most && strspn(text, bytes) == len;
}

static bool text_is_allowed(const struct key *key, const char *text)
{
    switch (key->kind) {
    case KEY_HOST:
        return is_made_of(text, LETTERS_AND_DIGITS ".:-_%", 253);
    case KEY_NAME:
        return is_made_of(text, LETTERS_AND_DIGITS "_.-", 64);
    case KEY_PLUGIN:
        return (strchr(text, '/') && text[strlen(text) - 1] != '/') ||
               is_made_of(text, LETTERS_AND_DIGITS "_.-", 255);
    case KEY_FOLDER:
        return text[0] != '\0';
    default:
        return true;
    }
}

/* `folder`: where relative paths begin. */
static bool store_text(const struct key *key, const char *text, const char *folder, void *base)
{
    if (!text_is_allowed(key, text))
        return false;
    if (key->kind == KEY_FILE && text[0] == '\0')
        key_store_text(key, base, NULL);
    else if (key->kind == KEY_FILE || key->kind == KEY_FOLDER)
        key_store_text(key, base, path_join(folder, text));
    else
        key_store_text(key, base, xstrdup(text));
    return true;
}

static bool store_number(const struct key *key, long long value, void *base)
{
    if (value < (long long)key->least || value > (long long)key->most)
        return false;
    key_store(key, base, (uint64_t)value);
    return true;
}

static bool store_word(const struct key *key, const char *word, void *base)
{
    if (key->kind == KEY_WORKERS) {
        if (strcmp(word, "auto") != 0)
            return false;
        key_store(key, base, cpu_count() < key->most ? cpu_count() : key->most);
        return true;
    }
    int index = key_find_word(key, word);
    if (index < 0)
        return false;
    key_store(key, base, key->first_word + (unsigned)index);
    return true;
}

static bool store_decimal(const struct key *key, const config_setting_t *setting, void *base)
{
    double value;
    if (setting_is_integer(setting))
        value = (double)config_setting_get_int64(setting);
    else if (config_setting_type(setting) == CONFIG_TYPE_FLOAT)
        value = config_setting_get_float(setting);
    else
        return false;
    if (!(value >= key->least && value <= key->most))
        return false;
    key_store_decimal(key, base, value);
    return true;
}

static bool store_setting(const struct reader *reader, const struct key *key, const config_setting_t *setting,
                          void *base)
{
    bool text = setting_is_text(setting), integer = setting_is_integer(setting);
    switch (key->kind) {
    case KEY_BOOLEAN:
        if (config_setting_type(setting) != CONFIG_TYPE_BOOL)
            return false;
        key_store(key, base, (uint64_t)config_setting_get_bool(setting));
        return true;
    case KEY_INTEGER:
        return integer && store_number(key, config_setting_get_int64(setting), base);
    case KEY_WORKERS:
        return (integer && store_number(key, config_setting_get_int64(setting), base)) ||
               (text && store_word(key, config_setting_get_string(setting), base));
    case KEY_DECIMAL:
        return store_decimal(key, setting, base);
    case KEY_CHOICE:
        return text && store_word(key, config_setting_get_string(setting), base);
    default:
        return text &&
               store_text(key, config_setting_get_string(setting), setting_folder(reader, setting), base);
    }
}

static void set_origin(char **origins, const struct key *key, char *place)
{
    free(origins[key_index(key)]);
    origins[key_index(key)] = place;
}

void value_read(struct reader *reader, const struct key *key, const config_setting_t *setting, void *base,
                char **origins)
{
    char *place = setting_place(reader, setting);
    if (store_setting(reader, key, setting, base)) {
        set_origin(origins, key, place);
        return;
    }
    char *described = setting_describe(setting, false);
    value_refuse(reader, key, place, described);
    free(described);
    free(place);
}

void value_read_text(struct reader *reader, const struct key *key, const char *text, const char *place)
{
    struct config *config = reader->config;
    bool taken;
    if (key->kind == KEY_INTEGER) {
        taken = is_made_of(text, "0123456789", 10) && store_number(key, strtoll(text, NULL, 10), config);
    } else {
        char *here = path_absolute("");
        taken = store_text(key, text, here, config);
        free(here);
    }
    if (taken) {
        set_origin(config->origins, key, xstrdup(place));
        return;
    }
    struct text_buffer described = { 0 };
    text_appendf(&described, "\"%.100s\"", text);
    value_refuse(reader, key, place, described.ptr);
    text_finish(&described);
}
