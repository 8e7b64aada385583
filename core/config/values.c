/* One key's value: from a setting of the file, the environment or the command line into struct config. */
#include "config/reader.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

void value_refuse(struct reader *reader, const struct key *key, const char *place, const char *described)
{
    struct text_buffer name = { 0 }, allowed = { 0 };
    key_append_name(key, &name);
    key_append_allowed(key, &allowed);
    mistake(&reader->mistakes, place, "\"%.*s\" is %s; allowed: %.*s", (int)name.len, name.ptr, described,
            (int)allowed.len, allowed.ptr);
    text_finish(&name);
    text_finish(&allowed);
}

static unsigned cpu_count(void)
{
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online < 1 ? 1 : (unsigned)online;
}

#define LETTERS_AND_DIGITS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

static bool is_made_of(const char *text, const char *bytes, size_t most)
{
    size_t len = strlen(text);
    return len >= 1 && len <= most && strspn(text, bytes) == len;
}

/* "127.0.0.1:3001", "[::1]:3001": numbers only, so that it can't come to mean another machine. */
static bool is_loopback_endpoint(const char *text)
{
    const char *port = strrchr(text, ':');
    struct in_addr v4;
    if (!port || !is_made_of(port + 1, "0123456789", 5) || strtoul(port + 1, NULL, 10) > 65535)
        return false;
    char *host = xstrndup(text, (size_t)(port - text));
    bool loopback = strcmp(host, "[::1]") == 0 ||
                    (inet_pton(AF_INET, host, &v4) == 1 && ntohl(v4.s_addr) >> 24 == IN_LOOPBACKNET);
    free(host);
    return loopback;
}

bool value_text_is_allowed(const struct key *key, const char *text)
{
    switch (key->kind) {
    case KEY_HOST:
        return is_made_of(text, LETTERS_AND_DIGITS ".:-_%", 253);
    case KEY_NAME:
        return is_made_of(text, LETTERS_AND_DIGITS "_.-", 64);
    case KEY_PLUGIN:
        return (strchr(text, '/') && text[strlen(text) - 1] != '/') ||
               is_made_of(text, LETTERS_AND_DIGITS "_.-", 255);
    case KEY_FOLDER:
        return text[0] != '\0';
    case KEY_ENDPOINT:
        return text[0] == '\0' || is_loopback_endpoint(text);
    default:
        return true;
    }
}

/* Takes `path`. A socket's name has a fixed place in the kernel's struct. */
static bool store_socket(const struct key *key, char *path, void *base)
{
    bool fits = strlen(path) < sizeof((struct sockaddr_un *)0)->sun_path;
    if (fits)
        key_store_text(key, base, path);
    else
        free(path);
    return fits;
}

/* `folder`: where relative paths begin. */
static bool store_text(const struct key *key, const char *text, const char *folder, void *base)
{
    if (!value_text_is_allowed(key, text))
        return false;
    bool path = key->kind == KEY_FILE || key->kind == KEY_SOCKET;
    if ((path || key->kind == KEY_ENDPOINT) && text[0] == '\0')
        key_store_text(key, base, NULL);
    else if (key->kind == KEY_SOCKET)
        return store_socket(key, path_join(folder, text), base);
    else if (path || key->kind == KEY_FOLDER)
        key_store_text(key, base, path_join(folder, text));
    else
        key_store_text(key, base, xstrdup(text));
    return true;
}

static bool store_number(const struct key *key, long long value, void *base)
{
    if (value < (long long)key->least || value > (long long)key->most)
        return false;
    key_store(key, base, (uint64_t)value);
    return true;
}

static bool store_word(const struct key *key, const char *word, void *base)
{
    if (key->kind == KEY_WORKERS) {
        if (strcmp(word, "auto") != 0)
            return false;
        key_store(key, base, cpu_count() < key->most ? cpu_count() : key->most);
        return true;
    }
    int index = key_find_word(key, word);
    if (index < 0)
        return false;
    key_store(key, base, key->first_word + (unsigned)index);
    return true;
}

static bool store_decimal(const struct key *key, const config_setting_t *setting, void *base)
{
    double value = setting_is_integer(setting) ? (double)config_setting_get_int64(setting)
                                               : config_setting_get_float(setting);
    if (!(value >= key->least && value <= key->most))
        return false;
    key_store_decimal(key, base, value);
    return true;
}

/* Of a type that fits. False: the value doesn't. */
static bool store_setting(const struct reader *reader, const struct key *key, const config_setting_t *setting,
                          void *base)
{
    switch (key->kind) {
    case KEY_BOOLEAN:
        key_store(key, base, (uint64_t)config_setting_get_bool(setting));
        return true;
    case KEY_INTEGER:
        return store_number(key, config_setting_get_int64(setting), base);
    case KEY_WORKERS:
        return setting_is_integer(setting) ? store_number(key, config_setting_get_int64(setting), base)
                                           : store_word(key, config_setting_get_string(setting), base);
    case KEY_DECIMAL:
        return store_decimal(key, setting, base);
    case KEY_CHOICE:
        return store_word(key, config_setting_get_string(setting), base);
    default:
        return store_text(key, config_setting_get_string(setting), setting_folder(reader, setting), base);
    }
}

static void set_origin(char **origins, const struct key *key, char *place)
{
    free(origins[key_index(key)]);
    origins[key_index(key)] = place;
}

/* Then it is the value that is wrong. */
static bool type_fits(const struct key *key, const config_setting_t *setting)
{
    bool text = setting_is_text(setting), integer = setting_is_integer(setting);
    switch (key->kind) {
    case KEY_BOOLEAN:
        return config_setting_type(setting) == CONFIG_TYPE_BOOL;
    case KEY_INTEGER:
        return integer;
    case KEY_WORKERS:
        return integer || text;
    case KEY_DECIMAL:
        return integer || config_setting_type(setting) == CONFIG_TYPE_FLOAT;
    default:
        return text;
    }
}

void value_read(struct reader *reader, const struct key *key, const config_setting_t *setting, void *base,
                char **origins)
{
    char *place = setting_place(reader, setting);
    bool fits = type_fits(key, setting);
    if (fits && store_setting(reader, key, setting, base)) {
        set_origin(origins, key, place);
        return;
    }
    char *described = setting_describe(setting, fits ? DESCRIBE_VALUE : DESCRIBE_BOTH);
    value_refuse(reader, key, place, described);
    free(described);
    free(place);
}

void value_read_text(struct reader *reader, const struct key *key, const char *text, const char *place)
{
    struct config *config = reader->config;
    bool taken;
    if (key->kind == KEY_INTEGER) {
        taken = is_made_of(text, "0123456789", 10) && store_number(key, strtoll(text, NULL, 10), config);
    } else {
        char *here = path_absolute("");
        taken = store_text(key, text, here, config);
        free(here);
    }
    if (taken) {
        set_origin(config->origins, key, xstrdup(place));
        return;
    }
    struct text_buffer described = { 0 };
    text_appendf(&described, "\"%.100s\"", text);
    value_refuse(reader, key, place, described.ptr);
    text_finish(&described);
}
