/* From a file's name to a checked struct config: config_load(). */
#include "config/reader.h"

#include <errno.h>
#include <stdlib.h>

/* An environment variable that says something. */
static const char *environment(const char *name)
{
    const char *value = getenv(name);
    return value && value[0] ? value : NULL;
}

/* The file to read, and in `place` who named it; NULL: none. */
static const char *choose_file(const struct config_overrides *overrides, const struct config_paths *paths,
                               const char **place)
{
    if (overrides && overrides->file) {
        *place = "--config";
        return overrides->file;
    }
    *place = "D_BACK_CONFIG";
    const char *file = environment(*place);
    if (file)
        return file;
    *place = paths->file;
    return paths->file;
}

/* ------------------------------------------------------------------ the file */

/* libconfig's words, in ours; it tells the first one only. */
static const char *explain(const char *error)
{
    if (error && strcmp(error, "duplicate setting name") == 0)
        return "this key is given a second time in its group; leave one of them out";
    if (error && strcmp(error, "mismatched element type in array") == 0)
        return "an array [ ] holds values of one type and no groups; allowed: a list ( ) for others";
    if (error && strcmp(error, "memory exhausted") == 0)
        return "groups or lists are nested too deeply; allowed: far fewer levels";
    return "syntax error here or just before; allowed: NAME = VALUE; with strings in \"quotation marks\", "
           "groups in { }, "
           "lists in ( ) and arrays in [ ], and no comma behind the last entry";
}

static bool parse(struct reader *reader, config_t *tree)
{
    /* Nothing is left to include; should the two lexers ever disagree, it fails instead of opening a file. */
    config_set_include_dir(tree, "/dev/null");
    if (config_read_string(tree, reader->source.text.ptr))
        return true;
    char *place = source_place(&reader->source, (unsigned)config_error_line(tree));
    mistake(&reader->mistakes, place, "%s", explain(config_error_text(tree)));
    free(place);
    return false;
}

static void read_group(struct reader *reader, const config_setting_t *setting, enum key_group group)
{
    if (!setting_must_be_group(reader, setting, key_group_names[group]))
        return;
    for (int i = 0; i < config_setting_length(setting); i++) {
        const config_setting_t *member = config_setting_get_elem(setting, (unsigned)i);
        const struct key *key = key_find(group, config_setting_name(member));
        if (key)
            value_read(reader, key, member, reader->config, reader->config->origins);
        else
            setting_unknown(reader, member, group);
    }
}

static enum key_group find_group(const char *name)
{
    int group = GROUP_TOP + 1;
    while (group < GROUP_COUNT && strcmp(key_group_names[group], name) != 0)
        group++;
    return (enum key_group)group;
}

static void read_top(struct reader *reader, const config_setting_t *setting)
{
    const struct key *key = key_find(GROUP_TOP, config_setting_name(setting));
    enum key_group group = find_group(config_setting_name(setting));
    if (key && key->kind == KEY_NETWORKS)
        networks_read(reader, key, setting);
    else if (key)
        value_read(reader, key, setting, reader->config, reader->config->origins);
    else if (group == GROUP_PROVIDER)
        providers_read(reader, setting);
    else if (group == GROUP_COUNT)
        setting_unknown(reader, setting, GROUP_TOP);
    else if (group != GROUP_ROUTES) /* those come last: they name providers */
        read_group(reader, setting, group);
}

/* A folder that was named must be there. */
static bool check_folder(struct reader *reader, const char *name)
{
    const struct key *key = key_find(GROUP_TOP, name);
    const char *place = reader->config->origins[key_index(key)];
    const char *folder = key_load_text(key, reader->config);
    if (!place || path_is_folder(folder))
        return true;
    mistake(&reader->mistakes, place,
            "\"%s\" is \"%s\", which isn't a folder; allowed: the path of a folder that is there", name,
            folder);
    return false;
}

/* False after a mistake: then plugins that are named without a path can't be looked for. */
static bool find_plugin_dir(struct reader *reader, const config_setting_t *setting)
{
    struct config *config = reader->config;
    bool refused = setting && !config->plugin_dir;
    if (!config->plugin_dir)
        config->plugin_dir = xstrdup(reader->paths->plugin_dir);
    return check_folder(reader, "plugin_dir") && !refused;
}

static void read_tree(struct reader *reader, const config_t *tree)
{
    const config_setting_t *root = config_root_setting(tree);
    for (int i = 0; i < config_setting_length(root); i++)
        read_top(reader, config_setting_get_elem(root, (unsigned)i));
    bool by_name = find_plugin_dir(reader, config_setting_get_member(root, "plugin_dir"));
    if (!config_setting_get_member(root, "providers"))
        providers_add_mock(reader->config, reader->config->plugin_dir);
    providers_find_plugins(reader, by_name);
    routes_read(reader, config_setting_get_member(root, "routes"));
}

static void read_file(struct reader *reader, const char *path, const char *place)
{
    reader->config->file = path_absolute(path);
    config_t tree;
    config_init(&tree);
    if (source_read(&reader->source, path, place, &reader->mistakes) && parse(reader, &tree))
        read_tree(reader, &tree);
    config_destroy(&tree);
    source_finish(&reader->source);
}

/* ------------------------------------------------------------------ all together */

static void read_overrides(struct reader *reader, const struct config_overrides *overrides)
{
    for (const struct key *key = keys; key < keys + key_count; key++) {
        if (!key->option)
            continue;
        const char *text = NULL, *variable = environment(key->environment);
        if (overrides && strcmp(key->option, "--host") == 0)
            text = overrides->host;
        else if (overrides && strcmp(key->option, "--port") == 0)
            text = overrides->port;
        else if (overrides && strcmp(key->option, "--static-dir") == 0)
            text = overrides->static_dir;
        if (text)
            value_read_text(reader, key, text, key->option);
        else if (variable)
            value_read_text(reader, key, variable, key->environment);
    }
}

/* The socket's default, and a listener that would let everybody in. */
static void finish_control(struct reader *reader)
{
    struct config *config = reader->config;
    const struct key *socket = key_find(GROUP_CONTROL, "socket"), *listen = key_find(GROUP_CONTROL, "listen");
    config->control.socket_is_default = !config->origins[key_index(socket)];
    if (config->control.socket_is_default) {
        char **places = config_control_places();
        config->control.socket = xstrdup(places[0]);
        config_control_places_free(places);
    }
    if (config->control.listen && !config->control.token_file)
        mistake(&reader->mistakes, config->origins[key_index(listen)],
                "\"control.listen\" is given without a \"control.token_file\"; allowed: both, because every "
                "user of this machine can connect to it");
}

int config_load_from(struct config **out, const struct config_overrides *overrides,
                     const struct config_paths *paths, struct text_buffer *mistakes)
{
    struct reader reader = { .config = config_create(), .paths = paths, .mistakes = { .out = mistakes } };
    struct config *config = reader.config;
    const char *place = NULL, *file = choose_file(overrides, paths, &place);
    if (file) {
        read_file(&reader, file, place);
    } else {
        config->plugin_dir = xstrdup(paths->plugin_dir);
        providers_add_mock(config, config->plugin_dir);
        routes_read(&reader, NULL);
    }
    read_overrides(&reader, overrides);
    config->static_dir_is_own = config->static_dir != NULL;
    if (!config->static_dir)
        config->static_dir = xstrdup(paths->static_dir);
    check_folder(&reader, "static_dir");
    finish_control(&reader);
    mistakes_finish(&reader.mistakes);
    if (reader.mistakes.count > 0) {
        config_unref(config);
        return -EINVAL;
    }
    providers_identify(config);
    *out = config;
    return 0;
}

int config_load(struct config **out, const struct config_overrides *overrides, struct text_buffer *mistakes)
{
    struct config_paths paths;
    config_paths_find_own(&paths);
    int result = config_load_from(out, overrides, &paths, mistakes);
    config_paths_finish(&paths);
    return result;
}
