/* The reference part of docs/configuration.md: the table of keys as Markdown. */
#include "config/keys.h"

static const struct {
    const char *title, *text;
} sections[GROUP_COUNT] = {
    [GROUP_TOP] = { "At the top", "Outside of every group." },
    [GROUP_LOG] = { "log", "`log = { ... };`" },
    [GROUP_CONTROL] = { "control",
                        "`control = { ... };` Where the operator's API is; docs/operating.md says what it is "
                        "for. Never on the port of the viewers." },
    [GROUP_LIMITS] = { "limits",
                       "`limits = { ... };` Whatever a viewer or a provider can make grow ends here. What "
                       "concerns a connection holds for those that open after the reload." },
    [GROUP_PROVIDER] = { "providers",
                         "`providers = ( { ... }, { ... } );` The list of providers, in the order in which "
                         "they are "
                         "asked; 1 to 64. A reload starts new ones, stops those that are gone, and swaps "
                         "those whose "
                         "entry or plugin file changed. Without this key there is one provider, `mock`." },
    [GROUP_ROUTES] = { "routes", "`routes = { ... };` For each question the names of the providers to ask, "
                                 "in this order, "
                                 "each once. `[]` asks nobody." },
};

/* A table's cell must not hold a bare bar. */
static void append_cell(struct text_buffer *out, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        text_appendf(out, "%s%c", text[i] == '|' ? "\\" : "", text[i]);
    text_append_literal(out, " | ");
}

static void append_default(const struct key *key, struct text_buffer *out)
{
    bool words = key->kind == KEY_FOLDER || key->kind == KEY_SOCKET || key->kind == KEY_ROUTE;
    bool quoted = key->kind == KEY_HOST || key->kind == KEY_FILE || key->kind == KEY_ENDPOINT ||
                  key->kind == KEY_CHOICE;
    if (!key->fallback)
        text_append_literal(out, "none");
    else if (words)
        text_appendf(out, "%s", key->fallback);
    else
        text_appendf(out, quoted ? "`\"%s\"`" : "`%s`", key->fallback);
}

static void append_row(const struct key *key, struct text_buffer *out)
{
    struct text_buffer allowed = { 0 };
    key_append_allowed(key, &allowed);
    text_appendf(out, "| `%s` | ", key->name);
    append_cell(out, allowed.ptr, allowed.len);
    append_default(key, out);
    text_appendf(out, " | %s | ", key->restart ? "restart" : "live");
    append_cell(out, key->about, strlen(key->about));
    out->len--; /* the blank behind the last bar */
    text_append_literal(out, "\n");
    text_finish(&allowed);
}

static void append_overrides(struct text_buffer *out)
{
    text_append_literal(
        out, "\n### On the command line and in the environment\n\n"
             "An option beats the variable, the variable beats the file. An empty variable counts as not "
             "given.\n\n"
             "| Key | Option | Variable |\n|---|---|---|\n"
             "| (the file itself) | `--config FILE` | `D_BACK_CONFIG` |\n");
    for (const struct key *key = keys; key < keys + key_count; key++)
        if (key->option)
            text_appendf(out, "| `%s` | `%s` | `%s` |\n", key->name, key->option, key->environment);
}

void config_document(struct text_buffer *out)
{
    for (int group = 0; group < GROUP_COUNT; group++) {
        text_appendf(out, "%s### %s\n\n%s\n\n", group ? "\n" : "", sections[group].title,
                     sections[group].text);
        text_append_literal(
            out, "| Key | Allowed | Default | Takes effect | What it is for |\n|---|---|---|---|---|\n");
        for (const struct key *key = keys; key < keys + key_count; key++)
            if ((int)key->group == group)
                append_row(key, out);
    }
    append_overrides(out);
}
