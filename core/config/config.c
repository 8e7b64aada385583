/* The life of a struct config, whether it leaves anything to serve, and what differs between two of them. */
#include "config/reader.h"

#include <errno.h>
#include <stdlib.h>

struct config *config_create(void)
{
    struct config *config = xcalloc(1, sizeof *config);
    config->references = 1;
    config->origins = xcalloc(key_count, sizeof(char *));
    key_store_defaults(GROUP_TOP, config);
    key_store_defaults(GROUP_LOG, config);
    key_store_defaults(GROUP_CONTROL, config);
    key_store_defaults(GROUP_LIMITS, config);
    return config;
}

struct config *config_ref(struct config *config)
{
    __atomic_fetch_add(&config->references, 1, __ATOMIC_RELAXED);
    return config;
}

static void free_origins(char **origins)
{
    for (size_t i = 0; origins && i < key_count; i++)
        free(origins[i]);
    free(origins);
}

static void free_provider(struct provider_config *provider)
{
    free(provider->name);
    free(provider->plugin);
    free(provider->file);
    free(provider->options);
    free_origins(provider->origins);
}

void config_unref(struct config *config)
{
    if (!config || __atomic_sub_fetch(&config->references, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    free(config->file);
    free(config->host);
    free(config->static_dir);
    free(config->plugin_dir);
    free(config->trusted_proxies);
    free(config->log.file);
    free(config->control.socket);
    free(config->control.listen);
    free(config->control.token_file);
    for (size_t i = 0; i < config->provider_count; i++)
        free_provider(&config->providers[i]);
    free(config->providers);
    for (int i = 0; i < CAP_COUNT; i++)
        free(config->routes[i].order);
    free_origins(config->origins);
    free(config->providers_origin);
    free(config);
}

int config_check_servers(const struct config *config, struct text_buffer *mistakes)
{
    struct mistakes told = { .out = mistakes };
    const char *route = config->origins[key_index(key_find(GROUP_ROUTES, "servers"))];
    if (config->routes[CAP_SERVERS].count > 0)
        return 0;
    if (config->provider_count == 0)
        mistake(&told, config->providers_origin,
                "\"providers\" is empty, so that there are no servers; allowed: at least one entry, as "
                "{ name = \"mock\"; plugin = \"mock\"; }");
    else
        mistake(&told, route,
                "\"routes.servers\" is empty, so that there are no servers; allowed: the name of at least "
                "one provider");
    return -EINVAL;
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_value(const struct key *key, const struct config *a, const struct config *b)
{
    switch (key->kind) {
    case KEY_HOST:
    case KEY_FOLDER:
    case KEY_FILE:
    case KEY_SOCKET:
    case KEY_ENDPOINT:
        return same_text(key_load_text(key, a), key_load_text(key, b));
    default:
        return key_load(key, a) == key_load(key, b);
    }
}

void config_restart_differences(const struct config *old, const struct config *changed,
                                struct text_buffer *out)
{
    size_t begin = out->len;
    for (const struct key *key = keys; key < keys + key_count; key++) {
        if (!key->restart || same_value(key, old, changed))
            continue;
        if (out->len > begin)
            text_append_literal(out, ", ");
        key_append_name(key, out);
    }
}
