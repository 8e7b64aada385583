/* `routes`: per capability the providers to ask, as indices. */
#include "config/reader.h"

#include <stdlib.h>

/* The provider of that name; provider_count when there is none. */
static size_t find_provider(const struct config *config, const char *name)
{
    size_t i = 0;
    while (i < config->provider_count &&
           (!config->providers[i].name || strcmp(config->providers[i].name, name) != 0))
        i++;
    return i;
}

static void refuse_unknown(struct reader *reader, const config_setting_t *element, const char *route)
{
    const struct config *config = reader->config;
    struct text_buffer known = { 0 };
    for (size_t i = 0; i < config->provider_count; i++)
        if (config->providers[i].name)
            text_appendf(&known, "%s\"%s\"", known.len ? ", " : "", config->providers[i].name);
    setting_mistake(reader, element, "unknown provider \"%.100s\" in \"routes.%s\"; allowed: %.*s",
                    config_setting_get_string(element), route, known.len ? (int)known.len : 26,
                    known.len ? known.ptr : "none, as there is no entry");
    text_finish(&known);
}

static void read_element(struct reader *reader, enum capability capability, const config_setting_t *element)
{
    struct config *config = reader->config;
    const char *route = capability_names[capability];
    if (!setting_is_text(element)) {
        char *described = setting_describe(element, DESCRIBE_BOTH);
        setting_mistake(reader, element, "\"routes.%s\" holds %s; allowed: names of providers, as [\"mock\"]",
                        route, described);
        free(described);
        return;
    }
    size_t provider = find_provider(config, config_setting_get_string(element));
    if (provider == config->provider_count) {
        refuse_unknown(reader, element, route);
        return;
    }
    size_t *order = config->routes[capability].order, count = config->routes[capability].count;
    for (size_t i = 0; i < count; i++) {
        if (order[i] == provider) {
            setting_mistake(reader, element, "\"%s\" is in \"routes.%s\" twice; a provider is asked once",
                            config->providers[provider].name, route);
            return;
        }
    }
    order[count] = provider;
    config->routes[capability].count++;
}

static void read_route(struct reader *reader, enum capability capability, const struct key *key,
                       const config_setting_t *setting)
{
    struct config *config = reader->config;
    char *place = setting_place(reader, setting);
    if (setting_is_sequence(setting)) {
        for (int i = 0; i < config_setting_length(setting); i++)
            read_element(reader, capability, config_setting_get_elem(setting, (unsigned)i));
    } else {
        char *described = setting_describe(setting, DESCRIBE_BOTH);
        value_refuse(reader, key, place, described);
        free(described);
    }
    config->origins[key_index(key)] = place;
}

void routes_read(struct reader *reader, const config_setting_t *setting)
{
    struct config *config = reader->config;
    if (setting && !setting_must_be_group(reader, setting, "routes"))
        setting = NULL;
    for (int i = 0; setting && i < config_setting_length(setting); i++) {
        const config_setting_t *member = config_setting_get_elem(setting, (unsigned)i);
        if (!key_find(GROUP_ROUTES, config_setting_name(member)))
            setting_unknown(reader, member, GROUP_ROUTES);
    }
    for (int capability = 0; capability < CAP_COUNT; capability++) {
        const struct key *key = key_find(GROUP_ROUTES, capability_names[capability]);
        const config_setting_t *member = setting ? config_setting_get_member(setting, key->name) : NULL;
        config->routes[capability].order = xcalloc(config->provider_count, sizeof(size_t));
        if (member) {
            read_route(reader, (enum capability)capability, key, member);
            continue;
        }
        config->routes[capability].count = config->provider_count;
        for (size_t p = 0; p < config->provider_count; p++)
            config->routes[capability].order[p] = p;
    }
}
