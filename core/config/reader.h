/* Inside of config/: what the parts of the reader share.
 *
 * read.c goes through the file and hands each part to the file that knows it: values.c a key of the
 * table, networks.c trusted_proxies, providers.c the entries of `providers` and their plugin files, options.c
 * an `options` group, routes.c the routes.
 */
#ifndef DBACK_CONFIG_READER_H
#define DBACK_CONFIG_READER_H

#include "config/config.h"
#include "config/keys.h"
#include "config/mistakes.h"
#include "config/paths.h"
#include "config/source.h"

#include <libconfig.h>

#define PROVIDERS_MOST 64
#define NETWORKS_MOST 1024
#define OPTIONS_DEPTH_MOST 32

struct reader {
    struct config *config;
    const struct config_paths *paths;
    struct source source;
    struct mistakes mistakes;
};

/* config_load() for a binary with these paths. */
int config_load_from(struct config **out, const struct config_overrides *overrides,
                     const struct config_paths *paths, struct text_buffer *mistakes);

/* A mistake at this setting of the file. */
void setting_mistake(struct reader *reader, const config_setting_t *setting, const char *format, ...)
    PRINTF_LIKE(3, 4);
/* "3000.0", "a decimal number", "3000.0, a decimal number"; always just "a group" and the like. Caller frees.
 * What may be a secret is described by its type. */
enum describe { DESCRIBE_VALUE, DESCRIBE_TYPE, DESCRIBE_BOTH };
char *setting_describe(const config_setting_t *setting, enum describe what);
bool setting_is_text(const config_setting_t *setting);
bool setting_is_integer(const config_setting_t *setting);
/* Is it a group? If not, a mistake. */
bool setting_must_be_group(struct reader *reader, const config_setting_t *setting, const char *name);
/* Is it an array or a list? The caller tells the mistake. */
bool setting_is_sequence(const config_setting_t *setting);
/* "FILE:LINE". Caller frees. */
char *setting_place(const struct reader *reader, const config_setting_t *setting);
/* The folder of the file that it stands in: relative paths begin there. */
const char *setting_folder(const struct reader *reader, const config_setting_t *setting);
/* A mistake: the setting is none of the keys of `group`. */
void setting_unknown(struct reader *reader, const config_setting_t *setting, enum key_group group);

/* Takes the value of `key` into `base` (see keys.h) and its place into `origins`. */
void value_read(struct reader *reader, const struct key *key, const config_setting_t *setting, void *base,
                char **origins);
/* Does the text have the form that the key, one of text, wants? */
bool value_text_is_allowed(const struct key *key, const char *text);
/* The same from the command line or the environment; `place` is the option or the variable. */
void value_read_text(struct reader *reader, const struct key *key, const char *text, const char *place);
/* A mistake: `described` isn't what the key allows. */
void value_refuse(struct reader *reader, const struct key *key, const char *place, const char *described);

void networks_read(struct reader *reader, const struct key *key, const config_setting_t *setting);
/* "10.0.0.0/8", "::1"; false and a sentence in `err` (ERR_SIZE bytes) when it isn't a network. */
bool network_parse(const char *text, struct network *out, char *err);
/* As network_parse takes it. */
void network_append(const struct network *network, struct text_buffer *out);

/* What is shown in place of a secret. */
#define OPTION_MASK "********"
/* Does an option of this name hold one, or this text? */
bool option_is_secret(const char *name);
bool option_holds_login(const char *text);

/* The JSON text of an options group; NULL after a mistake. Caller frees. */
char *options_read(struct reader *reader, const config_setting_t *setting);

void providers_read(struct reader *reader, const config_setting_t *setting);
/* After the whole file, when plugin_dir is known. `by_name` false: it is a mistake that has been told, and
 * only plugins that are named by a path are looked for. */
void providers_find_plugins(struct reader *reader, bool by_name);
/* The shared object that a plugin's name or path means. Caller frees. */
char *plugin_file(const char *plugin_dir, const char *plugin);
/* NULL when it can be opened, else why not. */
const char *plugin_why_unreadable(const char *file);
/* Which files lie there. */
void providers_identify(struct config *config);
void providers_add_mock(struct config *config, const char *plugin_dir);

/* `setting` NULL: there is no such group. */
void routes_read(struct reader *reader, const config_setting_t *setting);

/* One reference, all keys at the defaults of the table, no providers, no folders. */
struct config *config_create(void);

#endif
