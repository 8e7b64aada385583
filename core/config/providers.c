/* `providers`: the entries, and the shared objects that they mean. */
#include "config/reader.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static struct provider_config *add_entry(struct config *config)
{
    struct provider_config *provider = &config->providers[config->provider_count++];
    *provider = (struct provider_config){ .origins = xcalloc(key_count, sizeof(char *)) };
    key_store_defaults(GROUP_PROVIDER, provider);
    return provider;
}

void providers_add_mock(struct config *config, const char *plugin_dir)
{
    config->providers = xcalloc(1, sizeof *config->providers);
    struct provider_config *provider = add_entry(config);
    provider->name = xstrdup("mock");
    provider->plugin = xstrdup("mock");
    provider->file = path_join(plugin_dir, "mock.so");
}

static void read_entry_key(struct reader *reader, struct provider_config *provider,
                           const config_setting_t *setting)
{
    const struct key *key = key_find(GROUP_PROVIDER, config_setting_name(setting));
    if (!key) {
        setting_unknown(reader, setting, GROUP_PROVIDER);
        return;
    }
    if (key->kind != KEY_OPTIONS) {
        value_read(reader, key, setting, provider, provider->origins);
        provider->refresh_set |= key->kind == KEY_DECIMAL;
        if (key->kind == KEY_PLUGIN && provider->plugin && strchr(provider->plugin, '/'))
            provider->file = path_join(setting_folder(reader, setting), provider->plugin);
        return;
    }
    char *options = options_read(reader, setting);
    if (!options)
        return;
    key_store_text(key, provider, options);
    provider->origins[key_index(key)] = setting_place(reader, setting);
}

/* Name and plugin must be there; when one was given and refused, that is enough of a mistake. */
static void check_entry(struct reader *reader, const struct provider_config *provider,
                        const config_setting_t *entry)
{
    if (!provider->name && !config_setting_get_member(entry, "name"))
        setting_mistake(reader, entry,
                        "this provider has no \"name\"; allowed: 1 to 64 letters, digits, \"_\", "
                        "\".\" or \"-\"");
    if (!provider->plugin && !config_setting_get_member(entry, "plugin"))
        setting_mistake(reader, entry,
                        "this provider has no \"plugin\"; allowed: a plugin's name, as \"mock\", or "
                        "a path with a slash");
    size_t name_index = key_index(key_find(GROUP_PROVIDER, "name"));
    for (const struct provider_config *other = reader->config->providers; provider->name && other < provider;
         other++)
        if (other->name && strcmp(other->name, provider->name) == 0)
            setting_mistake(reader, entry, "a provider \"%s\" is there already (%s); give each its own name",
                            provider->name, other->origins[name_index]);
}

static void read_entry(struct reader *reader, const config_setting_t *entry)
{
    if (!setting_must_be_group(reader, entry, "providers"))
        return;
    struct provider_config *provider = add_entry(reader->config);
    provider->line = (int)source_line_number(&reader->source, config_setting_source_line(entry));
    for (int i = 0; i < config_setting_length(entry); i++)
        read_entry_key(reader, provider, config_setting_get_elem(entry, (unsigned)i));
    check_entry(reader, provider, entry);
}

void providers_read(struct reader *reader, const config_setting_t *setting)
{
    int count = setting_is_sequence(setting) ? config_setting_length(setting) : -1;
    if (count < 0) {
        char *described = setting_describe(setting, DESCRIBE_TYPE);
        setting_mistake(reader, setting,
                        "\"providers\" is %s; allowed: a list ( { name = ...; plugin = ...; }, ... )",
                        described);
        free(described);
        return;
    }
    if (count > PROVIDERS_MOST) {
        setting_mistake(reader, setting, "\"providers\" has %d entries; allowed: at most %d", count,
                        PROVIDERS_MOST);
        return;
    }
    reader->config->providers_origin = setting_place(reader, setting);
    reader->config->providers = xcalloc((size_t)count, sizeof *reader->config->providers);
    for (int i = 0; i < count; i++)
        read_entry(reader, config_setting_get_elem(setting, (unsigned)i));
}

char *plugin_file(const char *plugin_dir, const char *plugin)
{
    struct text_buffer file = { 0 };
    if (strchr(plugin, '/'))
        return xstrdup(plugin);
    text_appendf(&file, "%s.so", plugin);
    char *path = path_join(plugin_dir, file.ptr);
    text_finish(&file);
    return path;
}

const char *plugin_why_unreadable(const char *file)
{
    struct stat status;
    if (stat(file, &status) < 0)
        return errno == ENOENT ? "there is no such file" : strerror(errno);
    if (!S_ISREG(status.st_mode))
        return "it isn't a regular file";
    return access(file, R_OK) < 0 ? strerror(errno) : NULL;
}

static void find_plugin(struct reader *reader, struct provider_config *provider, bool by_name)
{
    const char *plugin_dir = reader->config->plugin_dir;
    const char *place = provider->origins[key_index(key_find(GROUP_PROVIDER, "plugin"))];
    if (provider->plugin && !provider->file) {
        provider->file = plugin_file(plugin_dir, provider->plugin);
        if (!by_name)
            return;
    }
    const char *why = provider->file ? plugin_why_unreadable(provider->file) : NULL;
    if (why)
        mistake(&reader->mistakes, place ? place : reader->source.files[0].shown,
                "provider \"%s\": can't use the plugin file \"%s\": %s; allowed: the name of a plugin in "
                "plugin_dir (\"%s\"), or a path with a slash",
                provider->name ? provider->name : "?", provider->file, why, plugin_dir);
}

void providers_identify(struct config *config)
{
    for (size_t i = 0; i < config->provider_count; i++) {
        struct provider_config *provider = &config->providers[i];
        struct stat status;
        bool there = stat(provider->file, &status) == 0;
        provider->identity = there ? file_identity_of(&status) : (struct file_identity){ 0 };
    }
}

void providers_find_plugins(struct reader *reader, bool by_name)
{
    struct config *config = reader->config;
    for (size_t i = 0; i < config->provider_count; i++)
        find_plugin(reader, &config->providers[i], by_name);
}
