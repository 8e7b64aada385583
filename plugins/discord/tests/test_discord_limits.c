/* How often we ask: Discord's buckets, the pace for all, refusals, identifying, failed logins. The time is
 * made up. */
#include "budget.h"
#include "rate_limits.h"
#include "throttle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ROUTE "/guilds/ID/members"
#define NOON 1000000u

static struct limits limits; /* large, so not on the stack; begun anew by each test */

static struct limit_news told(const char *bucket, int64_t remaining, double reset_after)
{
    struct limit_news news = { .told = true, .remaining = remaining, .reset_after_s = reset_after };
    strcpy(news.bucket, bucket);
    return news;
}

static void go(snowflake major, const struct limit_news *news, uint64_t now)
{
    assert_int_equal(limits_wait(&limits, ROUTE, major, now), 0);
    limits_take(&limits, ROUTE, major, now);
    limits_learn(&limits, ROUTE, major, news, now);
}

static void t_one_finds_out_then_as_many_as_told(void **state)
{
    (void)state;
    limits_init(&limits);
    assert_int_equal(limits_wait(&limits, ROUTE, 1, NOON), 0);
    limits_take(&limits, ROUTE, 1, NOON);
    assert_true(limits_wait(&limits, ROUTE, 1, NOON) == LIMITS_NEVER);
    assert_int_equal(limits_wait(&limits, ROUTE, 2, NOON), 0); /* another guild is another bucket */
    const struct limit_news news = told("b", 2, 1.0);
    limits_learn(&limits, ROUTE, 1, &news, NOON);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(limits_wait(&limits, ROUTE, 1, NOON), 0);
        limits_take(&limits, ROUTE, 1, NOON);
    }
    uint64_t wait = limits_wait(&limits, ROUTE, 1, NOON);
    assert_true(wait >= 1000 && wait < 1200);
    limits_learn(&limits, ROUTE, 1, NULL, NOON);
    limits_learn(&limits, ROUTE, 1, NULL, NOON);
    assert_int_equal(limits_wait(&limits, ROUTE, 1, NOON + wait), 0);
}

static void t_routes_of_one_bucket_share_it(void **state)
{
    (void)state;
    limits_init(&limits);
    const struct limit_news none = told("shared", 0, 5.0);
    go(1, &none, NOON);
    limits_take(&limits, "/other", 1, NOON);
    const struct limit_news same = told("shared", 0, 5.0);
    limits_learn(&limits, "/other", 1, &same, NOON);
    assert_true(limits_wait(&limits, "/other", 1, NOON + 1000) >= 4000);
    assert_true(limits_wait(&limits, ROUTE, 1, NOON + 1000) >= 4000);
}

static void t_a_429_blocks_its_bucket_or_all(void **state)
{
    (void)state;
    limits_init(&limits);
    struct limit_news refused = { .refused = true, .retry_after_s = 2.5 };
    go(1, &refused, NOON);
    assert_true(limits_wait(&limits, ROUTE, 1, NOON) >= 2500);
    assert_int_equal(limits_wait(&limits, ROUTE, 2, NOON), 0);
    refused.global = true;
    go(2, &refused, NOON);
    assert_true(limits_wait(&limits, "/any", 0, NOON) >= 2500);
    assert_int_equal(limits_wait(&limits, "/any", 0, NOON + 3000), 0);
    refused.retry_after_s = 1e12; /* nobody is stopped for ever */
    go(3, &refused, NOON + 4000);
    assert_true(limits_wait(&limits, "/any", 0, NOON + 4000) <= 3601000);
    refused.retry_after_s = -5;
    limits_init(&limits);
    go(1, &refused, NOON);
    assert_true(limits_wait(&limits, "/any", 0, NOON) <= 100);
}

static void t_the_pace_for_all(void **state)
{
    (void)state;
    limits_init(&limits);
    uint64_t now = NOON;
    size_t sent = 0;
    for (; now < NOON + 3000; now++) {
        char route[32];
        snprintf(route, sizeof route, "/%zu", sent % 20);
        if (limits_wait(&limits, route, 0, now) > 0)
            continue;
        limits_take(&limits, route, 0, now);
        const struct limit_news free = { .told = false };
        limits_learn(&limits, route, 0, &free, now);
        sent++;
    }
    assert_true(sent <= 3 * LIMITS_PER_SECOND);
    assert_true(sent >= 2 * LIMITS_PER_SECOND);
}

static void t_many_buckets_cost_bounded_memory(void **state)
{
    (void)state;
    limits_init(&limits);
    const struct limit_news busy = told("b", 0, 3600.0);
    uint64_t now = NOON;
    for (snowflake guild = 1; guild <= LIMITS_BUCKETS; guild++, now += 1000)
        go(guild, &busy, now);
    assert_int_equal(limits_wait(&limits, ROUTE, 9999, now), 1000); /* no place: later */
    assert_int_equal(limits_wait(&limits, ROUTE, 9999, now + 7200000), 0);
}

static void t_refusals_of_ten_minutes(void **state)
{
    (void)state;
    limits_init(&limits);
    uint64_t now = 60000000;
    for (int i = 0; i < 20; i++, now += 60000)
        limits_count_refused(&limits, now);
    assert_int_equal(limits_refused(&limits, now - 60000), 10);
    assert_int_equal(limits_refused(&limits, now + 600000), 0);
}

/* ------------------ identifying --------------------------------------------------------------- */

static void t_identifies_are_apart_and_few(void **state)
{
    (void)state;
    struct budget budget;
    budget_init(&budget);
    uint64_t now = NOON;
    unsigned count = 0;
    for (; now < NOON + 3600000; now += 100) {
        if (budget_wait(&budget, now) > 0)
            continue;
        budget_take(&budget, now);
        count++;
        assert_true(budget_wait(&budget, now + 5000) > 0);
    }
    assert_int_equal(count, BUDGET_PER_HOUR);
}

static void t_what_discord_says_is_left(void **state)
{
    (void)state;
    struct budget budget;
    budget_init(&budget);
    json_t *limit = json_pack("{s:i,s:i}", "remaining", BUDGET_RESERVE + 1, "reset_after", 50000);
    budget_tell(&budget, limit, NOON);
    assert_int_equal(budget_wait(&budget, NOON), 0);
    budget_take(&budget, NOON);
    assert_int_equal(budget_wait(&budget, NOON), 50000);
    assert_int_equal(budget_wait(&budget, NOON + 50000), 0);
    json_decref(limit);
    budget_tell(&budget, NULL, NOON);
    assert_int_equal(budget_wait(&budget, NOON + 6000), 0);
}

static void t_delays_grow_and_differ(void **state)
{
    (void)state;
    for (unsigned attempt = 0; attempt < 40; attempt++) {
        uint64_t most = attempt < 6 ? 1000u << attempt : 60000, ms = backoff_ms(attempt);
        assert_true(ms >= (most < 60000 ? most : 60000) / 2 && ms <= most);
    }
}

/* ------------------ failed logins ------------------------------------------------------------- */

static void t_an_address_that_fails_is_blocked_for_a_minute(void **state)
{
    (void)state;
    struct throttle throttle;
    assert_true(throttle_init(&throttle));
    dback_str mine = dback_text("192.0.2.1"), other = dback_text("192.0.2.2");
    for (int i = 0; i < THROTTLE_FAILURES; i++) {
        assert_false(throttle_is_blocked(&throttle, mine, NOON));
        throttle_count(&throttle, mine, NOON);
    }
    assert_true(throttle_is_blocked(&throttle, mine, NOON + 59000));
    assert_false(throttle_is_blocked(&throttle, other, NOON));
    assert_false(throttle_is_blocked(&throttle, mine, NOON + 60000));
    throttle_finish(&throttle);
}

static void t_half_of_an_ipv6_address_counts(void **state)
{
    (void)state;
    struct throttle throttle;
    char address[64];
    assert_true(throttle_init(&throttle));
    for (int i = 0; i < THROTTLE_FAILURES; i++) {
        snprintf(address, sizeof address, "2001:db8:1:2:%x::%x", i, i * 7);
        throttle_count(&throttle, dback_text(address), NOON);
    }
    assert_true(throttle_is_blocked(&throttle, dback_text("2001:db8:1:2::1"), NOON));
    assert_false(throttle_is_blocked(&throttle, dback_text("2001:db8:1:3::1"), NOON));
    throttle_count(&throttle, dback_text(""), NOON);
    throttle_count(&throttle, (dback_str){ NULL, 0 }, NOON);
    throttle_finish(&throttle);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(t_one_finds_out_then_as_many_as_told),
        cmocka_unit_test(t_routes_of_one_bucket_share_it),
        cmocka_unit_test(t_a_429_blocks_its_bucket_or_all),
        cmocka_unit_test(t_the_pace_for_all),
        cmocka_unit_test(t_many_buckets_cost_bounded_memory),
        cmocka_unit_test(t_refusals_of_ten_minutes),
        cmocka_unit_test(t_identifies_are_apart_and_few),
        cmocka_unit_test(t_what_discord_says_is_left),
        cmocka_unit_test(t_delays_grow_and_differ),
        cmocka_unit_test(t_an_address_that_fails_is_blocked_for_a_minute),
        cmocka_unit_test(t_half_of_an_ipv6_address_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
