/* Addresses, networks, and whom to believe behind proxies. */
#include "testing.h"

#include "edge/peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sys/un.h>

static struct in6_addr address(const char *text)
{
    struct in6_addr out;
    assert_true(peer_read(&out, str_of(text)));
    return out;
}

static struct network network(const char *text, unsigned prefix)
{
    bool ipv4 = strchr(text, '.') != NULL;
    return (struct network){ address(text), ipv4 ? prefix + 96 : prefix };
}

static void assert_address(struct in6_addr a, const char *text)
{
    char written[PEER_TEXT_SIZE];
    peer_write(&a, written);
    assert_string_equal(written, text);
}

static void test_reading_socket_addresses(void **state)
{
    (void)state;
    struct in6_addr out;
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(80) };
    assert_int_equal(inet_pton(AF_INET, "203.0.113.9", &in.sin_addr), 1);
    assert_int_equal(peer_from_sockaddr(&out, (struct sockaddr *)&in, sizeof in), 0);
    assert_address(out, "203.0.113.9");
    assert_int_equal(peer_from_sockaddr(&out, (struct sockaddr *)&in, sizeof in - 1), -EINVAL);

    struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_scope_id = 3 };
    assert_int_equal(inet_pton(AF_INET6, "2001:db8::1", &in6.sin6_addr), 1);
    assert_int_equal(peer_from_sockaddr(&out, (struct sockaddr *)&in6, sizeof in6), 0);
    assert_address(out, "2001:db8::1");
    assert_int_equal(inet_pton(AF_INET6, "::ffff:192.0.2.1", &in6.sin6_addr), 1);
    assert_int_equal(peer_from_sockaddr(&out, (struct sockaddr *)&in6, sizeof in6), 0);
    assert_address(out, "192.0.2.1");
    assert_int_equal(peer_from_sockaddr(&out, (struct sockaddr *)&in6, sizeof in6 - 1), -EINVAL);

    struct sockaddr_un un = { .sun_family = AF_UNIX };
    assert_int_equal(peer_from_sockaddr(&out, (struct sockaddr *)&un, sizeof(sa_family_t)), -EAFNOSUPPORT);
    assert_address(out, "::");
    assert_int_equal(peer_from_sockaddr(&out, (struct sockaddr *)&un, 0), -EINVAL);
}

static void test_reading_text(void **state)
{
    (void)state;
    assert_address(address("192.0.2.1"), "192.0.2.1");
    assert_address(address("192.0.2.1:80"), "192.0.2.1");
    assert_address(address("2001:DB8:0::1"), "2001:db8::1");
    assert_address(address("[2001:db8::1]"), "2001:db8::1");
    assert_address(address("[2001:db8::1]:65535"), "2001:db8::1");
    assert_address(address("::ffff:192.0.2.1"), "192.0.2.1");
    static const char *const wrong[] = { "",
                                         "unknown",
                                         "_hidden",
                                         "192.0.2",
                                         "192.0.2.256",
                                         "192.0.2.1:",
                                         "1.2.3.4:x",
                                         "[::1",
                                         "[::1]x",
                                         "[::1]:",
                                         "[1.2.3.4]",
                                         "::1]",
                                         "localhost",
                                         "1.2.3.4 ",
                                         "1.2.3.4:1:2",
                                         "fe80::1%eth0",
                                         "1.2.3.4:123456",
                                         "[]",
                                         "0x7f.1",
                                         "1.2.3.4, 5.6.7.8" };
    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
        struct in6_addr out = address("9.9.9.9");
        if (peer_read(&out, str_of(wrong[i])))
            print_message("number %zu is taken for an address\n", i);
        assert_false(peer_read(&out, str_of(wrong[i])));
        assert_address(out, "9.9.9.9");
    }
    struct in6_addr out;
    assert_false(peer_read(&out, (struct str){ NULL, 0 }));
    assert_false(peer_read(&out, (struct str){ "1.2.3.4\0", 8 }));
}

static void test_networks(void **state)
{
    (void)state;
    struct {
        const char *net;
        unsigned prefix;
        const char *in, *out;
    } rows[] = {
        { "10.0.0.0", 8, "10.255.255.255", "11.0.0.0" },
        { "192.0.2.128", 25, "192.0.2.129", "192.0.2.127" },
        { "192.0.2.7", 32, "192.0.2.7", "192.0.2.6" },
        { "0.0.0.0", 0, "8.8.8.8", "2001:db8::1" },
        { "2001:db8::", 32, "2001:db8:ffff::1", "2001:db9::" },
        { "2001:db8::", 33, "2001:db8:7fff::1", "2001:db8:8000::" },
        { "::1", 128, "::1", "::2" },
        { "fe80::", 10, "febf::1", "fec0::1" },
        { "::", 0, "2001:db8::1", "203.0.113.1" }, /* all of IPv6, and no IPv4 */
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct network net = network(rows[i].net, rows[i].prefix);
        struct in6_addr in = address(rows[i].in), out = address(rows[i].out);
        assert_true(network_contains(&net, &in));
        assert_false(network_contains(&net, &out));
    }
    struct network impossible = { IN6ADDR_ANY_INIT, 129 };
    assert_false(network_contains(&impossible, &impossible.address));
}

/* Against a comparison bit by bit. */
static void test_networks_at_random(void **state)
{
    (void)state;
    struct dice dice = dice_create(3);
    for (int round = 0; round < 20000; round++) {
        struct network net = { .prefix = dice_below(&dice, 129) };
        struct in6_addr a;
        for (int i = 0; i < 16; i++)
            a.s6_addr[i] = net.address.s6_addr[i] = (unsigned char)dice_roll(&dice);
        unsigned flipped = dice_below(&dice, 128);
        a.s6_addr[flipped / 8] ^= (unsigned char)(0x80 >> flipped % 8);
        assert_int_equal(network_contains(&net, &a), flipped >= net.prefix);
    }
}

static struct in6_addr viewer(const char *peer, const char *first, const char *second)
{
    struct network trusted[] = { network("127.0.0.0", 8), network("10.0.0.0", 8), network("2001:db8::", 32) };
    struct str lines[] = { str_of(first), str_of(second) };
    struct in6_addr from = address(peer);
    return peer_viewer(&from, lines, !first ? 0 : !second ? 1 : 2, trusted, ARRAY_LENGTH(trusted));
}

static void test_the_viewer_behind_proxies(void **state)
{
    (void)state;
    /* Nobody trusts a stranger's word. */
    assert_address(viewer("203.0.113.9", "1.1.1.1", NULL), "203.0.113.9");
    assert_address(viewer("127.0.0.1", NULL, NULL), "127.0.0.1");
    assert_address(viewer("127.0.0.1", "", NULL), "127.0.0.1");
    assert_address(viewer("127.0.0.1", "198.51.100.7", NULL), "198.51.100.7");
    /* What stands left of the first stranger was written by that stranger. */
    assert_address(viewer("127.0.0.1", "6.6.6.6, 198.51.100.7, 10.1.1.1", NULL), "198.51.100.7");
    assert_address(viewer("127.0.0.1", "127.0.0.1, 198.51.100.7", NULL), "198.51.100.7");
    assert_address(viewer("127.0.0.1", "10.0.0.3,10.0.0.2", NULL), "10.0.0.3");
    /* Several lines are one list. */
    assert_address(viewer("10.0.0.1", "6.6.6.6, 198.51.100.7", "10.1.1.1, 10.1.1.2"), "198.51.100.7");
    assert_address(viewer("10.0.0.1", "6.6.6.6", "198.51.100.7"), "198.51.100.7");
    assert_address(viewer("10.0.0.1", "198.51.100.7", " , "), "198.51.100.7");
    /* With ports, brackets and other families. */
    assert_address(viewer("2001:db8::5", "198.51.100.7:5555, [2001:db8::9]:80", NULL), "198.51.100.7");
    assert_address(viewer("::ffff:127.0.0.1", "[2001:db9::1]", NULL), "2001:db9::1");
    /* Nonsense ends the walk at the last good one. */
    assert_address(viewer("127.0.0.1", "unknown", NULL), "127.0.0.1");
    assert_address(viewer("127.0.0.1", "198.51.100.7, unknown, 10.0.0.4", NULL), "10.0.0.4");
    assert_address(viewer("127.0.0.1", "198.51.100.7, 10.0.0.4;x", "10.0.0.5"), "10.0.0.5");
    struct in6_addr from = address("127.0.0.1");
    assert_address(peer_viewer(&from, &STR("1.1.1.1"), 1, NULL, 0), "127.0.0.1");
}

static void assert_origin(struct origin origin, bool secure, const char *host)
{
    assert_int_equal(origin.secure, secure);
    assert_int_equal(origin.host.len, strlen(host));
    assert_true(str_equal(origin.host, str_of(host)));
}

static void test_the_origin(void **state)
{
    (void)state;
    struct str none = { 0 };
    assert_origin(peer_origin(false, STR("h:3000"), false, none, none), false, "h:3000");
    assert_origin(peer_origin(true, STR("h"), true, none, none), true, "h");
    assert_origin(peer_origin(false, STR("h"), false, STR("https"), STR("evil")), false, "h");
    assert_origin(peer_origin(false, STR("h"), true, STR("https"), STR("d-zone.example")), true,
                  "d-zone.example");
    assert_origin(peer_origin(true, STR("h"), true, STR("http"), none), false, "h");
    assert_origin(peer_origin(false, STR("h"), true, STR("http, WSS"), STR("evil, good:81 ")), true,
                  "good:81");
    assert_origin(peer_origin(false, STR("h"), true, STR("gopher"), STR("a b")), false, "h");
    assert_origin(peer_origin(false, STR("h"), true, STR(","), STR("")), false, "h");
    assert_origin(peer_origin(false, none, false, none, none), false, "");
    assert_origin(peer_origin(false, STR("a/b"), false, none, none), false, "");
    assert_origin(peer_origin(false, none, true, none, STR("[::1]:80")), false, "[::1]:80");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reading_socket_addresses),
        cmocka_unit_test(test_reading_text),
        cmocka_unit_test(test_networks),
        cmocka_unit_test(test_networks_at_random),
        cmocka_unit_test(test_the_viewer_behind_proxies),
        cmocka_unit_test(test_the_origin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
