/* A configuration like another, but for one provider: what the operator's swap asks for. */
#include "config/reader.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>

static char *copy_text(const char *text)
{
    return text ? xstrdup(text) : NULL;
}

static void *copy_array(const void *array, size_t bytes)
{
    void *copy = xmalloc(bytes ? bytes : 1);
    if (bytes)
        memcpy(copy, array, bytes);
    return copy;
}

static char **copy_origins(char *const *from)
{
    if (!from)
        return NULL;
    char **copy = xcalloc(key_count, sizeof *copy);
    for (size_t i = 0; i < key_count; i++)
        copy[i] = copy_text(from[i]);
    return copy;
}

static bool is_text(const struct key *key)
{
    switch (key->kind) {
    case KEY_HOST:
    case KEY_NAME:
    case KEY_FOLDER:
    case KEY_FILE:
    case KEY_SOCKET:
    case KEY_ENDPOINT:
    case KEY_PLUGIN:
    case KEY_OPTIONS:
        return true;
    default:
        return false;
    }
}

/* `to` is a copy of `from`, byte by byte: each text that the table knows becomes its own. */
static void own_texts(const void *from, void *to, bool of_provider)
{
    for (const struct key *key = keys; key < keys + key_count; key++) {
        if (!is_text(key) || (key->group == GROUP_PROVIDER) != of_provider)
            continue;
        *(char **)(void *)((char *)to + key->offset) = NULL;
        key_store_text(key, to, copy_text(key_load_text(key, from)));
    }
}

static void copy_provider(struct provider_config *to, const struct provider_config *from)
{
    *to = *from;
    own_texts(from, to, true);
    to->file = copy_text(from->file);
    to->origins = copy_origins(from->origins);
}

static struct config *copy_config(const struct config *from)
{
    struct config *to = xcalloc(1, sizeof *to);
    memcpy(to, from, offsetof(struct config, references)); /* which others count meanwhile */
    to->references = 1;
    own_texts(from, to, false);
    to->file = copy_text(from->file);
    to->trusted_proxies =
        copy_array(from->trusted_proxies, from->trusted_proxy_count * sizeof *from->trusted_proxies);
    to->providers = xcalloc(from->provider_count + 1, sizeof *to->providers);
    for (size_t i = 0; i < from->provider_count; i++)
        copy_provider(&to->providers[i], &from->providers[i]);
    for (int c = 0; c < CAP_COUNT; c++)
        to->routes[c].order =
            copy_array(from->routes[c].order, from->routes[c].count * sizeof *from->routes[c].order);
    to->origins = copy_origins(from->origins);
    to->providers_origin = copy_text(from->providers_origin);
    return to;
}

/* ------------------ the change ---------------------------------------------------------------- */

static struct provider_config *find_provider(struct config *config, const char *name)
{
    for (size_t i = 0; i < config->provider_count; i++)
        if (strcmp(config->providers[i].name, name) == 0)
            return &config->providers[i];
    return NULL;
}

static void set_text(char **member, char *value)
{
    free(*member);
    *member = value;
}

static void set_origin(struct provider_config *provider, const char *name)
{
    size_t index = key_index(key_find(GROUP_PROVIDER, name));
    if (provider->origins)
        set_text(&provider->origins[index], xstrdup("the operator"));
}

static int change_plugin(const struct config *config, struct provider_config *provider, const char *plugin,
                         char *err)
{
    const struct key *key = key_find(GROUP_PROVIDER, "plugin");
    if (!value_text_is_allowed(key, plugin) || (strchr(plugin, '/') && plugin[0] != '/'))
        return fail(err, -EINVAL,
                    "\"%.100s\" is no plugin; allowed: a plugin's name, as \"mock\", or an absolute path",
                    plugin);
    set_text(&provider->plugin, xstrdup(plugin));
    set_text(&provider->file, plugin_file(config->plugin_dir, plugin)); /* is looked at when it is loaded */
    set_origin(provider, "plugin");
    return 0;
}

/* The members of `given` over those that are there; null takes one away. */
static void change_options(struct provider_config *provider, const char *given, bool reset)
{
    json_t *options = reset ? json_object() : json_loads(provider->options, 0, NULL);
    json_t *changes = json_loads(given ? given : "{}", 0, NULL), *value;
    const char *name;
    json_object_foreach(changes, name, value)
    {
        if (json_is_null(value))
            json_object_del(options, name);
        else
            json_object_set(options, name, value);
    }
    set_text(&provider->options, json_dumps(options, JSON_COMPACT));
    json_decref(changes);
    json_decref(options);
    set_origin(provider, "options");
}

struct config *config_identify(const struct config *from)
{
    struct config *config = copy_config(from);
    providers_identify(config);
    return config;
}

int config_change_provider(struct config **out, const struct config *from, const struct config_change *change,
                           char *err)
{
    struct config *config = copy_config(from);
    struct provider_config *provider = find_provider(config, change->name);
    int code = provider ? 0 : fail(err, -ESRCH, "there is no provider \"%s\"", change->name);
    if (code == 0 && change->plugin)
        code = change_plugin(config, provider, change->plugin, err);
    if (code == 0 && (change->options || change->reset_options))
        change_options(provider, change->options, change->reset_options);
    if (code == 0)
        *out = config;
    else
        config_unref(config);
    return code;
}
