/* The daemon d-back: options in, exit code out. Everything else is the library's (dback/dback.h). */
#include "base/text.h"
#include "config/config.h"

#include <dback/dback.h>

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

/* Exit codes, which scripts may rely on. */
#define EXIT_FAILED 1 /* it could not run */
#define EXIT_USAGE 2  /* a mistake in the command line or the configuration */

#define ERROR_SIZE 16384

static const char help[] =
    "d-back, the server behind d-zone: shows a Discord community, live, in the browser.\n"
    "\n"
    "usage: d-back [options]\n"
    "\n"
    "  --config FILE      read this configuration (default: D_BACK_CONFIG, else the installed\n"
    "                     d-back.cfg; without any: the mock provider on localhost:3000)\n"
    "  --host HOST        listen on every address that HOST means\n"
    "  --port N           listen on this port (0: a free one)\n"
    "  --static-dir DIR   serve this folder in place of the built-in page\n"
    "  --check-config     print the effective configuration, or every mistake in it, and exit\n"
    "  --version          print the version and exit\n"
    "  --help             print this and exit\n"
    "\n"
    "Options beat the environment (D_BACK_CONFIG, D_BACK_HOST, D_BACK_PORT, D_BACK_STATIC_DIR),\n"
    "which beats the file.\n"
    "\n"
    "signals:     SIGTERM, SIGINT  close every session and end\n"
    "             SIGHUP           read the configuration anew; viewers stay connected\n"
    "             SIGUSR1          open the log file anew (after rotation)\n"
    "exit codes:  0 clean stop, 1 run-time failure, 2 mistake in the options or the configuration\n"
    "\n"
    "examples:    d-back                          the mock's world on http://localhost:3000\n"
    "             d-back --config d-back.cfg\n"
    "             d-back --check-config --config d-back.cfg && kill -HUP \"$(pidof d-back)\"\n";

enum { OPT_CONFIG = 256, OPT_HOST, OPT_PORT, OPT_STATIC_DIR, OPT_CHECK, OPT_VERSION, OPT_HELP };

static const struct option options[] = {
    { "config", required_argument, NULL, OPT_CONFIG },
    { "host", required_argument, NULL, OPT_HOST },
    { "port", required_argument, NULL, OPT_PORT },
    { "static-dir", required_argument, NULL, OPT_STATIC_DIR },
    { "check-config", no_argument, NULL, OPT_CHECK },
    { "version", no_argument, NULL, OPT_VERSION },
    { "help", no_argument, NULL, OPT_HELP },
    { NULL, 0, NULL, 0 },
};

static int usage_error(void)
{
    fputs("Try 'd-back --help'.\n", stderr);
    return EXIT_USAGE;
}

/* What was printed really went out: a full disk or a closed pipe is a failure. */
static int flushed(void)
{
    return fflush(stdout) == 0 && !ferror(stdout) ? EXIT_SUCCESS : EXIT_FAILED;
}

static int check_config(const dback_options *given)
{
    struct config *config;
    struct text_buffer text = { 0 };
    int code = config_load(&config,
                           &(struct config_overrides){ .file = given->config_file,
                                                       .host = given->host,
                                                       .port = given->port,
                                                       .static_dir = given->static_dir },
                           &text);
    if (code == 0) {
        config_print(config, &text);
        config_unref(config);
    }
    fwrite(text.ptr, 1, text.len, code == 0 ? stdout : stderr);
    text_finish(&text);
    return code == 0 ? flushed() : EXIT_USAGE;
}

/* One line each, so that a log keeps them apart. */
static int failed(const char *error, int code)
{
    fprintf(stderr, "d-back: %s%s", error, *error && error[strlen(error) - 1] == '\n' ? "" : "\n");
    return code;
}

static int serve(const dback_options *given)
{
    dback *server;
    char error[ERROR_SIZE] = "";
    if (dback_create(&server, given, error, sizeof error) < 0)
        return failed(error, EXIT_USAGE);
    int result = EXIT_SUCCESS;
    int code = dback_start(server, error, sizeof error);
    if (code < 0 && code != -EINTR) /* ended by a signal is a clean stop */
        result = failed(error, EXIT_FAILED);
    else if (code == 0 && dback_run(server) < 0)
        result = EXIT_FAILED;
    dback_destroy(server);
    return result;
}

int main(int argc, char **argv)
{
    dback_options given = { .size = sizeof given };
    bool check = false;
    int option;
    signal(SIGPIPE, SIG_IGN);
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case OPT_CONFIG:
            given.config_file = optarg;
            break;
        case OPT_HOST:
            given.host = optarg;
            break;
        case OPT_PORT:
            given.port = optarg;
            break;
        case OPT_STATIC_DIR:
            given.static_dir = optarg;
            break;
        case OPT_CHECK:
            check = true;
            break;
        case OPT_VERSION:
            printf("d-back %s\n", dback_version());
            return flushed();
        case OPT_HELP:
            fputs(help, stdout);
            return flushed();
        default:
            return usage_error();
        }
    }
    if (optind < argc) {
        fprintf(stderr, "d-back: \"%s\" is no option\n", argv[optind]);
        return usage_error();
    }
    return check ? check_config(&given) : serve(&given);
}
