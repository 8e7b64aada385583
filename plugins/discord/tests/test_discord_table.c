/* The table by ids: against a plain array that does the same. */
#include "table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define IDS 500
#define STEPS 200000

static void t_it_does_what_an_array_does(void **state)
{
    (void)state;
    struct entry entries[IDS];
    bool in[IDS] = { false };
    size_t count = 0;
    struct table table;
    uint32_t random = 1;
    table_init(&table, SIZE_MAX);
    for (size_t i = 0; i < IDS; i++)
        entries[i].id = i % 2 ? (i + 1) << 22 : i + 1; /* as ids are, and as they aren't */
    for (int step = 0; step < STEPS; step++) {
        random = random * 1664525u + 1013904223u;
        size_t i = (random >> 8) % IDS;
        if (random >> 31) {
            assert_int_equal(table_add(&table, &entries[i]), !in[i]);
            count += !in[i];
            in[i] = true;
        } else {
            assert_ptr_equal(table_remove(&table, entries[i].id), in[i] ? &entries[i] : NULL);
            count -= in[i];
            in[i] = false;
        }
        assert_int_equal(table.count, count);
        i = (random >> 16) % IDS;
        assert_ptr_equal(table_find(&table, entries[i].id), in[i] ? &entries[i] : NULL);
    }
    size_t seen = 0;
    const struct entry *entry;
    for (size_t at = 0; (entry = table_next(&table, &at)); seen++)
        assert_true(in[entry - entries]);
    assert_int_equal(seen, count);
    table_finish(&table);
}

static void t_its_limit_holds(void **state)
{
    (void)state;
    struct entry entries[4] = { { 1 }, { 2 }, { 3 }, { 4 } };
    struct table table;
    table_init(&table, 3);
    for (size_t i = 0; i < 3; i++)
        assert_true(table_add(&table, &entries[i]));
    assert_false(table_add(&table, &entries[3]));
    table_remove(&table, 2);
    assert_true(table_add(&table, &entries[3]));
    table_finish(&table);
    assert_null(table_find(&table, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(t_it_does_what_an_array_does),
        cmocka_unit_test(t_its_limit_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
