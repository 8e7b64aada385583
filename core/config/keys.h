/* The table of keys: everything that may stand in d-back.cfg, each key once.
 *
 * The reader takes types, ranges and defaults from it, mistakes their "allowed" part, --check-config
 * the values and comments, docs/configuration.md its reference. A new key is one row here, one
 * member in config.h, and one line in etc/d-back.cfg.
 */
#ifndef DBACK_CONFIG_KEYS_H
#define DBACK_CONFIG_KEYS_H

#include "config/config.h"

enum key_group {
    GROUP_TOP,
    GROUP_LOG,
    GROUP_CONTROL,
    GROUP_LIMITS,
    GROUP_PROVIDER,
    GROUP_ROUTES,
    GROUP_COUNT
};
/* As in the file: "", "log", "control", "limits", "providers", "routes". */
extern const char *const key_group_names[GROUP_COUNT];

enum key_kind {
    KEY_BOOLEAN, /* bool */
    KEY_INTEGER, /* an unsigned integer of `size` bytes, least to most */
    KEY_WORKERS, /* the same, or "auto" */
    KEY_DECIMAL, /* double, least to most */
    KEY_CHOICE,  /* one of `words`, stored in `size` bytes as first_word + its index */
    KEY_HOST,    /* char *, from here to PLUGIN */
    KEY_NAME,
    KEY_FOLDER,
    KEY_FILE,
    KEY_SOCKET,
    KEY_ENDPOINT,
    KEY_PLUGIN,
    KEY_NETWORKS,
    KEY_OPTIONS,
    KEY_ROUTE,
};

struct key {
    enum key_group group;
    const char *name;
    enum key_kind kind;
    size_t offset, size; /* of the member in struct config, or in struct provider_config */
    uint32_t least, most;
    const char *unit; /* "seconds"; NULL: none */
    const char *const *words;
    unsigned first_word;
    const char *fallback;             /* the default as text; for folders and routes: in words */
    bool restart;                     /* else a reload is enough */
    const char *environment, *option; /* that override it; NULL: none */
    const char *about;
};

extern const struct key keys[];
extern const size_t key_count;

/* "port", "log.level"; of a provider's entry the bare name. */
void key_append_name(const struct key *key, struct text_buffer *out);
/* What is allowed, as in "an integer from 0 to 65535". */
void key_append_allowed(const struct key *key, struct text_buffer *out);

/* NULL when there is none. */
const struct key *key_find(enum key_group group, const char *name);
/* Its place in `keys` and in `origins`. */
size_t key_index(const struct key *key);

/* The member of `base`, a struct config or (of GROUP_PROVIDER) a struct provider_config. BOOLEAN, INTEGER,
 * WORKERS and CHOICE. */
void key_store(const struct key *key, void *base, uint64_t value);
uint64_t key_load(const struct key *key, const void *base);
/* The same for text; storing frees what was there and takes `value` over. */
void key_store_text(const struct key *key, void *base, char *value);
const char *key_load_text(const struct key *key, const void *base);
/* KEY_DECIMAL. */
void key_store_decimal(const struct key *key, void *base, double value);
double key_load_decimal(const struct key *key, const void *base);

/* As short as it reads back to the same number, with a point in every locale. */
void key_append_decimal(double value, struct text_buffer *out);

/* The index of `word` among the key's words, -1 if it isn't one. */
int key_find_word(const struct key *key, const char *word);
/* Sets all keys of `group` to their defaults, except those whose default is said in words. */
void key_store_defaults(enum key_group group, void *base);

#endif
