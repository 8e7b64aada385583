/* What one address may do, and the rates by which it is told. */
#include "testing.h"

#include "base/rate.h"
#include "edge/addresses.h"
#include "edge/peer.h"

#define NOW 1000000u

static struct addresses *table;

static struct in6_addr at(const char *text)
{
    struct in6_addr out;
    assert_true(peer_read(&out, str_of(text)));
    return out;
}

static struct address *open_at(const char *text, uint32_t most, uint64_t now)
{
    struct in6_addr peer = at(text);
    struct address *address;
    assert_true(addresses_open(table, &peer, most, now, &address));
    return address;
}

static bool is_refused(const char *text, uint32_t most)
{
    struct in6_addr peer = at(text);
    struct address *address = (struct address *)&peer;
    bool refused = !addresses_open(table, &peer, most, NOW, &address);
    assert_true(!refused || !address);
    if (!refused)
        addresses_close(table, address, NOW);
    return refused;
}

static int set_up(void **state)
{
    (void)state;
    table = addresses_create();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    addresses_destroy(table);
    return 0;
}

/* ------------------ rates --------------------------------------------------------------------- */

static void test_a_rate_allows_its_limit_at_once_and_then_its_pace(void **state)
{
    (void)state;
    struct rate rate = { 0 };
    for (int i = 0; i < 5; i++) {
        assert_true(rate_allows(&rate, 5, 1000, NOW));
        assert_int_equal(rate_charge(&rate, 5, 1000, NOW), 0);
    }
    assert_false(rate_allows(&rate, 5, 1000, NOW));
    assert_true(rate_allows(&rate, 5, 1000, NOW + 200));
    assert_int_equal(rate_charge(&rate, 5, 1000, NOW), 200);
    assert_int_equal(rate_charge(&rate, 5, 1000, NOW), 400);
    assert_int_equal(rate_charge(&rate, 5, 1000, NOW + 600), 0);
    assert_int_equal(rate_charge(&rate, 5, 1000, NOW + 100000), 0);
}

static void test_no_limit_is_no_limit(void **state)
{
    (void)state;
    struct rate rate = { 0 };
    for (int i = 0; i < 100000; i++)
        assert_int_equal(rate_charge(&rate, 0, 1000, NOW), 0);
}

/* Over any stretch of time no more than the limit for it, and one period's worth more. */
static void test_a_rate_against_a_count(void **state)
{
    (void)state;
    struct dice dice = dice_create(1);
    for (int round = 0; round < 200; round++) {
        struct rate rate = { 0 };
        uint32_t limit = 1 + dice_below(&dice, 50);
        uint64_t now = NOW, allowed = 0;
        for (int i = 0; i < 1000; i++) {
            now += dice_below(&dice, 40);
            if (!rate_allows(&rate, limit, 1000, now))
                continue;
            assert_int_equal(rate_charge(&rate, limit, 1000, now), 0);
            allowed++;
            assert_true(allowed <= limit + (now - NOW) * limit / 1000 + 1);
        }
        assert_true(allowed >= limit);
    }
}

/* ------------------ connections --------------------------------------------------------------- */

static void test_so_many_from_one_address(void **state)
{
    (void)state;
    struct address *first = open_at("203.0.113.9", 2, NOW), *second = open_at("203.0.113.9", 2, NOW);
    assert_ptr_equal(first, second);
    assert_true(is_refused("203.0.113.9", 2));
    assert_false(is_refused("203.0.113.10", 2));
    assert_false(is_refused("203.0.113.9", 0));
    addresses_close(table, first, NOW);
    assert_false(is_refused("203.0.113.9", 2));
    addresses_close(table, second, NOW);
}

static void test_an_ipv6_network_is_one_address(void **state)
{
    (void)state;
    struct address *address = open_at("2001:db8:0:1::1", 1, NOW);
    assert_true(is_refused("2001:db8:0:1:ffff:ffff:ffff:ffff", 1));
    assert_false(is_refused("2001:db8:0:2::1", 1));
    /* An IPv4 address in IPv6 is the IPv4 one. */
    struct address *ipv4 = open_at("192.0.2.1", 1, NOW);
    assert_true(is_refused("::ffff:192.0.2.1", 1));
    assert_false(is_refused("::ffff:192.0.2.2", 1));
    addresses_close(table, address, NOW);
    addresses_close(table, ipv4, NOW);
}

static void test_this_machine_is_not_counted(void **state)
{
    (void)state;
    static const char *const own[] = { "127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "::" };
    for (size_t i = 0; i < ARRAY_LENGTH(own); i++) {
        for (int n = 0; n < 10; n++)
            assert_null(open_at(own[i], 1, NOW));
        addresses_close(table, NULL, NOW);
    }
    assert_int_equal(addresses_take_turn(table, NULL, 1, 0, NOW), 0);
    assert_false(addresses_login_denied(table, NULL, 1, NOW));
    assert_false(addresses_locked_out(table, NULL, 1, NOW));
    assert_int_equal(addresses_count(table), 0);
}

/* ------------------ turns and logins ---------------------------------------------------------- */

static void test_turns_are_given_in_order(void **state)
{
    (void)state;
    struct address *address = open_at("203.0.113.9", 0, NOW);
    for (int i = 0; i < 10; i++)
        assert_int_equal(addresses_take_turn(table, address, 10, 1000, NOW), 0);
    for (uint64_t i = 1; i <= 10; i++)
        assert_int_equal(addresses_take_turn(table, address, 10, 1000, NOW), i * 100);
    for (int i = 0; i < 10; i++) /* those that would wait too long don't make it longer for others */
        assert_int_equal(addresses_take_turn(table, address, 10, 1000, NOW), 1100);
    assert_int_equal(addresses_take_turn(table, address, 10, 1000, NOW + 100), 1000);
    assert_int_equal(addresses_take_turn(table, address, 0, 0, NOW), 0);
    addresses_close(table, address, NOW);
}

static void test_denied_logins_lock_an_address_out_for_a_while(void **state)
{
    (void)state;
    struct address *address = open_at("203.0.113.9", 0, NOW), *other = open_at("203.0.113.10", 0, NOW);
    assert_false(addresses_login_denied(table, address, 3, NOW));
    assert_false(addresses_login_denied(table, address, 3, NOW));
    assert_false(addresses_locked_out(table, address, 3, NOW));
    assert_true(addresses_login_denied(table, address, 3, NOW)); /* told once */
    assert_true(addresses_locked_out(table, address, 3, NOW));
    for (int i = 0; i < 100; i++)
        assert_false(addresses_login_denied(table, address, 3, NOW));
    assert_false(addresses_locked_out(table, other, 3, NOW));
    assert_false(addresses_locked_out(table, address, 0, NOW));
    assert_true(addresses_locked_out(table, address, 3, NOW + 19000));
    assert_false(addresses_locked_out(table, address, 3, NOW + 20000));
    addresses_close(table, address, NOW);
    addresses_close(table, other, NOW);
}

/* ------------------ memory -------------------------------------------------------------------- */

static void test_going_and_coming_forgets_nothing(void **state)
{
    (void)state;
    struct address *address = open_at("203.0.113.9", 0, NOW);
    assert_true(addresses_login_denied(table, address, 1, NOW));
    addresses_close(table, address, NOW);
    address = open_at("203.0.113.9", 0, NOW + 1000);
    assert_true(addresses_locked_out(table, address, 1, NOW + 1000));
    addresses_close(table, address, NOW + 1000);
}

static struct in6_addr numbered(uint32_t number)
{
    struct in6_addr out = { 0 };
    out.s6_addr[0] = 0x20;
    memcpy(out.s6_addr + 2, &number, sizeof number);
    return out;
}

static void come_and_go(uint32_t from, uint32_t count, uint64_t now)
{
    for (uint32_t i = from; i < from + count; i++) {
        struct in6_addr peer = numbered(i);
        struct address *address;
        assert_true(addresses_open(table, &peer, 1, now, &address));
        addresses_close(table, address, now);
    }
}

static void test_a_flood_of_addresses_is_forgotten(void **state)
{
    (void)state;
    struct address *kept = open_at("203.0.113.9", 0, NOW);
    assert_true(addresses_login_denied(table, kept, 1, NOW));
    come_and_go(0, 3 * ADDRESSES_IDLE_MAX, NOW);
    assert_true(addresses_count(table) <= ADDRESSES_IDLE_MAX + 1);
    /* Who is still here is remembered. */
    assert_true(addresses_locked_out(table, kept, 1, NOW));
    assert_ptr_equal(open_at("203.0.113.9", 0, NOW), kept);
    addresses_close(table, kept, NOW);
    addresses_close(table, kept, NOW);
}

static void test_the_longest_gone_are_forgotten_first(void **state)
{
    (void)state;
    come_and_go(0, ADDRESSES_IDLE_MAX - 1, NOW);
    struct in6_addr peer = numbered(5);
    struct address *address;
    assert_true(addresses_open(table, &peer, 0, NOW + 59000, &address));
    assert_true(addresses_login_denied(table, address, 1, NOW + 59000));
    addresses_close(table, address, NOW + 59000);
    come_and_go(ADDRESSES_IDLE_MAX, 10, NOW + 61000);
    assert_true(addresses_count(table) < 100);
    assert_true(addresses_open(table, &peer, 0, NOW + 61000, &address));
    assert_true(addresses_locked_out(table, address, 1, NOW + 61000));
    addresses_close(table, address, NOW + 61000);
}

/* So that in a flood not each address that comes costs a sweep; who was here lately is still known. */
static void test_half_of_the_room_is_made_at_once(void **state)
{
    (void)state;
    const uint32_t in_a_second = ADDRESSES_IDLE_MAX / 90;
    uint32_t number = 0;
    uint64_t now = NOW;
    for (; number + in_a_second < ADDRESSES_IDLE_MAX; number += in_a_second, now += 1000)
        come_and_go(number, in_a_second, now);
    struct in6_addr peer = numbered(number - 1);
    struct address *address;
    assert_true(addresses_open(table, &peer, 0, now, &address));
    assert_true(addresses_login_denied(table, address, 1, now));
    addresses_close(table, address, now);
    size_t most = 0;
    while (addresses_count(table) > most) {
        most = addresses_count(table);
        come_and_go(number++, 1, now);
    }
    assert_int_equal(most, ADDRESSES_IDLE_MAX);
    assert_in_range(addresses_count(table), 1000, ADDRESSES_IDLE_MAX / 2 + 1);
    assert_true(addresses_open(table, &peer, 0, now, &address));
    assert_true(addresses_locked_out(table, address, 1, now));
    addresses_close(table, address, now);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_a_rate_allows_its_limit_at_once_and_then_its_pace),
        TEST(test_no_limit_is_no_limit),
        TEST(test_a_rate_against_a_count),
        TEST(test_so_many_from_one_address),
        TEST(test_an_ipv6_network_is_one_address),
        TEST(test_this_machine_is_not_counted),
        TEST(test_turns_are_given_in_order),
        TEST(test_denied_logins_lock_an_address_out_for_a_while),
        TEST(test_going_and_coming_forgets_nothing),
        TEST(test_a_flood_of_addresses_is_forgotten),
        TEST(test_the_longest_gone_are_forgotten_first),
        TEST(test_half_of_the_room_is_made_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
