/* See server_list.h. */
#include "state/server_list.h"

#include <stdlib.h>

/* ------------------ complaints ---------------------------------------------------------------- */

/* A line about one row of the answer, whose number people count from 1. Names come from outside: as JSON
 * strings they can't end the line. */
static void complain(struct text_buffer *out, const struct answer *answer, const struct server_row *row,
                     const char *verdict, const char *reason, const struct server_row *other)
{
    if (!out)
        return;
    text_appendf(out, "row %zu (id ", (size_t)(row - answer->servers) + 1);
    text_append_json(out, row->id);
    text_append_literal(out, ", discord id ");
    text_append_json(out, row->discord_id);
    text_appendf(out, ") %s: %s", verdict, reason);
    if (other)
        text_appendf(out, " row %zu", (size_t)(other - answer->servers) + 1);
    text_append_literal(out, "\0");
}

/* ------------------ checking ------------------------------------------------------------------ */

static const struct server_row *find_by_id(const struct text_table *table, struct str id)
{
    const struct str *found = text_table_find(table, id);
    return found ? CONTAINER_OF(found, struct server_row, id) : NULL;
}

static const struct server_row *find_by_discord_id(const struct text_table *table, struct str discord_id)
{
    const struct str *found = text_table_find(table, discord_id);
    return found ? CONTAINER_OF(found, struct server_row, discord_id) : NULL;
}

static void add_row(struct server_list *list, const struct server_row *row)
{
    text_table_put(&list->by_id, &row->id);
    text_table_put(&list->by_discord_id, &row->discord_id);
}

static void mark_doubles(struct server_list *list, bool *dropped, struct text_buffer *complaints)
{
    const struct answer *answer = list->answer;
    for (size_t i = 0; i < answer->server_count; i++) {
        const struct server_row *row = &answer->servers[i], *other;
        if ((other = find_by_discord_id(&list->by_discord_id, row->discord_id)))
            complain(complaints, answer, row, "left out", "it has the discord id of", other);
        else if ((other = find_by_id(&list->by_id, row->id)))
            complain(complaints, answer, row, "left out", "it has the id of", other);
        else
            add_row(list, row);
        dropped[i] = other != NULL;
    }
}

/* Whoever asks for the other one by its discord id would get this one. */
static void mark_shadows(struct server_list *list, bool *dropped, struct text_buffer *complaints)
{
    const struct answer *answer = list->answer;
    for (size_t i = 0; i < answer->server_count; i++) {
        const struct server_row *row = &answer->servers[i];
        const struct server_row *other =
            dropped[i] ? NULL : find_by_discord_id(&list->by_discord_id, row->id);
        if (!other || other == row)
            continue;
        complain(complaints, answer, row, "left out", "its id is the discord id of", other);
        text_table_remove(&list->by_discord_id, row->discord_id);
        text_table_remove(&list->by_id, row->id);
        dropped[i] = true;
    }
}

static const struct server_row *choose_default(const struct server_list *list, const bool *dropped,
                                               struct text_buffer *complaints)
{
    const struct answer *answer = list->answer;
    const struct server_row *flagged = NULL, *open = NULL, *first = NULL;
    for (size_t i = 0; i < answer->server_count; i++) {
        const struct server_row *row = &answer->servers[i];
        if (dropped[i])
            continue;
        if (!first)
            first = row;
        if (!open && !row->passworded)
            open = row;
        if (row->is_default && flagged)
            complain(complaints, answer, row, "isn't the default server", "that is", flagged);
        else if (row->is_default)
            flagged = row;
    }
    if (flagged && flagged->passworded && open) {
        complain(complaints, answer, flagged, "isn't the default server",
                 "it needs a login, and whoever is refused there has nowhere to go; that is", open);
        flagged = NULL;
    }
    return flagged ? flagged : open ? open : first;
}

/* Closes the gaps; from here on the rows stay where they are. */
static void adopt_rows(struct server_list *list, const bool *dropped, const struct server_row *chosen)
{
    struct answer *answer = list->answer;
    text_table_finish(&list->by_id);
    text_table_finish(&list->by_discord_id);
    list->servers = answer->servers;
    for (size_t i = 0; i < answer->server_count; i++) {
        if (dropped[i])
            continue;
        struct server_row *row = &list->servers[list->count++];
        *row = answer->servers[i];
        row->is_default = chosen == &answer->servers[i];
        if (row->is_default)
            list->default_server = row;
        add_row(list, row);
    }
}

static void check_reserved_id(const struct server_list *list, const struct server_row *chosen,
                              struct text_buffer *complaints)
{
    const struct server_row *row = find_by_id(&list->by_id, STR("default"));
    if (row && row != chosen)
        complain(complaints, list->answer, row, "can be joined by its discord id only",
                 "to viewers the id \"default\" means the default server, that is", chosen);
}

struct server_list *server_list_create(struct answer *answer, struct text_buffer *complaints)
{
    struct server_list *list = xcalloc(1, sizeof *list);
    text_table_init(&list->by_id);
    text_table_init(&list->by_discord_id);
    list->answer = answer;
    if (!answer || !answer->server_count)
        return list;
    bool *dropped = xcalloc(answer->server_count, sizeof *dropped);
    mark_doubles(list, dropped, complaints);
    mark_shadows(list, dropped, complaints);
    const struct server_row *chosen = choose_default(list, dropped, complaints);
    check_reserved_id(list, chosen, complaints);
    adopt_rows(list, dropped, chosen);
    free(dropped);
    return list;
}

void server_list_destroy(struct server_list *list)
{
    if (!list)
        return;
    text_table_finish(&list->by_id);
    text_table_finish(&list->by_discord_id);
    answer_free(list->answer);
    free(list);
}

/* ------------------ finding ------------------------------------------------------------------- */

const struct server_row *server_list_find(const struct server_list *list, struct str wanted)
{
    if (!wanted.len || str_equal(wanted, STR("default")))
        return list->default_server;
    const struct server_row *row = find_by_id(&list->by_id, wanted);
    return row ? row : find_by_discord_id(&list->by_discord_id, wanted);
}

const struct server_row *server_list_by_discord_id(const struct server_list *list, struct str discord_id)
{
    return find_by_discord_id(&list->by_discord_id, discord_id);
}

/* ------------------ as viewers see it --------------------------------------------------------- */

static bool same_entry(const struct server_row *a, const struct server_row *b)
{
    return b && str_equal(a->id, b->id) && str_equal(a->name, b->name) && a->passworded == b->passworded &&
           a->is_default == b->is_default;
}

bool server_list_same_frame(const struct server_list *a, const struct server_list *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++) {
        if (!same_entry(&a->servers[i], server_list_by_discord_id(b, a->servers[i].discord_id)))
            return false;
    }
    return true;
}

void server_list_write(const struct server_list *list, struct text_buffer *out)
{
    text_append_literal(out, "{\"type\":\"server-list\",\"data\":{");
    for (size_t i = 0; i < list->count; i++) {
        const struct server_row *row = &list->servers[i];
        if (i)
            text_append_literal(out, ",");
        text_append_json(out, row->discord_id);
        text_append_literal(out, ":{\"id\":");
        text_append_json(out, row->id);
        text_append_literal(out, ",\"name\":");
        text_append_json(out, row->name);
        text_append_literal(out, ",\"passworded\":");
        text_append_str(out, row->passworded ? STR("true") : STR("false"));
        if (row->is_default)
            text_append_literal(out, ",\"default\":true");
        text_append_literal(out, "}");
    }
    text_append_literal(out, "}}");
}
