/* The table of texts: the hash against another implementation, and random histories against plain arrays. */
#include "testing.h"

#include "state/text_table.h"

#include <stdio.h>

/* With a key of zeros CPython 3.11 and later hash bytes alike (PYTHONHASHSEED=0, sys.hash_info.algorithm
 * siphash13). */
static void test_hash(void **state)
{
    (void)state;
    static const uint64_t zeros[2] = { 0, 0 };
    assert_true(text_hash(zeros, STR("a")) == 0x407448d2b89b1813u);
    assert_true(text_hash(zeros, STR("1234567")) == 0xa33d651594fdae81u);
    assert_true(text_hash(zeros, STR("12345678")) == 0x3489982430560a87u);
    assert_true(text_hash(zeros, STR("123456789012345001")) == 0x95dc0bb7c876a39eu);
    assert_true(text_hash(zeros, STR("the quick brown fox jumps")) == 0x00c98b97e4f70042u);
    static const uint64_t others[2] = { 0, 1 };
    assert_true(text_hash(others, STR("a")) != text_hash(zeros, STR("a")));
    assert_true(text_hash(others, (struct str){ NULL, 0 }) == text_hash(others, STR("")));
}

static void test_keys_differ(void **state)
{
    (void)state;
    struct text_table a, b;
    text_table_init(&a);
    text_table_init(&b);
    assert_memory_not_equal(a.key, b.key, sizeof a.key);
    text_table_finish(&a);
    text_table_finish(&b);
}

static void test_empty(void **state)
{
    (void)state;
    struct text_table table;
    text_table_init(&table);
    assert_null(text_table_find(&table, STR("x")));
    assert_null(text_table_remove(&table, STR("x")));
    struct str nothing = { NULL, 0 };
    assert_null(text_table_put(&table, &nothing));
    assert_ptr_equal(text_table_find(&table, STR("")), &nothing);
    text_table_finish(&table);
    assert_int_equal(table.count, 0);
    assert_null(text_table_find(&table, STR("")));
    assert_null(text_table_put(&table, &nothing));
    text_table_finish(&table);
}

static void test_equal_text_gives_way(void **state)
{
    (void)state;
    struct text_table table;
    text_table_init(&table);
    struct str one = STR("same"), two = STR("same");
    assert_null(text_table_put(&table, &one));
    assert_ptr_equal(text_table_put(&table, &two), &one);
    assert_ptr_equal(text_table_find(&table, STR("same")), &two);
    assert_int_equal(table.count, 1);
    assert_ptr_equal(text_table_remove(&table, one), &two);
    assert_int_equal(table.count, 0);
    text_table_finish(&table);
}

#define TEXTS 400

static void test_random_histories(void **state)
{
    (void)state;
    struct dice dice = dice_create(3);
    static char spelled[TEXTS][8];
    static struct str texts[TEXTS];
    for (unsigned i = 0; i < TEXTS; i++)
        texts[i] = (struct str){ spelled[i], (size_t)snprintf(spelled[i], sizeof spelled[i], "%x", i) };
    for (unsigned history = 0; history < 60; history++) {
        unsigned range = 1 + dice_below(&dice, TEXTS);
        bool there[TEXTS] = { false };
        size_t count = 0;
        struct text_table table;
        text_table_init(&table);
        for (unsigned step = 0; step < 3000; step++) {
            unsigned i = dice_below(&dice, range);
            const struct str *expected = there[i] ? &texts[i] : NULL;
            assert_ptr_equal(text_table_find(&table, texts[i]), expected);
            /* Growing and shrinking by turns. */
            if (dice_below(&dice, 10) < (step / 500 % 2 ? 3u : 7u)) {
                assert_ptr_equal(text_table_put(&table, &texts[i]), expected);
                count += !expected;
                there[i] = true;
            } else {
                assert_ptr_equal(text_table_remove(&table, texts[i]), expected);
                count -= !!expected;
                there[i] = false;
            }
            assert_int_equal(table.count, count);
        }
        for (unsigned i = 0; i < TEXTS; i++)
            assert_ptr_equal(text_table_find(&table, texts[i]), there[i] ? &texts[i] : NULL);
        text_table_finish(&table);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hash),
        cmocka_unit_test(test_keys_differ),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_equal_text_gives_way),
        cmocka_unit_test(test_random_histories),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
