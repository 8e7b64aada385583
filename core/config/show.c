/* The effective configuration as JSON, for programs: GET /v1/config. config_print() is for people.
 *
 * A key that needs a restart is in effect as the daemon was started, whatever was reloaded since; what the
 * file says now is pending.
 */
#include "config/reader.h"

#include <jansson.h>
#include <stdlib.h>

static json_t *text_or_null(const char *text)
{
    json_t *value = text ? json_string(text) : NULL; /* NULL also when it isn't UTF-8 */
    return value ? value : json_null();
}

/* What must not be shown is masked, however deep it is. */
static json_t *masked(const json_t *value)
{
    if (json_is_object(value)) {
        json_t *copy = json_object(), *member;
        const char *name;
        json_object_foreach((json_t *)value, name, member)
        {
            bool secret = option_is_secret(name);
            json_object_set_new(copy, name, secret ? json_string(OPTION_MASK) : masked(member));
        }
        return copy;
    }
    if (json_is_array(value)) {
        json_t *copy = json_array();
        for (size_t i = 0; i < json_array_size(value); i++)
            json_array_append_new(copy, masked(json_array_get(value, i)));
        return copy;
    }
    if (json_is_string(value) && option_holds_login(json_string_value(value)))
        return json_string(OPTION_MASK);
    return json_deep_copy(value);
}

static json_t *options_of(const char *text)
{
    json_t *options = json_loads(text, 0, NULL), *copy = masked(options);
    json_decref(options);
    return copy ? copy : json_object();
}

static json_t *networks_of(const struct config *config)
{
    json_t *array = json_array();
    for (size_t i = 0; i < config->trusted_proxy_count; i++) {
        struct text_buffer text = { 0 };
        network_append(&config->trusted_proxies[i], &text);
        json_array_append_new(array, json_stringn(text.ptr, text.len));
        text_finish(&text);
    }
    return array;
}

static json_t *route_of(const struct config *config, enum capability capability)
{
    json_t *array = json_array();
    for (size_t i = 0; i < config->routes[capability].count; i++)
        json_array_append_new(array,
                              json_string(config->providers[config->routes[capability].order[i]].name));
    return array;
}

static json_t *value_of(const struct key *key, const struct config *config, const void *base)
{
    switch (key->kind) {
    case KEY_BOOLEAN:
        return json_boolean(key_load(key, base));
    case KEY_INTEGER:
    case KEY_WORKERS:
        return json_integer((json_int_t)key_load(key, base));
    case KEY_DECIMAL:
        return json_real(key_load_decimal(key, base));
    case KEY_CHOICE:
        return json_string(key->words[key_load(key, base) - key->first_word]);
    case KEY_NETWORKS:
        return networks_of(config);
    case KEY_OPTIONS:
        return options_of(key_load_text(key, base));
    case KEY_ROUTE: {
        enum capability capability = CAP_SERVERS;
        while (strcmp(capability_names[capability], key->name) != 0)
            capability++;
        return route_of(config, capability);
    }
    default:
        return text_or_null(key_load_text(key, base));
    }
}

static json_t *source_of(const struct key *key, char *const *origins)
{
    const char *origin = origins ? origins[key_index(key)] : NULL;
    return text_or_null(origin ? origin : "default");
}

static json_t *key_of(const struct key *key, const struct config *config, const struct config *started)
{
    const struct config *in_effect = key->restart ? started : config;
    struct text_buffer name = { 0 };
    key_append_name(key, &name);
    json_t *object = json_object(), *value = value_of(key, in_effect, in_effect);
    json_object_set_new(object, "name", json_stringn(name.ptr, name.len));
    json_object_set_new(object, "value", value);
    json_object_set_new(object, "source", source_of(key, in_effect->origins));
    json_object_set_new(object, "takesEffect", json_string(key->restart ? "restart" : "live"));
    json_t *pending = value_of(key, config, config);
    if (key->restart && !json_equal(pending, value))
        json_object_set(object, "pending", pending);
    json_decref(pending);
    text_finish(&name);
    return object;
}

static json_t *provider_of(const struct config *config, const struct provider_config *provider)
{
    json_t *object = json_object();
    for (const struct key *key = keys; key < keys + key_count; key++)
        if (key->group == GROUP_PROVIDER)
            json_object_set_new(object, key->name, value_of(key, config, provider));
    json_object_set_new(object, "file", text_or_null(provider->file));
    return object;
}

void config_show(const struct config *config, const struct config *started, struct text_buffer *out)
{
    json_t *whole = json_object(), *list = json_array(), *providers = json_array();
    for (const struct key *key = keys; key < keys + key_count; key++)
        if (key->group != GROUP_PROVIDER)
            json_array_append_new(list, key_of(key, config, started));
    for (size_t i = 0; i < config->provider_count; i++)
        json_array_append_new(providers, provider_of(config, &config->providers[i]));
    json_object_set_new(whole, "file", text_or_null(config->file));
    json_object_set_new(whole, "keys", list);
    json_object_set_new(whole, "providers", providers);
    char *text = json_dumps(whole, JSON_COMPACT);
    text_append_str(out, str_of(text));
    free(text);
    json_decref(whole);
}
