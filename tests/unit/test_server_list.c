/* The list of servers: which rows count, which is the default, who is found, and what viewers get to see. */
#include "testing.h"

#include "state/server_list.h"

#include <jansson.h>
#include <stdio.h>

/* A double for the provider room's: the rows here live in static text. */
void answer_free(struct answer *answer)
{
    if (!answer)
        return;
    free(answer->servers);
    free(answer);
}

static struct server_row row(const char *discord_id, const char *id, const char *flags)
{
    return (struct server_row){ .discord_id = str_of(discord_id),
                                .id = str_of(id),
                                .name = str_of(id),
                                .password = str_of(strchr(flags, 's') ? "secret" : NULL),
                                .is_default = strchr(flags, 'd') != NULL,
                                .passworded = strchr(flags, 'p') || strchr(flags, 's') };
}

static struct server_list *make(struct text_buffer *complaints, const struct server_row *rows, size_t count)
{
    struct answer *answer = calloc(1, sizeof *answer);
    answer->servers = calloc(count, sizeof *rows);
    if (count)
        memcpy(answer->servers, rows, count * sizeof *rows);
    answer->server_count = count;
    return server_list_create(answer, complaints);
}
#define MAKE(complaints, ...)                                                                                \
    make((complaints), (struct server_row[]){ __VA_ARGS__ },                                                 \
         ARRAY_LENGTH(((struct server_row[]){ __VA_ARGS__ })))

/* The ids in order, the default one marked. */
static void assert_ids(const struct server_list *list, const char *expected)
{
    struct text_buffer ids = { 0 };
    for (size_t i = 0; i < list->count; i++) {
        const struct server_row *server = &list->servers[i];
        text_appendf(&ids, "%s%.*s%s", i ? " " : "", (int)server->id.len, server->id.ptr,
                     server == list->default_server ? "*" : "");
        assert_true(server->is_default == (server == list->default_server));
        assert_ptr_equal(server_list_by_discord_id(list, server->discord_id), server);
        if (!str_equal(server->id, STR("default")))
            assert_ptr_equal(server_list_find(list, server->id), server);
    }
    text_append(&ids, "", 1);
    assert_string_equal(ids.ptr, expected);
    text_finish(&ids);
}

static size_t count_lines(const struct text_buffer *complaints)
{
    size_t lines = 0;
    for (size_t i = 0; i < complaints->len; i++)
        lines += complaints->ptr[i] == '\0';
    assert_true(!complaints->len || complaints->ptr[complaints->len - 1] == '\0');
    return lines;
}

static void test_nothing(void **state)
{
    (void)state;
    struct server_list *list = server_list_create(NULL, NULL);
    struct text_buffer out = { 0 };
    assert_int_equal(list->count, 0);
    assert_null(list->default_server);
    assert_null(server_list_find(list, STR("default")));
    assert_null(server_list_find(list, STR("x")));
    server_list_write(list, &out);
    assert_true(str_equal((struct str){ out.ptr, out.len }, STR("{\"type\":\"server-list\",\"data\":{}}")));
    struct server_list *empty = make(NULL, NULL, 0);
    assert_true(server_list_same_frame(list, empty));
    text_finish(&out);
    server_list_destroy(empty);
    server_list_destroy(list);
    server_list_destroy(NULL);
}

static void test_default(void **state)
{
    (void)state;
    static const struct {
        const char *flags[3], *ids;
        size_t complaints;
    } cases[] = {
        { { "", "", "" }, "a* b c", 0 },    { { "", "d", "" }, "a b* c", 0 },
        { { "p", "", "" }, "a b* c", 0 },   { { "p", "s", "" }, "a b c*", 0 },
        { { "p", "p", "s" }, "a* b c", 0 }, { { "p", "p", "dp" }, "a b c*", 0 },
        { { "", "d", "d" }, "a b* c", 1 },  { { "d", "d", "d" }, "a* b c", 2 },
        { { "p", "dp", "" }, "a b c*", 1 }, /* open, so better */
        { { "ds", "d", "" }, "a b* c", 2 },
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct text_buffer complaints = { 0 };
        struct server_list *list = MAKE(&complaints, row("1", "a", cases[i].flags[0]),
                                        row("2", "b", cases[i].flags[1]), row("3", "c", cases[i].flags[2]));
        assert_ids(list, cases[i].ids);
        assert_ptr_equal(server_list_find(list, STR("default")), list->default_server);
        assert_ptr_equal(server_list_find(list, STR("")), list->default_server);
        assert_ptr_equal(server_list_find(list, (struct str){ NULL, 0 }), list->default_server);
        assert_int_equal(count_lines(&complaints), cases[i].complaints);
        text_finish(&complaints);
        server_list_destroy(list);
    }
}

static void test_doubles(void **state)
{
    (void)state;
    struct text_buffer complaints = { 0 };
    struct server_list *list = MAKE(&complaints, row("1", "a", ""), row("1", "b", "d"), row("2", "a", "d"),
                                    row("3", "c", ""), row("4", "d", "d"));
    assert_ids(list, "a c d*");
    assert_null(server_list_find(list, STR("b")));
    assert_null(server_list_by_discord_id(list, STR("2")));
    assert_int_equal(count_lines(&complaints), 2);
    assert_string_equal(complaints.ptr,
                        "row 2 (id \"b\", discord id \"1\") left out: it has the discord id of row 1");
    assert_string_equal(complaints.ptr + strlen(complaints.ptr) + 1,
                        "row 3 (id \"a\", discord id \"2\") left out: it has the id of row 1");
    text_finish(&complaints);
    server_list_destroy(list);
}

static void test_shadows(void **state)
{
    (void)state;
    struct text_buffer complaints = { 0 };
    /* Before and behind the one that it shadows; its own discord id is fine. */
    struct server_list *list = MAKE(&complaints, row("1", "3", ""), row("2", "b", ""), row("3", "c", ""),
                                    row("4", "2", ""), row("5", "5", ""));
    assert_ids(list, "b* c 5");
    assert_ptr_equal(server_list_find(list, STR("3")), &list->servers[1]);
    assert_ptr_equal(server_list_find(list, STR("2")), &list->servers[0]);
    assert_int_equal(count_lines(&complaints), 2);
    assert_string_equal(complaints.ptr,
                        "row 1 (id \"3\", discord id \"1\") left out: its id is the discord id of row 3");
    server_list_destroy(list);
    /* Each the other's: one of them stays. */
    complaints.len = 0;
    list = MAKE(&complaints, row("1", "2", ""), row("2", "1", ""));
    assert_ids(list, "1*");
    assert_int_equal(count_lines(&complaints), 1);
    text_finish(&complaints);
    server_list_destroy(list);
}

static void test_find(void **state)
{
    (void)state;
    struct server_list *list = MAKE(NULL, row("11", "a", ""), row("22", "b", ""));
    assert_ptr_equal(server_list_find(list, STR("b")), &list->servers[1]);
    assert_ptr_equal(server_list_find(list, STR("22")), &list->servers[1]);
    assert_null(server_list_find(list, STR("B")));
    assert_null(server_list_find(list, STR("33")));
    assert_null(server_list_find(list, STR("a\0")));
    assert_null(server_list_by_discord_id(list, STR("a")));
    assert_null(server_list_by_discord_id(list, STR("")));
    assert_null(server_list_by_discord_id(list, STR("default")));
    server_list_destroy(list);
}

static void test_id_default(void **state)
{
    (void)state;
    struct text_buffer complaints = { 0 };
    struct server_list *list = MAKE(&complaints, row("1", "a", "d"), row("2", "default", ""));
    assert_ids(list, "a* default");
    assert_ptr_equal(server_list_find(list, STR("default")), &list->servers[0]);
    assert_ptr_equal(server_list_find(list, STR("2")), &list->servers[1]);
    assert_int_equal(count_lines(&complaints), 1);
    server_list_destroy(list);
    complaints.len = 0;
    list = MAKE(&complaints, row("1", "a", ""), row("2", "default", "d"));
    assert_ptr_equal(server_list_find(list, STR("default")), &list->servers[1]);
    assert_int_equal(complaints.len, 0);
    text_finish(&complaints);
    server_list_destroy(list);
}

static void test_complaints_are_lines(void **state)
{
    (void)state;
    struct text_buffer complaints = { 0 };
    struct server_row first = row("1", "a", "s"), second = row("2", "a", "s");
    second.discord_id = STR("2\0\n\"");
    struct server_list *list = MAKE(&complaints, first, second);
    assert_int_equal(count_lines(&complaints), 1);
    assert_string_equal(complaints.ptr,
                        "row 2 (id \"a\", discord id \"2\\u0000\\n\\\"\") left out: it has the id of row 1");
    server_list_destroy(list);
    list = MAKE(NULL, first, second);
    assert_int_equal(list->count, 1);
    text_finish(&complaints);
    server_list_destroy(list);
}

static void test_write(void **state)
{
    (void)state;
    struct server_row odd = row("4", "quote\"", "");
    odd.name = STR("\xc3\xa9\n");
    struct server_list *list = MAKE(NULL, row("1", "a", "p"), row("2", "b", "s"), row("3", "c", "d"), odd);
    struct text_buffer out = { 0 };
    server_list_write(list, &out);
    json_t *written = json_loadb(out.ptr, out.len, JSON_REJECT_DUPLICATES, NULL);
    json_t *expected =
        json_pack("{s:s, s:{s:{s:s,s:s,s:b}, s:{s:s,s:s,s:b}, s:{s:s,s:s,s:b,s:b}, s:{s:s,s:s,s:b}}}", "type",
                  "server-list", "data", "1", "id", "a", "name", "a", "passworded", 1, "2", "id", "b", "name",
                  "b", "passworded", 1, "3", "id", "c", "name", "c", "passworded", 0, "default", 1, "4", "id",
                  "quote\"", "name", "\xc3\xa9\n", "passworded", 0);
    assert_non_null(written);
    assert_non_null(expected);
    assert_true(json_equal(written, expected));
    text_append(&out, "", 1);
    assert_null(strstr(out.ptr, "secret"));
    json_decref(written);
    json_decref(expected);
    text_finish(&out);
    server_list_destroy(list);
}

static void test_same_frame(void **state)
{
    (void)state;
    struct server_list *list = MAKE(NULL, row("1", "a", "d"), row("2", "b", "p"));
    struct server_row renamed = row("2", "b", "p");
    renamed.name = STR("B");
    struct {
        struct server_list *other;
        bool same;
    } cases[] = {
        { MAKE(NULL, row("1", "a", "d"), row("2", "b", "p")), true },
        { MAKE(NULL, row("2", "b", "p"), row("1", "a", "d")), true }, /* a database's whim is no news */
        { MAKE(NULL, row("1", "a", ""), row("2", "b", "s")), true },  /* nobody sees the password */
        { MAKE(NULL, row("1", "a", "d"), row("2", "b", "")), false },
        { MAKE(NULL, row("1", "a", ""), row("2", "b", "d")), false },
        { MAKE(NULL, row("1", "a", "d"), row("2", "c", "p")), false },
        { MAKE(NULL, row("1", "a", "d"), row("3", "b", "p")), false },
        { MAKE(NULL, row("1", "a", "d"), renamed), false },
        { MAKE(NULL, row("1", "a", "d")), false },
        { MAKE(NULL, row("1", "a", "d"), row("2", "b", "p"), row("3", "c", "")), false },
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        if (server_list_same_frame(list, cases[i].other) != cases[i].same ||
            server_list_same_frame(cases[i].other, list) != cases[i].same)
            fail_msg("case %zu", i);
        server_list_destroy(cases[i].other);
    }
    server_list_destroy(list);
}

static void test_many(void **state)
{
    (void)state;
    enum { COUNT = 20000 };
    char(*names)[16] = calloc(COUNT, sizeof *names);
    struct server_row *rows = calloc(COUNT, sizeof *rows);
    for (unsigned i = 0; i < COUNT; i++) {
        snprintf(names[i], sizeof names[i], "s%u", i / 2); /* each twice */
        rows[i] = row(names[i] + 1, names[i], "");
    }
    struct server_list *list = make(NULL, rows, COUNT);
    assert_int_equal(list->count, COUNT / 2);
    assert_ptr_equal(server_list_find(list, STR("s9999")), &list->servers[9999]);
    assert_ptr_equal(server_list_find(list, STR("9998")), &list->servers[9998]);
    server_list_destroy(list);
    free(rows);
    free(names);
}

/* ------------------ at random ----------------------------------------------------------------- */

enum { MOST_ROWS = 7 };

static bool is_there(const struct server_row *rows, const bool *gone, size_t count, struct str discord_id,
                     struct str id)
{
    for (size_t i = 0; i < count; i++) {
        if (!gone[i] && (str_equal(rows[i].discord_id, discord_id) || str_equal(rows[i].id, id)))
            return true;
    }
    return false;
}

/* The rules once more, as naively as can be: which rows are left out. */
static void leave_out(const struct server_row *rows, size_t count, bool *gone)
{
    for (size_t i = 0; i < count; i++)
        gone[i] = is_there(rows, gone, i, rows[i].discord_id, rows[i].id);
    for (size_t i = 0; i < count; i++) {
        for (size_t other = 0; other < count && !gone[i]; other++)
            gone[i] = other != i && !gone[other] && str_equal(rows[other].discord_id, rows[i].id);
    }
}

/* Which one is the default server: MOST_ROWS for none. */
static size_t default_of(const struct server_row *rows, size_t count, const bool *gone)
{
    size_t flagged = MOST_ROWS, open = MOST_ROWS, first = MOST_ROWS;
    for (size_t i = count; i-- > 0;) {
        if (gone[i])
            continue;
        first = i;
        open = rows[i].passworded ? open : i;
        flagged = rows[i].is_default ? i : flagged;
    }
    if (flagged < MOST_ROWS && (!rows[flagged].passworded || open == MOST_ROWS))
        return flagged;
    return open < MOST_ROWS ? open : first;
}

static void assert_is(const struct server_row *found, const struct server_row *row)
{
    assert_int_equal(found != NULL, row != NULL);
    if (row)
        assert_true(str_equal(found->discord_id, row->discord_id) && str_equal(found->id, row->id) &&
                    found->passworded == row->passworded);
}

/* Few texts, so that ids and Discord ids meet in every way. */
static void test_random_lists(void **state)
{
    (void)state;
    static const char *const texts[] = { "1", "2", "3", "4", "a", "b", "default" };
    static const char *const flags[] = { "", "", "d", "p", "dp", "s" };
    struct dice dice = dice_create(7);
    for (unsigned n = 0; n < 30000; n++) {
        struct server_row rows[MOST_ROWS];
        struct text_buffer complaints = { 0 };
        bool gone[MOST_ROWS] = { false };
        size_t count = dice_below(&dice, MOST_ROWS + 1), at = 0;
        for (size_t i = 0; i < count; i++)
            rows[i] = row(texts[dice_below(&dice, 5)], texts[dice_below(&dice, ARRAY_LENGTH(texts))],
                          flags[dice_below(&dice, ARRAY_LENGTH(flags))]);
        leave_out(rows, count, gone);
        size_t chosen = default_of(rows, count, gone);
        struct server_list *list = make(&complaints, rows, count);
        for (size_t i = 0; i < count; i++) {
            if (!gone[i])
                assert_is(&list->servers[at++], &rows[i]);
        }
        assert_int_equal(list->count, at);
        assert_is(list->default_server, chosen < MOST_ROWS ? &rows[chosen] : NULL);
        for (size_t t = 0; t < ARRAY_LENGTH(texts); t++) {
            struct str wanted = str_of(texts[t]);
            const struct server_row *expected = NULL;
            for (size_t i = count; i-- > 0;) /* nobody's id is somebody else's Discord id */
                if (!gone[i] && (str_equal(rows[i].id, wanted) || str_equal(rows[i].discord_id, wanted)))
                    expected = &rows[i];
            if (str_equal(wanted, STR("default")))
                expected = chosen < MOST_ROWS ? &rows[chosen] : NULL;
            assert_is(server_list_find(list, wanted), expected);
        }
        assert_true(count_lines(&complaints) >= count - at);
        text_finish(&complaints);
        server_list_destroy(list);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_default),
        cmocka_unit_test(test_doubles),
        cmocka_unit_test(test_shadows),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_id_default),
        cmocka_unit_test(test_complaints_are_lines),
        cmocka_unit_test(test_write),
        cmocka_unit_test(test_same_frame),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_random_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
