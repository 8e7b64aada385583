/* trusted_proxies: addresses and networks as text, and as the edge compares them.
 *
 * A peer on a dual-stack socket shows itself v4-mapped, so IPv4 networks are stored in that form: one
 * comparison serves both families.
 */
#include "config/reader.h"

#include <arpa/inet.h>
#include <stdlib.h>

static const unsigned char mapped_head[12] = { [10] = 0xff, [11] = 0xff };

static bool is_mapped(const struct in6_addr *address)
{
    return memcmp(address->s6_addr, mapped_head, sizeof mapped_head) == 0;
}

/* -1: not a number, or above `most`. */
static int parse_prefix(const char *text, int most)
{
    size_t len = strlen(text);
    if (len < 1 || len > 3 || strspn(text, "0123456789") != len || (text[0] == '0' && len > 1))
        return -1;
    int prefix = atoi(text);
    return prefix <= most ? prefix : -1;
}

static bool parse_address(const char *text, struct in6_addr *out, bool *is_v4)
{
    struct in_addr v4;
    *is_v4 = inet_pton(AF_INET, text, &v4) == 1;
    if (!*is_v4)
        return inet_pton(AF_INET6, text, out) == 1;
    memcpy(out->s6_addr, mapped_head, sizeof mapped_head);
    memcpy(out->s6_addr + 12, &v4, 4);
    return true;
}

static void clear_host_bits(struct in6_addr *address, unsigned prefix)
{
    for (unsigned bit = prefix; bit < 128; bit++)
        address->s6_addr[bit / 8] &= (unsigned char)~(0x80u >> bit % 8);
}

bool network_parse(const char *text, struct network *out, char *err)
{
    static const char allowed[] =
        "allowed: an address or a network, as \"127.0.0.1\", \"10.0.0.0/8\" or \"::1\"";
    const char *slash = strchr(text, '/');
    size_t len = slash ? (size_t)(slash - text) : strlen(text);
    char address[INET6_ADDRSTRLEN];
    struct network network;
    bool is_v4;
    if (len >= sizeof address) {
        fail(err, -1, "\"%.60s\" is no address; %s", text, allowed);
        return false;
    }
    memcpy(address, text, len);
    address[len] = '\0';
    if (!parse_address(address, &network.address, &is_v4)) {
        fail(err, -1, "\"%.60s\" is no address; %s", text, allowed);
        return false;
    }
    int most = is_v4 ? 32 : 128, prefix = slash ? parse_prefix(slash + 1, most) : most;
    if (prefix < 0) {
        fail(err, -1, "\"%.60s\" has a wrong prefix length; allowed: 0 to %d", text, most);
        return false;
    }
    network.prefix = (unsigned)prefix + (is_v4 ? 96 : 0);
    struct network clean = network;
    if (!is_v4 && prefix <= 32 && is_mapped(&network.address))
        clean.prefix += 96; /* "::ffff:10.0.0.0/8": an IPv4 network was meant, not 120 bits of everything */
    clear_host_bits(&clean.address, clean.prefix);
    if (memcmp(&clean.address, &network.address, sizeof clean.address) != 0) {
        struct text_buffer meant = { 0 };
        network_append(&clean, &meant);
        fail(err, -1, "\"%.60s\" has bits set behind its prefix; did you mean \"%.*s\" or \"%s\"?", text,
             (int)meant.len, meant.ptr, address);
        text_finish(&meant);
        return false;
    }
    *out = network;
    return true;
}

void network_append(const struct network *network, struct text_buffer *out)
{
    char text[INET6_ADDRSTRLEN];
    bool is_v4 = network->prefix >= 96 && is_mapped(&network->address);
    const unsigned char *bytes = network->address.s6_addr;
    inet_ntop(is_v4 ? AF_INET : AF_INET6, is_v4 ? bytes + 12 : bytes, text, sizeof text);
    text_appendf(out, "%s", text);
    if (network->prefix < 128)
        text_appendf(out, "/%u", network->prefix - (is_v4 ? 96 : 0));
}

void networks_read(struct reader *reader, const struct key *key, const config_setting_t *setting)
{
    struct config *config = reader->config;
    char *place = setting_place(reader, setting);
    size_t count = setting_is_sequence(setting) ? (size_t)config_setting_length(setting) : 0;
    if (!setting_is_sequence(setting)) {
        char *described = setting_describe(setting, DESCRIBE_BOTH);
        value_refuse(reader, key, place, described);
        free(described);
    } else if (count > NETWORKS_MOST) {
        mistake(&reader->mistakes, place, "\"%s\" has %zu entries; allowed: at most %d", key->name, count,
                NETWORKS_MOST);
        count = 0;
    }
    config->trusted_proxies = xcalloc(count, sizeof *config->trusted_proxies);
    for (size_t i = 0; i < count; i++) {
        const config_setting_t *element = config_setting_get_elem(setting, (unsigned)i);
        char err[ERR_SIZE];
        if (!setting_is_text(element)) {
            char *described = setting_describe(element, DESCRIBE_BOTH);
            setting_mistake(reader, element, "\"%s\" holds %s; allowed: strings, as [\"10.0.0.0/8\"]",
                            key->name, described);
            free(described);
        } else if (!network_parse(config_setting_get_string(element),
                                  &config->trusted_proxies[config->trusted_proxy_count], err)) {
            setting_mistake(reader, element, "\"%s\": %s", key->name, err);
        } else {
            config->trusted_proxy_count++;
        }
    }
    config->origins[key_index(key)] = place;
}
