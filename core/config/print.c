/* --check-config: the effective configuration as a d-back.cfg that reads back to the same, secrets aside. */
#include "config/reader.h"

#include <jansson.h>
#include <stdlib.h>
#include <strings.h>

#define MASKED "\"" OPTION_MASK "\""

static void append_string(struct text_buffer *out, const char *text)
{
    text_append_literal(out, "\"");
    for (const char *p = text; *p; p++) {
        unsigned char byte = (unsigned char)*p;
        if (byte == '"' || byte == '\\')
            text_appendf(out, "\\%c", byte);
        else if (byte < 0x20 || byte == 0x7f)
            text_appendf(out, "\\x%02x", byte);
        else
            text_append(out, p, 1);
    }
    text_append_literal(out, "\"");
}

/* ------------------------------------------------------------------ options */

static bool name_ends_with(const char *name, const char *end)
{
    size_t name_len = strlen(name), end_len = strlen(end);
    return name_len >= end_len && strcasecmp(name + name_len - end_len, end) == 0;
}

static bool name_holds(const char *name, const char *word)
{
    size_t len = strlen(word);
    for (; *name; name++)
        if (strncasecmp(name, word, len) == 0)
            return true;
    return false;
}

bool option_is_secret(const char *name)
{
    static const char *const words[] = { "token", "pass",       "pwd",    "secret", "key",
                                         "auth",  "credential", "cookie", "webhook" };
    for (size_t i = 0; i < ARRAY_LENGTH(words); i++)
        if (name_holds(name, words[i]))
            return !name_ends_with(name, "_file"); /* where a secret is may be shown */
    return false;
}

/* "scheme://user:password@host" */
bool option_holds_login(const char *text)
{
    const char *address = strstr(text, "://");
    return address && strchr(address, '@');
}

static bool all_strings(const json_t *array)
{
    for (size_t i = 0; i < json_array_size(array); i++)
        if (!json_is_string(json_array_get(array, i)))
            return false;
    return true;
}

static void append_json(struct text_buffer *out, const json_t *value, int indent);

static void append_object(struct text_buffer *out, const json_t *object, int indent)
{
    const char *name;
    json_t *value;
    if (json_object_size(object) == 0) {
        text_append_literal(out, "{ }");
        return;
    }
    text_append_literal(out, "{\n");
    json_object_foreach((json_t *)object, name, value)
    {
        text_appendf(out, "%*s%s = ", indent + 2, "", name);
        if (option_is_secret(name))
            text_append_literal(out, MASKED);
        else
            append_json(out, value, indent + 2);
        text_append_literal(out, ";\n");
    }
    text_appendf(out, "%*s}", indent, "");
}

/* An array where libconfig allows one, else a list, which may mix. */
static void append_array(struct text_buffer *out, const json_t *array, int indent)
{
    bool strings = all_strings(array);
    text_appendf(out, "%s", strings ? "[" : "(");
    for (size_t i = 0; i < json_array_size(array); i++) {
        text_appendf(out, "%s", i ? ", " : "");
        append_json(out, json_array_get(array, i), indent);
    }
    text_appendf(out, "%s", strings ? "]" : ")");
}

static void append_json(struct text_buffer *out, const json_t *value, int indent)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        append_object(out, value, indent);
        break;
    case JSON_ARRAY:
        append_array(out, value, indent);
        break;
    case JSON_STRING:
        if (option_holds_login(json_string_value(value)))
            text_append_literal(out, MASKED);
        else
            append_string(out, json_string_value(value));
        break;
    case JSON_INTEGER:
        text_appendf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        break;
    case JSON_REAL:
        key_append_decimal(json_real_value(value), out);
        break;
    default:
        text_appendf(out, "%s", json_is_true(value) ? "true" : "false");
    }
}

static void append_options(struct text_buffer *out, const char *options, int indent)
{
    json_t *json = json_loads(options, 0, NULL);
    if (json_is_object(json))
        append_object(out, json, indent);
    else
        text_append_literal(out, "{ }");
    json_decref(json);
}

/* ------------------------------------------------------------------ keys */

static void append_value(struct text_buffer *out, const struct key *key, const void *base, int indent)
{
    switch (key->kind) {
    case KEY_BOOLEAN:
        text_appendf(out, "%s", key_load(key, base) ? "true" : "false");
        break;
    case KEY_INTEGER:
    case KEY_WORKERS:
        text_appendf(out, "%llu", (unsigned long long)key_load(key, base));
        break;
    case KEY_DECIMAL:
        key_append_decimal(key_load_decimal(key, base), out);
        break;
    case KEY_CHOICE:
        text_appendf(out, "\"%s\"", key->words[key_load(key, base) - key->first_word]);
        break;
    case KEY_OPTIONS:
        append_options(out, key_load_text(key, base), indent);
        break;
    default:
        append_string(out, key_load_text(key, base) ? key_load_text(key, base) : "");
    }
}

static void append_comment(struct text_buffer *out, const struct key *key, char *const *origins)
{
    const char *origin = origins ? origins[key_index(key)] : NULL;
    text_append_literal(out, "  # ");
    if (origin && key->environment && strcmp(origin, key->environment) == 0)
        text_append_literal(out, "environment ");
    if (origin)
        text_append_shown(out, origin, strlen(origin));
    else
        text_append_literal(out, "default");
    text_appendf(out, "; %s\n", key->restart ? "needs a restart" : "live");
}

static void append_networks(struct text_buffer *out, const struct config *config)
{
    text_append_literal(out, "[");
    for (size_t i = 0; i < config->trusted_proxy_count; i++) {
        text_appendf(out, "%s\"", i ? ", " : "");
        network_append(&config->trusted_proxies[i], out);
        text_append_literal(out, "\"");
    }
    text_append_literal(out, "]");
}

static void append_route(struct text_buffer *out, const struct config *config, enum capability capability)
{
    text_append_literal(out, "[");
    for (size_t i = 0; i < config->routes[capability].count; i++) {
        text_appendf(out, "%s", i ? ", " : "");
        append_string(out, config->providers[config->routes[capability].order[i]].name);
    }
    text_append_literal(out, "]");
}

/* The page's default folder must not be written as if it were the operator's: a page of one's own is served
 * differently. Nor must the control socket's: one that was named has to be free. */
static bool is_said_only(const struct key *key, const struct config *config)
{
    if (key->kind == KEY_SOCKET)
        return config->control.socket_is_default;
    return key->kind == KEY_FOLDER && key_load_text(key, config) == config->static_dir &&
           !config->static_dir_is_own;
}

static void append_group(struct text_buffer *out, const struct config *config, enum key_group group)
{
    int indent = group == GROUP_TOP ? 0 : 2;
    int capability = 0;
    if (indent)
        text_appendf(out, "\n%s = {\n", key_group_names[group]);
    for (const struct key *key = keys; key < keys + key_count; key++) {
        if (key->group != group)
            continue;
        text_appendf(out, "%*s%s%s = ", indent, "", is_said_only(key, config) ? "#" : "", key->name);
        if (key->kind == KEY_NETWORKS)
            append_networks(out, config);
        else if (key->kind == KEY_ROUTE)
            append_route(out, config, (enum capability)capability++);
        else
            append_value(out, key, config, indent);
        text_append_literal(out, ";");
        append_comment(out, key, config->origins);
    }
    if (indent)
        text_append_literal(out, "};\n");
}

static void append_provider(struct text_buffer *out, const struct provider_config *provider)
{
    text_append_literal(out, "  {\n");
    for (const struct key *key = keys; key < keys + key_count; key++) {
        if (key->group != GROUP_PROVIDER)
            continue;
        /* Only a refresh that was given holds for a provider that pushes. */
        bool said_only = key->kind == KEY_DECIMAL && !provider->refresh_set;
        text_appendf(out, "    %s%s = ", said_only ? "#" : "", key->name);
        if (key->kind == KEY_PLUGIN && strchr(provider->plugin, '/'))
            append_string(out, provider->file); /* the printed file may lie elsewhere */
        else
            append_value(out, key, provider, 4);
        text_append_literal(out, ";");
        append_comment(out, key, provider->origins);
    }
    text_append_literal(out, "  }");
}

void config_print(const struct config *config, struct text_buffer *out)
{
    if (config->file) {
        text_append_literal(out, "# d-back's configuration as it is in effect, read from ");
        text_append_shown(out, config->file, strlen(config->file));
        text_append_literal(out, "\n\n");
    } else {
        text_append_literal(out, "# d-back's configuration as it is in effect; no file was read\n\n");
    }
    append_group(out, config, GROUP_TOP);
    append_group(out, config, GROUP_LOG);
    append_group(out, config, GROUP_CONTROL);
    append_group(out, config, GROUP_LIMITS);
    bool built_in = config->provider_count == 1 && config->providers[0].line == 0;
    if (built_in)
        text_append_literal(out, "\n# No providers were configured: the mock it is.");
    text_append_literal(out, "\nproviders = (\n");
    for (size_t i = 0; i < config->provider_count; i++) {
        append_provider(out, &config->providers[i]);
        text_appendf(out, "%s\n", i + 1 < config->provider_count ? "," : "");
    }
    text_append_literal(out, ");\n");
    append_group(out, config, GROUP_ROUTES);
}
