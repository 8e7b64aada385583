/* An `options` group as the JSON object that its plugin gets.
 *
 * Groups become objects, arrays and lists become arrays. No value is ever shown in a mistake: it may be
 * a secret.
 */
#include "config/reader.h"

#include <jansson.h>
#include <stdlib.h>

static json_t *convert(struct reader *reader, const config_setting_t *setting, unsigned depth);

static json_t *convert_aggregate(struct reader *reader, const config_setting_t *setting, unsigned depth)
{
    bool group = config_setting_is_group(setting);
    json_t *json = group ? json_object() : json_array();
    int count = config_setting_length(setting);
    if (depth == OPTIONS_DEPTH_MOST) {
        setting_mistake(reader, setting, "options are nested too deeply; allowed: %d levels",
                        OPTIONS_DEPTH_MOST);
        count = 0;
    }
    for (int i = 0; i < count; i++) {
        const config_setting_t *element = config_setting_get_elem(setting, (unsigned)i);
        json_t *value = convert(reader, element, depth + 1);
        if (!value)
            continue;
        if (group)
            json_object_set_new(json, config_setting_name(element), value);
        else
            json_array_append_new(json, value);
    }
    return json;
}

static json_t *convert_text(struct reader *reader, const config_setting_t *setting)
{
    const char *text = config_setting_get_string(setting);
    if (utf8_valid(text, strlen(text)))
        return json_string(text);
    const char *name = config_setting_name(setting);
    setting_mistake(reader, setting, "the string%s%s in \"options\" isn't valid UTF-8; allowed: UTF-8",
                    name ? " of " : "", name ? name : "");
    return NULL;
}

static json_t *convert_decimal(struct reader *reader, const config_setting_t *setting)
{
    json_t *value = json_real(config_setting_get_float(setting)); /* NULL for an infinity */
    if (!value)
        setting_mistake(reader, setting, "a number in \"options\" is too large; allowed: up to 1.7e308");
    return value;
}

/* NULL after a mistake. */
static json_t *convert(struct reader *reader, const config_setting_t *setting, unsigned depth)
{
    switch (config_setting_type(setting)) {
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_INT64:
        return json_integer(config_setting_get_int64(setting));
    case CONFIG_TYPE_FLOAT:
        return convert_decimal(reader, setting);
    case CONFIG_TYPE_BOOL:
        return json_boolean(config_setting_get_bool(setting));
    case CONFIG_TYPE_STRING:
        return convert_text(reader, setting);
    default:
        return convert_aggregate(reader, setting, depth);
    }
}

char *options_read(struct reader *reader, const config_setting_t *setting)
{
    if (!setting_must_be_group(reader, setting, "options"))
        return NULL;
    size_t mistakes = reader->mistakes.count;
    json_t *json = convert(reader, setting, 0);
    char *text = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    if (reader->mistakes.count == mistakes)
        return text;
    free(text);
    return NULL;
}
