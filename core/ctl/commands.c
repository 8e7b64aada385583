/* The table of commands. Everything that is said about them comes from here. */
#include "ctl/ctl.h"
#include "ctl/discord_doctor.h"

static const struct ctl_option socket_option = {
    "socket", "PATH", WORD_FILE, false,
    "where d-back listens for the operator (default: D_BACK_CONTROL, else "
    "where d-back puts it)"
};
static const struct ctl_option json_option = { "json", NULL, WORD_NONE, false,
                                               "print what d-back answers, as JSON" };
static const struct ctl_option help_option = { "help", NULL, WORD_NONE, false, "print this and exit" };
static const struct ctl_option version_option = { "version", NULL, WORD_NONE, false,
                                                  "print the version and exit" };
const struct ctl_option *const common_options[] = { &socket_option, &json_option, &help_option,
                                                    &version_option, NULL };

static const struct ctl_option plugin_option = { "plugin", "PLUGIN", WORD_FILE, false,
                                                 "another plugin: its name, or the path of a file" };
static const struct ctl_option set_option = {
    "option", "NAME=VALUE", WORD_ANY, true, "set an option; VALUE is JSON, or else text; NAME= takes it away"
};
static const struct ctl_option reset_option = { "reset-options", NULL, WORD_NONE, false,
                                                "begin without the options that there are" };
static const struct ctl_option username_option = { "username", "NAME", WORD_ANY, false,
                                                   "needed by somebody new on the server" };
static const struct ctl_option color_option = { "color", "#RRGGBB", WORD_ANY, false,
                                                "the colour of the role" };
static const struct ctl_option delete_option = { "delete", NULL, WORD_NONE, false, "the user has left" };
static const struct ctl_option undo_option = { "undo", NULL, WORD_NONE, false, "let viewers in again" };
static const struct ctl_option wait_option = { "wait", NULL, WORD_NONE, false,
                                               "until the last viewer has left" };
static const struct ctl_option follow_option = { "follow", NULL, WORD_NONE, false,
                                                 "connect again whenever d-back was restarted" };
static const struct ctl_option interval_option = { "interval", "SECONDS", WORD_ANY, false,
                                                   "between two looks (default 1)" };
static const struct ctl_option count_option = { "count", "N", WORD_ANY, false, "end after so many looks" };
static const struct ctl_option type_option = { "type", "TYPE", WORD_TYPE, true, "only events of this type" };

static const struct ctl_option config_option = { "config", "FILE", WORD_FILE, false,
                                                 "the d-back.cfg (default: as d-back finds it)" };
static const struct ctl_option provider_option = { "provider", "NAME", WORD_PROVIDER, false,
                                                   "only this entry (default: all of the discord plugin)" };

const struct command commands[] = {
    { .words = "status",
      .summary = "how d-back is, who watches what",
      .example = "d-backctl status",
      .run = run_status },
    { .words = "top",
      .options = { &interval_option, &count_option },
      .summary = "the same, live: viewers, frames, events, delays",
      .about = "Fills the terminal until q or Ctrl-C. Where there is no terminal it prints a line each time.",
      .example = "d-backctl top --interval 5",
      .run = run_top },
    { .words = "health",
      .summary = "is it alive, is it ready, and if not, what isn't",
      .about = "Exit code 0 when it is ready.",
      .example = "d-backctl health || echo \"not ready\"",
      .run = run_health },
    { .words = "servers", .summary = "the servers, and who answers for them", .run = run_servers },
    { .words = "users",
      .arguments = { "SERVER" },
      .argument_words = { WORD_SERVER },
      .summary = "who is on a server, as viewers are shown it",
      .about = "SERVER is, here and below, its id or its Discord id.",
      .example = "d-backctl users dworld",
      .run = run_users },
    { .words = "clients",
      .summary = "the viewers' connections",
      .about = "The numbers are those of the log (conn=).",
      .run = run_clients },
    { .words = "kick",
      .arguments = { "CLIENT..." },
      .argument_words = { WORD_CLIENT },
      .summary = "close a viewer's connection",
      .about = "With the code 1008. A d-zone client doesn't come back by itself.",
      .example = "d-backctl kick 17",
      .run = run_kick },
    { .words = "providers",
      .summary = "the loaded providers: what they were asked, and how they answered",
      .run = run_providers },
    { .words = "provider swap",
      .arguments = { "NAME" },
      .argument_words = { WORD_PROVIDER },
      .options = { &plugin_option, &set_option, &reset_option },
      .summary = "another instance of a provider, while viewers watch",
      .about = "The new one takes over when it has answered for everything that is being watched; until then "
               "the old one "
               "serves, and whatever goes wrong changes nothing. Without an option it is started anew as it "
               "is, from a "
               "file that was rebuilt, say. The change holds until the next reload or restart.",
      .example = "d-backctl provider swap mock --option message_interval=0.5",
      .run = run_provider_swap },
    { .words = "reload",
      .summary = "read d-back.cfg anew, and swap the providers that changed",
      .about = "As SIGHUP does, but it waits for the end and says how it went.",
      .example = "d-backctl config check && d-backctl reload",
      .run = run_reload },
    { .words = "config show",
      .summary = "what is in effect, where it comes from, what waits for a restart",
      .run = run_config_show },
    { .words = "config check",
      .arguments = { "[FILE]" },
      .argument_words = { WORD_FILE },
      .summary = "every mistake in a d-back.cfg",
      .about = "Without FILE that of the running d-back, else the installed one. Nothing is changed.",
      .example = "d-backctl config check d-back.cfg",
      .run = run_config_check },
    { .words = "message",
      .arguments = { "SERVER", "UID", "CHANNEL", "TEXT..." },
      .argument_words = { WORD_SERVER },
      .summary = "have a user of a server say something",
      .example = "d-backctl message dworld 123456789012345001 1 Hello there",
      .run = run_message },
    { .words = "presence",
      .arguments = { "SERVER", "UID", "[STATUS]" },
      .argument_words = { WORD_SERVER, WORD_ANY, WORD_STATUS },
      .options = { &username_option, &color_option, &delete_option },
      .summary = "change a user's status, have one come or go",
      .about = "STATUS is online, idle, dnd or offline.",
      .example = "d-backctl presence dworld 7 online --username Newcomer --color '#4ecdc4'",
      .run = run_presence },
    { .words = "client-id",
      .arguments = { "SERVER", "ID" },
      .argument_words = { WORD_SERVER },
      .summary = "change a server's OAuth client id",
      .about = "An empty ID withdraws it.",
      .example = "d-backctl client-id dworld 527964146659229701",
      .run = run_client_id },
    { .words = "drain",
      .options = { &wait_option, &undo_option },
      .summary = "let nobody new in; who is here stays",
      .about = "GET /readyz says so, too, so a load balancer sends viewers elsewhere.",
      .example = "d-backctl drain --wait && systemctl stop d-back",
      .run = run_drain },
    { .words = "events",
      .options = { &follow_option, &type_option },
      .summary = "what happens, live",
      .about = "What viewers are sent (message, presence, update-clientid, server-list), and what concerns "
               "the operator "
               "(viewers, provider, swap, swap-failed, drain). Until Ctrl-C.",
      .example = "d-backctl events --follow --json | jq .type",
      .run = run_events },
    { .words = "log-level",
      .arguments = { "[LEVEL]" },
      .argument_words = { WORD_LEVEL },
      .summary = "how much is logged: show it, or change it",
      .about = "LEVEL is error, warn, info or debug. It holds until the next reload or restart.",
      .example = "d-backctl log-level debug",
      .run = run_log_level },
    { .words = "discord doctor",
      .options = { &config_option, &provider_option },
      .summary = "is everything right at Discord: token, intents, guilds, logins",
      .about =
          "Asks Discord with the token and the guilds of d-back.cfg, and says of each thing whether it is "
          "ok, "
          "works but ... (warning), or has to be changed (failed). It needs no running d-back, disturbs "
          "none, "
          "and begins no session; run it as the user that d-back runs as, so that it may read the token's "
          "file. Exit code 0: nothing failed, 1: something did, 2: it couldn't be looked at.",
      .example = "sudo d-backctl discord doctor --config /etc/d-back/d-back.cfg",
      .run = run_discord_doctor },
    { .words = "plugin new",
      .arguments = { "NAME", "[FOLDER]" },
      .argument_words = { WORD_ANY, WORD_FILE },
      .summary = "a small provider to start from, as a project of its own",
      .about = "This and the next two have options of their own: \"d-backctl plugin new --help\" tells them.",
      .example = "d-backctl plugin new weather",
      .run = run_plugin },
    { .words = "plugin check",
      .arguments = { "FILE" },
      .argument_words = { WORD_FILE },
      .summary = "run a plugin without d-back, and say what it does wrong",
      .example = "d-backctl plugin check ./mine.so",
      .run = run_plugin },
    { .words = "plugin info",
      .arguments = { "FILE" },
      .argument_words = { WORD_FILE },
      .summary = "what a plugin says of itself, without running any of it",
      .example = "d-backctl plugin info /usr/lib/d-back/plugins/mock.so",
      .run = run_plugin },
    { .words = "help",
      .arguments = { "[COMMAND...]" },
      .summary = "all commands, or one of them at length",
      .example = "d-backctl help provider swap",
      .run = run_help },
    /* Without a summary: what docs/man is made with. */
    { .words = "manual", .arguments = { "PAGE" }, .run = run_manual },
};
const size_t command_count = ARRAY_LENGTH(commands);
