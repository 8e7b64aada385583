/* Every mistake that a configuration can have, word for word. */
#include "config_fixture.h"

#define ALL_TOP                                                                                              \
    "host, port, workers, static_dir, plugin_dir, watch_plugins, http, announce_socket_url, "                \
    "trusted_proxies, log, control, limits, providers, routes"
#define SYNTAX                                                                                               \
    "syntax error here or just before; allowed: NAME = VALUE; with strings in \"quotation marks\", groups "  \
    "in { }, "                                                                                               \
    "lists in ( ) and arrays in [ ], and no comma behind the last entry\n"
#define UNREADABLE "; allowed: a regular file that d-back may read\n"
#define MOCK "{ name = \"m\"; plugin = \"mock\"; }"

struct mistaken {
    const char *text, *mistakes;
};

static void check_all(void **state, const struct mistaken *cases, size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_mistakes(*state, cases[i].text, cases[i].mistakes);
}

#define CHECK_ALL(state, cases) check_all((state), (cases), ARRAY_LENGTH(cases))

static void test_unknown_keys(void **state)
{
    static const struct mistaken cases[] = {
        { "\nprot = 3000;", "d-back.cfg:2: unknown key \"prot\"; did you mean \"port\"?\n" },
        { "Port = 3000;", "d-back.cfg:1: unknown key \"Port\"; did you mean \"port\"?\n" },
        { "provider = ();", "d-back.cfg:1: unknown key \"provider\"; did you mean \"providers\"?\n" },
        { "annou = true;", "d-back.cfg:1: unknown key \"annou\"; did you mean \"announce_socket_url\"?\n" },
        { "x = 1;", "d-back.cfg:1: unknown key \"x\"; allowed: " ALL_TOP "\n" },
        { "this-is-longer-than-the-name-of-any-key = 1;",
          "d-back.cfg:1: unknown key \"this-is-longer-than-the-name-of-any-key\"; allowed: " ALL_TOP "\n" },
        { "control = { sockt = \"x\"; };",
          "d-back.cfg:1: unknown key \"sockt\" in \"control\"; did you mean \"socket\"?\n" },
        { "control = { listen = \"10.0.0.1:80\"; };",
          "d-back.cfg:1: \"control.listen\" is \"10.0.0.1:80\"; allowed: a loopback address and a port, as "
          "\"127.0.0.1:3001\" or \"[::1]:3001\", or \"\"\n" },
        { "control = {\n  listen = \"127.0.0.1:80\"; };", "d-back.cfg:2: \"control.listen\" is given without "
                                                          "a \"control.token_file\"; allowed: both, because "
                                                          "every user of this machine can connect to it\n" },
        { "level = \"info\";", "d-back.cfg:1: unknown key \"level\"; it belongs into \"log\"\n" },
        { "ping_interval = 5;", "d-back.cfg:1: unknown key \"ping_interval\"; it belongs into \"limits\"\n" },
        { "log = {\n  port = 1; };",
          "d-back.cfg:2: unknown key \"port\" in \"log\"; it belongs at the top, outside of every group\n" },
        { "log = { leve = \"info\"; };",
          "d-back.cfg:1: unknown key \"leve\" in \"log\"; did you mean \"level\"?\n" },
        { "log = { zzz = 1; };",
          "d-back.cfg:1: unknown key \"zzz\" in \"log\"; allowed: level, format, file\n" },
        { "limits = { log_siz = 99999; };",
          "d-back.cfg:1: unknown key \"log_siz\" in \"limits\"; did you mean \"log_size\"?\n" },
        { "providers = ( { name = \"m\"; plugin = \"mock\";\n deadline = 3; } );",
          "d-back.cfg:2: unknown key \"deadline\" in \"providers\"; did you mean \"deadline_ms\"?\n" },
        { "routes = { user = []; };",
          "d-back.cfg:1: unknown key \"user\" in \"routes\"; did you mean \"users\"?\n" },
        { "routes = { everything = []; };",
          "d-back.cfg:1: unknown key \"everything\" in \"routes\"; allowed: servers, "
          "users, validate, client_id, static\n" },
    };
    CHECK_ALL(state, cases);
}

static void test_wrong_types(void **state)
{
    static const struct mistaken cases[] = {
        { "port = 3000.0;",
          "d-back.cfg:1: \"port\" is 3000.0, a decimal number; allowed: an integer from 0 to 65535\n" },
        { "port = \"3000\";",
          "d-back.cfg:1: \"port\" is \"3000\", a string; allowed: an integer from 0 to 65535\n" },
        { "port = { };", "d-back.cfg:1: \"port\" is a group; allowed: an integer from 0 to 65535\n" },
        { "port = [1, 2];", "d-back.cfg:1: \"port\" is an array; allowed: an integer from 0 to 65535\n" },
        { "port = (1, 2.5);", "d-back.cfg:1: \"port\" is a list; allowed: an integer from 0 to 65535\n" },
        { "http = 1;", "d-back.cfg:1: \"http\" is 1, an integer; allowed: true or false\n" },
        { "http = \"yes\";", "d-back.cfg:1: \"http\" is \"yes\", a string; allowed: true or false\n" },
        { "workers = 1.5;", "d-back.cfg:1: \"workers\" is 1.5, a decimal number; allowed: an integer from 1 "
                            "to 64, or \"auto\"\n" },
        { "host = 127;", "d-back.cfg:1: \"host\" is 127, an integer; allowed: a host name or an address, as "
                         "\"localhost\", \"0.0.0.0\" or \"::\"\n" },
        { "static_dir = false;",
          "d-back.cfg:1: \"static_dir\" is false, a boolean; allowed: the path of a folder\n" },
        { "log = 5;", "d-back.cfg:1: \"log\" is an integer; allowed: a group { ... }\n" },
        { "limits = ( );", "d-back.cfg:1: \"limits\" is a list; allowed: a group { ... }\n" },
        { "log = { level = 3; };",
          "d-back.cfg:1: \"log.level\" is 3, an integer; allowed: \"error\", \"warn\", "
          "\"info\" or \"debug\"\n" },
        { "log = { file = true; };",
          "d-back.cfg:1: \"log.file\" is true, a boolean; allowed: the path of a file, or \"\"\n" },
        { "providers = { };",
          "d-back.cfg:1: \"providers\" is a group; allowed: a list ( { name = ...; plugin = ...; }, "
          "... )\n" },
        { "providers = (\n 7 );", "d-back.cfg:2: \"providers\" is an integer; allowed: a group { ... }\n" },
        { "routes = [ ];", "d-back.cfg:1: \"routes\" is an array; allowed: a group { ... }\n" },
        { "trusted_proxies = \"10.0.0.1\";",
          "d-back.cfg:1: \"trusted_proxies\" is \"10.0.0.1\", a string; allowed: "
          "addresses and networks, as [\"127.0.0.1\", \"10.0.0.0/8\"]\n" },
        { "trusted_proxies = [\n10];",
          "d-back.cfg:2: \"trusted_proxies\" holds 10, an integer; allowed: strings, as "
          "[\"10.0.0.0/8\"]\n" },
    };
    CHECK_ALL(state, cases);
}

static void test_wrong_values(void **state)
{
    static const struct mistaken cases[] = {
        { "port = 65536;", "d-back.cfg:1: \"port\" is 65536; allowed: an integer from 0 to 65535\n" },
        { "port = -1;", "d-back.cfg:1: \"port\" is -1; allowed: an integer from 0 to 65535\n" },
        /* These would be 3000 if they were cut to 32 bits. */
        { "port = 4294970296;",
          "d-back.cfg:1: \"port\" is 4294970296; allowed: an integer from 0 to 65535\n" },
        { "port = 0x100000BB8;",
          "d-back.cfg:1: \"port\" is 4294970296; allowed: an integer from 0 to 65535\n" },
        { "workers = \"many\";",
          "d-back.cfg:1: \"workers\" is \"many\"; allowed: an integer from 1 to 64, or \"auto\"\n" },
        { "limits = {\n\n ping_interval = 100000; };",
          "d-back.cfg:3: \"limits.ping_interval\" is 100000; allowed: an integer from 0 to 86400 seconds\n" },
        { "limits = { frame_size = 1; };",
          "d-back.cfg:1: \"limits.frame_size\" is 1; allowed: an integer from 1024 to 1048576 bytes\n" },
        { "limits = { stop_timeout_ms = 0; };", "d-back.cfg:1: \"limits.stop_timeout_ms\" is 0; allowed: an "
                                                "integer from 100 to 600000 milliseconds\n" },
        { "log = { level = \"loud\"; };",
          "d-back.cfg:1: \"log.level\" is \"loud\"; allowed: \"error\", \"warn\", \"info\" or \"debug\"\n" },
        { "log = { format = \"JSON\"; };",
          "d-back.cfg:1: \"log.format\" is \"JSON\"; allowed: \"text\" or \"json\"\n" },
        { "host = \"\";",
          "d-back.cfg:1: \"host\" is \"\"; allowed: a host name or an address, as \"localhost\", "
          "\"0.0.0.0\" or \"::\"\n" },
        { "host = \"[::1]\";", "d-back.cfg:1: \"host\" is \"[::1]\"; allowed: a host name or an address, as "
                               "\"localhost\", \"0.0.0.0\" or \"::\"\n" },
        { "host = \"a\nb\\x1b\xff\";",
          "d-back.cfg:1: \"host\" is \"a\\x0ab\\x1b\\xff\"; allowed: a host name or an "
          "address, as \"localhost\", \"0.0.0.0\" or \"::\"\n" },
        { "static_dir = \"\";", "d-back.cfg:1: \"static_dir\" is \"\"; allowed: the path of a folder\n" },
        { "static_dir = \"nowhere\";",
          "d-back.cfg:1: \"static_dir\" is \"FOLDER/nowhere\", which isn't a folder; "
          "allowed: the path of a folder that is there\n" },
        { "static_dir = \"d-back.cfg\";",
          "d-back.cfg:1: \"static_dir\" is \"FOLDER/d-back.cfg\", which isn't a "
          "folder; allowed: the path of a folder that is there\n" },
        { "providers = ( " MOCK " );\nplugin_dir = \"/nowhere\";",
          "d-back.cfg:2: \"plugin_dir\" is \"/nowhere\", which isn't a folder; allowed: the path of a folder "
          "that is "
          "there\n" },
        { "providers = ( " MOCK " );\nplugin_dir = 5;",
          "d-back.cfg:2: \"plugin_dir\" is 5, an integer; allowed: the path of a folder\n" },
    };
    CHECK_ALL(state, cases);
}

static void test_networks(void **state)
{
    static const struct mistaken cases[] = {
        { "trusted_proxies = [\"::1\", \"foo\"];",
          "d-back.cfg:1: \"trusted_proxies\": \"foo\" is no address; allowed: an address or a network, as "
          "\"127.0.0.1\", \"10.0.0.0/8\" or \"::1\"\n" },
        { "trusted_proxies = [\"::ffff:10.1.0.0/8\"];",
          "d-back.cfg:1: \"trusted_proxies\": \"::ffff:10.1.0.0/8\" has bits set behind its prefix; did you "
          "mean "
          "\"10.0.0.0/8\" or \"::ffff:10.1.0.0\"?\n" },
        { "trusted_proxies = [\"10.0.0.1/8\",\n \"1.2.3.4/33\"];",
          "d-back.cfg:1: \"trusted_proxies\": \"10.0.0.1/8\" has bits set behind its prefix; did you mean "
          "\"10.0.0.0/8\" or \"10.0.0.1\"?\n"
          "d-back.cfg:2: \"trusted_proxies\": \"1.2.3.4/33\" has a wrong prefix length; allowed: 0 to 32\n" },
        { "trusted_proxies = [\"2001:db8::1/32\"];", "d-back.cfg:1: \"trusted_proxies\": \"2001:db8::1/32\" "
                                                     "has bits set behind its prefix; did you mean "
                                                     "\"2001:db8::/32\" or \"2001:db8::1\"?\n" },
        { "trusted_proxies = [\"::/129\"];",
          "d-back.cfg:1: \"trusted_proxies\": \"::/129\" has a wrong prefix length; allowed: 0 to 128\n" },
    };
    CHECK_ALL(state, cases);
}

static void test_providers(void **state)
{
    static const struct mistaken cases[] = {
        { "providers = (\n  { plugin = \"mock\"; },\n  { name = \"x\"; }\n);",
          "d-back.cfg:2: this provider has no \"name\"; allowed: 1 to 64 letters, digits, \"_\", \".\" or "
          "\"-\"\n"
          "d-back.cfg:3: this provider has no \"plugin\"; allowed: a plugin's name, as \"mock\", or a path "
          "with a "
          "slash\n" },
        { "providers = ( { name = \"a b\"; plugin = \"mock\"; } );",
          "d-back.cfg:1: \"name\" is \"a b\"; allowed: 1 to 64 letters, digits, \"_\", \".\" or \"-\"\n" },
        { "providers = ( { name = \"m\"; plugin = \"a b\"; } );",
          "d-back.cfg:1: \"plugin\" is \"a b\"; allowed: a plugin's name, as \"mock\", or a path with a "
          "slash\n" },
        { "providers = ( { name = \"m\"; plugin = \"plugins/\"; } );",
          "d-back.cfg:1: \"plugin\" is \"plugins/\"; allowed: a plugin's name, as \"mock\", or a path with a "
          "slash\n" },
        { "providers = ( " MOCK ",\n { name = \"n\"; plugin = \"mock\"; },\n\n " MOCK " );",
          "d-back.cfg:4: a provider \"m\" is there already (d-back.cfg:1); give each its own name\n" },
        { "providers = ( { name = \"m\"; plugin = \"mock\"; refresh = -0.5; deadline_ms = 0; on_error = "
          "\"go\"; } );",
          "d-back.cfg:1: \"refresh\" is -0.5; allowed: a number from 0 to 86400 seconds\n"
          "d-back.cfg:1: \"deadline_ms\" is 0; allowed: an integer from 1 to 600000 milliseconds\n"
          "d-back.cfg:1: \"on_error\" is \"go\"; allowed: \"stop\" or \"next\"\n" },
        { "providers = ( { name = \"m\"; plugin = \"mock\"; refresh = 1e999; } );",
          "d-back.cfg:1: \"refresh\" is inf; allowed: a number from 0 to 86400 seconds\n" },
        { "providers = (\n  { name = \"m\";\n    plugin = \"nope\"; } );",
          "d-back.cfg:3: provider \"m\": can't use the plugin file \"FOLDER/plugins/nope.so\": there is no "
          "such file; "
          "allowed: the name of a plugin in plugin_dir (\"FOLDER/plugins\"), or a path with a slash\n" },
        { "plugin_dir = \"page\";",
          "d-back.cfg: provider \"mock\": can't use the plugin file \"FOLDER/page/mock.so\": there is no "
          "such file; "
          "allowed: the name of a plugin in plugin_dir (\"FOLDER/page\"), or a path with a slash\n" },
        { "providers = ( { name = \"m\"; plugin = \"./plugins/empty\"; } );",
          "d-back.cfg:1: provider \"m\": can't use the plugin file \"FOLDER/plugins/empty\": it isn't a "
          "regular "
          "file; allowed: the name of a plugin in plugin_dir (\"FOLDER/plugins\"), or a path with a "
          "slash\n" },
    };
    CHECK_ALL(state, cases);
}

/* What stands in options is never shown. */
static void test_options(void **state)
{
    static const struct mistaken cases[] = {
        { "providers = ( { name = \"m\"; plugin = \"mock\"; options = \"token\"; } );",
          "d-back.cfg:1: \"options\" is a string; allowed: a group { ... }\n" },
        { "providers = ( { name = \"m\"; plugin = \"mock\"; options = { a = 1;\n token = \"s3cret\\xff\"; l "
          "= (\n"
          "\"\xc3\"); }; } );",
          "d-back.cfg:2: the string of token in \"options\" isn't valid UTF-8; allowed: UTF-8\n"
          "d-back.cfg:3: the string in \"options\" isn't valid UTF-8; allowed: UTF-8\n" },
        { "providers = ( { name = \"m\"; plugin = \"mock\"; options = { a = 1e999; }; } );",
          "d-back.cfg:1: a number in \"options\" is too large; allowed: up to 1.7e308\n" },
        { "providers = ( { name = \"m\"; plugin = \"mock\"; options = { a = "
          "(((((((((((((((((((((((((((((((((1)))))))))))))))))))))))))))))))))"
          "; }; } );",
          "d-back.cfg:1: options are nested too deeply; allowed: 32 levels\n" },
        { "providers = ( { name = \"m\"; plugin = \"mock\"; options = {\n token = 12345678901234567890123; "
          "}; } );",
          "d-back.cfg:2: a number is too large; allowed: -9223372036854775808 to 9223372036854775807, or a "
          "string\n" },
    };
    CHECK_ALL(state, cases);
}

static void test_routes(void **state)
{
    static const struct mistaken cases[] = {
        { "routes = { servers = [\"m\",\n \"deno\"]; };\nproviders = ( " MOCK
          ", { name = \"demo\"; plugin = \"mock\"; } );",
          "d-back.cfg:2: unknown provider \"deno\" in \"routes.servers\"; allowed: \"m\", \"demo\"\n" },
        { "routes = { users = [\"m\"]; };",
          "d-back.cfg:1: unknown provider \"m\" in \"routes.users\"; allowed: \"mock\"\n" },
        { "providers = ( ); routes = { users = [\"m\"]; };",
          "d-back.cfg:1: unknown provider \"m\" in \"routes.users\"; allowed: none, as there is no entry\n" },
        { "routes = { static = [\"mock\",\n\"mock\"]; };",
          "d-back.cfg:2: \"mock\" is in \"routes.static\" twice; a provider is asked once\n" },
        { "routes = { users = \"mock\"; };", "d-back.cfg:1: \"routes.users\" is \"mock\", a string; allowed: "
                                             "names of providers, as [\"mock\"]\n" },
        { "routes = { validate = (\"mock\", 3); };", "d-back.cfg:1: \"routes.validate\" holds 3, an integer; "
                                                     "allowed: names of providers, as [\"mock\"]\n" },
    };
    CHECK_ALL(state, cases);
}

/* Right for a program that registers providers of its own, wrong for the daemon. */
static void test_nobody_to_ask(void **state)
{
    static const struct mistaken cases[] = {
        { "\nproviders = ( );", "d-back.cfg:2: \"providers\" is empty, so that there are no servers; "
                                "allowed: at least one entry, as "
                                "{ name = \"mock\"; plugin = \"mock\"; }\n" },
        { "providers = ( " MOCK " );\nroutes = {\n servers = []; };",
          "d-back.cfg:3: \"routes.servers\" is empty, so that there are no servers; allowed: the name of at "
          "least "
          "one provider\n" },
        { "", "" },
        { "providers = ( " MOCK " ); routes = { servers = [\"m\"]; users = []; };", "" },
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct text_buffer mistakes = { 0 };
        struct config *config = load_text(*state, cases[i].text);
        assert_int_equal(config_check_servers(config, &mistakes), cases[i].mistakes[0] ? -EINVAL : 0);
        text_append(&mistakes, "", 1);
        assert_string_equal(mistakes.ptr, cases[i].mistakes);
        text_finish(&mistakes);
        config_unref(config);
    }
}

static void test_syntax(void **state)
{
    static const struct mistaken cases[] = {
        { "port = 1;\n\nhost = ;", "d-back.cfg:3: " SYNTAX },
        { "port 3000", "d-back.cfg:1: " SYNTAX },
        { "providers = (\n" MOCK ",\n);", "d-back.cfg:3: " SYNTAX },
        { "\"port\" = 3000;", "d-back.cfg:1: " SYNTAX },
        { "port = 1;\nport = 2;",
          "d-back.cfg:2: this key is given a second time in its group; leave one of them out\n" },
        { "trusted_proxies = [\"a\", 1];",
          "d-back.cfg:1: an array [ ] holds values of one type and no groups; "
          "allowed: a list ( ) for others\n" },
        { "port = 1;\nhost = \"local;\n\n", "d-back.cfg:2: this string isn't closed; it ends with \"\n" },
        { "port = 1;\n/* host = 1;\n", "d-back.cfg:2: this comment isn't closed; it ends with */\n" },
        { "\nhost = \"a\\x00b\";", "d-back.cfg:2: a string can't hold \\x00; leave it out\n" },
        { "port = 99999999999999999999;",
          "d-back.cfg:1: a number is too large; allowed: -9223372036854775808 to 9223372036854775807, or a "
          "string\n"
          "d-back.cfg:1: \"port\" is 9223372036854775807; allowed: an integer from 0 to 65535\n" },
        { "port = 3000; @include \"x.cfg\"",
          "d-back.cfg:1: unexpected @; allowed: a line that begins with @include \"FILE\"\n" },
        { "@include x.cfg",
          "d-back.cfg:1: unexpected @; allowed: a line that begins with @include \"FILE\"\n" },
        { "@include \"x.cfg", "d-back.cfg:1: this isn't complete; write @include \"FILE\"\n" },
        { "@include \"\"", "d-back.cfg:1: this isn't complete; write @include \"FILE\"\n" },
    };
    CHECK_ALL(state, cases);
}

static void test_nesting(void **state)
{
    struct text_buffer text = { 0 };
    text_appendf(&text, "port = 1;\na = ");
    for (int i = 0; i < 300000; i++)
        text_append_literal(&text, "(");
    text_append(&text, "", 1);
    assert_mistakes(*state, text.ptr,
                    "d-back.cfg:2: groups or lists are nested too deeply; allowed: far fewer levels\n");
    text_finish(&text);
}

static void test_many_mistakes(void **state)
{
    struct text_buffer text = { 0 };
    char *shown;
    for (int i = 0; i < 250; i++)
        text_appendf(&text, "key_%d = 1;\n", i);
    write_text("d-back.cfg", text.ptr);
    text_finish(&text);
    assert_null(fixture_load(*state, &(struct config_overrides){ .file = "d-back.cfg" }, &shown));
    size_t lines = 0;
    for (const char *p = shown; (p = strchr(p, '\n')); p++)
        lines++;
    assert_int_equal(lines, MISTAKES_SHOWN + 1);
    assert_non_null(strstr(shown, "d-back.cfg:100: unknown key \"key_99\""));
    assert_null(strstr(shown, "key_100"));
    assert_non_null(strstr(shown, "\nand 150 more mistakes\n"));
    free(shown);
}

static void test_too_many(void **state)
{
    struct text_buffer text = { 0 };
    text_appendf(&text, "providers = (");
    for (int i = 0; i < 65; i++)
        text_appendf(&text, "%s{ name = \"p%d\"; plugin = \"mock\"; }", i ? "," : "", i);
    text_appendf(&text, ");\ntrusted_proxies = (\"::1\"");
    for (int i = 0; i < NETWORKS_MOST; i++)
        text_appendf(&text, ", \"::1\"");
    text_appendf(&text, ");");
    assert_mistakes(*state, text.ptr,
                    "d-back.cfg:1: \"providers\" has 65 entries; allowed: at most 64\n"
                    "d-back.cfg:2: \"trusted_proxies\" has 1025 entries; allowed: at most 1024\n");
    text_finish(&text);
}

static void test_too_many_keys(void **state)
{
    struct text_buffer text = { 0 };
    for (int i = 0; i <= SOURCE_KEYS_MOST; i++)
        text_appendf(&text, "k%d = 1;\n", i);
    assert_mistakes(*state, text.ptr,
                    "d-back.cfg:10001: too many keys; allowed: 10000, with what is included\n");
    text_finish(&text);
}

/* ------------------------------------------------------------------ files that can't be read */

static void check_file(void **state, const char *file, const char *mistakes)
{
    char *shown;
    assert_null(fixture_load(*state, &(struct config_overrides){ .file = file }, &shown));
    assert_string_equal(shown, mistakes);
    free(shown);
}

static void test_files(void **state)
{
    check_file(state, "missing.cfg",
               "--config: \"missing.cfg\" can't be read: No such file or directory" UNREADABLE);
    check_file(state, "", "--config: \"\" can't be read: No such file or directory" UNREADABLE);
    check_file(state, "page", "--config: \"page\" can't be read: it is a folder" UNREADABLE);
    assert_int_equal(mkfifo("fifo", 0600), 0);
    check_file(state, "fifo", "--config: \"fifo\" can't be read: it isn't a regular file" UNREADABLE);
    check_file(state, "/dev/zero",
               "--config: \"/dev/zero\" can't be read: it isn't a regular file" UNREADABLE);
    write_bytes("zero.cfg", "port = 1;\0", 10);
    check_file(state, "zero.cfg",
               "--config: \"zero.cfg\" can't be read: it isn't text (a zero byte is in it)" UNREADABLE);
    write_text("private.cfg", "port = 1;");
    assert_int_equal(chmod("private.cfg", 0), 0);
    if (geteuid() != 0) /* root may read it all the same */
        check_file(state, "private.cfg",
                   "--config: \"private.cfg\" can't be read: Permission denied" UNREADABLE);
}

static void test_size(void **state)
{
    static char spaces[SOURCE_SIZE_MOST + 1];
    memset(spaces, ' ', sizeof spaces);
    write_bytes("large.cfg", spaces, sizeof spaces);
    check_file(state, "large.cfg",
               "--config: \"large.cfg\" can't be read: it is longer than 1048576 bytes (with what "
               "it includes)" UNREADABLE);
    write_bytes("large.cfg", spaces, sizeof spaces - 1);
    char *shown;
    struct config *config = fixture_load(*state, &(struct config_overrides){ .file = "large.cfg" }, &shown);
    assert_non_null(config);
    config_unref(config);
    free(shown);
    assert_mistakes(
        *state, "\n@include \"large.cfg\"\n",
        "d-back.cfg:2: \"large.cfg\" can't be read: it is longer than 1048576 bytes (with what it "
        "includes)" UNREADABLE);
}

static void test_included(void **state)
{
    mkdir("sub", 0700);
    write_text("sub/bad.cfg", "http = 1;\n@include \"worse.cfg\" prot = 1;\nlog = { level = 1; };");
    write_text("sub/worse.cfg", "\nstatic_dir = \"x\";\n");
    assert_mistakes(
        *state, "# first\n@include \"sub/bad.cfg\"\nworkers = 0;\n",
        "sub/bad.cfg:1: \"http\" is 1, an integer; allowed: true or false\n"
        "sub/bad.cfg:2: unknown key \"prot\"; did you mean \"port\"?\n"
        "sub/bad.cfg:3: \"log.level\" is 1, an integer; allowed: \"error\", \"warn\", \"info\" or "
        "\"debug\"\n"
        "d-back.cfg:3: \"workers\" is 0; allowed: an integer from 1 to 64, or \"auto\"\n"
        "sub/worse.cfg:2: \"static_dir\" is \"FOLDER/sub/x\", which isn't a folder; allowed: the path of a "
        "folder that is there\n");
    write_text("sub/bad.cfg", "port = 1;\nhost = = 1;\n");
    assert_mistakes(*state, "\n\n@include \"sub/bad.cfg\"\n", "sub/bad.cfg:2: " SYNTAX);
    assert_mistakes(*state, "@include \"no.cfg\"\n@include \"page\"",
                    "d-back.cfg:1: \"no.cfg\" can't be read: No such file or directory" UNREADABLE
                    "d-back.cfg:2: \"page\" can't be read: it is a folder" UNREADABLE);
    assert_mistakes(
        *state, "\n@include \"d-back.cfg\"",
        "d-back.cfg:2: \"d-back.cfg\" can't be read: too many files include each other" UNREADABLE);
    assert_int_equal(mkfifo("fifo", 0600), 0);
    assert_mistakes(*state, "@include \"fifo\"",
                    "d-back.cfg:1: \"fifo\" can't be read: it isn't a regular file" UNREADABLE);
    struct text_buffer text = { 0 };
    write_text("empty.cfg", "");
    for (int i = 0; i < 100; i++)
        text_appendf(&text, "@include \"empty.cfg\"\n");
    assert_mistakes(*state, text.ptr,
                    "d-back.cfg:100: \"empty.cfg\" can't be read: too many files are included" UNREADABLE);
    text_finish(&text);
}

/* ------------------------------------------------------------------ options and variables */

static void test_overrides(void **state)
{
    struct config_overrides overrides = { .host = "", .port = "70000", .static_dir = "no" };
    char *shown;
    assert_null(fixture_load(*state, &overrides, &shown));
    assert_string_equal(
        shown, "--host: \"host\" is \"\"; allowed: a host name or an address, as \"localhost\", "
               "\"0.0.0.0\" or \"::\"\n"
               "--port: \"port\" is \"70000\"; allowed: an integer from 0 to 65535\n"
               "--static-dir: \"static_dir\" is \"FOLDER/no\", which isn't a folder; allowed: the path of "
               "a folder that is there\n");
    free(shown);
    setenv("D_BACK_HOST", "a b", 1);
    setenv("D_BACK_STATIC_DIR", "/nowhere", 1);
    setenv("D_BACK_CONFIG", "nothing.cfg", 1);
    assert_null(fixture_load(*state, NULL, &shown));
    assert_string_equal(
        shown, "D_BACK_CONFIG: \"nothing.cfg\" can't be read: No such file or directory" UNREADABLE
               "D_BACK_HOST: \"host\" is \"a b\"; allowed: a host name or an address, as "
               "\"localhost\", \"0.0.0.0\" or \"::\"\n"
               "D_BACK_STATIC_DIR: \"static_dir\" is \"/nowhere\", which isn't a folder; allowed: the "
               "path of a folder that is there\n");
    free(shown);
}

static void test_ports_as_text(void **state)
{
    static const char *const wrong[] = {
        "",           " 80", "80 ", "+80", "-1", "0x50", "8e1", "80a", "3.0", "65536", "18446744073709551617",
        "99999999999"
    };
    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
        char *shown, expected[200];
        snprintf(expected, sizeof expected,
                 "--port: \"port\" is \"%s\"; allowed: an integer from 0 to 65535\n", wrong[i]);
        assert_null(fixture_load(*state, &(struct config_overrides){ .port = wrong[i] }, &shown));
        assert_string_equal(shown, expected);
        free(shown);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_unknown_keys),  TEST(test_wrong_types),   TEST(test_wrong_values),  TEST(test_networks),
        TEST(test_providers),     TEST(test_options),       TEST(test_routes),        TEST(test_syntax),
        TEST(test_nobody_to_ask), TEST(test_nesting),       TEST(test_many_mistakes), TEST(test_too_many),
        TEST(test_too_many_keys), TEST(test_files),         TEST(test_size),          TEST(test_included),
        TEST(test_overrides),     TEST(test_ports_as_text),
    };
    return cmocka_run_group_tests_name("config mistakes", tests, NULL, NULL);
}
