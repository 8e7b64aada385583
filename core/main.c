/* The daemon d-back: options in, exit code out. Everything else is the library's (dback/dback.h). */
#include "base/text.h"
#include "config/command_line.h"
#include "config/config.h"

#include <dback/dback.h>

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Exit codes, which scripts may rely on. */
#define EXIT_FAILED 1 /* it could not run */
#define EXIT_USAGE 2  /* a mistake in the command line or the configuration */

#define ERROR_SIZE 4096

static void fill_in_options(struct option options[DAEMON_OPTION_COUNT + 1])
{
    for (int i = 0; i < DAEMON_OPTION_COUNT; i++)
        options[i] = (struct option){ daemon_options[i].name,
                                      daemon_options[i].argument ? required_argument : no_argument, NULL, i };
    options[DAEMON_OPTION_COUNT] = (struct option){ NULL, 0, NULL, 0 };
}

static void print_help(void)
{
    struct text_buffer text = { 0 };
    daemon_help(&text);
    fwrite(text.ptr, 1, text.len, stdout);
    text_finish(&text);
}

static int usage_error(void)
{
    fputs("Try 'd-back --help'.\n", stderr);
    return EXIT_USAGE;
}

/* A descriptor from 0 to 2 that is closed would be given to the next socket or file that is opened: the log
 * would then be written into it. /dev/null takes its place, opened the wrong way round, so that using it
 * fails as it would have. */
static void occupy_standard_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) < 0)
            exit(EXIT_FAILED); /* and there may be no place to say why */
}

/* What was printed really went out: a full disk or a closed pipe is a failure. */
static int flushed(void)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return EXIT_SUCCESS;
    fputs("d-back: standard output can't be written\n", stderr);
    return EXIT_FAILED;
}

/* False with every mistake told. `print`: else the effective configuration is printed. */
static bool configuration_is_right(const dback_options *given, bool print)
{
    struct config *config;
    struct text_buffer text = { 0 };
    bool right = config_load(&config,
                             &(struct config_overrides){ .file = given->config_file,
                                                         .host = given->host,
                                                         .port = given->port,
                                                         .static_dir = given->static_dir },
                             &text) == 0;
    if (right) {
        /* The daemon has no providers but those of the configuration. */
        right = config_check_servers(config, &text) == 0;
        if (right && print)
            config_print(config, &text);
        config_unref(config);
    }
    if (text.len)
        fwrite(text.ptr, 1, text.len, right ? stdout : stderr);
    text_finish(&text);
    return right;
}

static int failed(const char *error, int code)
{
    fprintf(stderr, "d-back: %s\n", error);
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
    bool threads_run_on = dback_abandoned(server) > 0;
    dback_destroy(server);
    if (threads_run_on) /* what runs at the exit would pull libraries away from under them */
        _exit(result);
    return result;
}

int main(int argc, char **argv)
{
    dback_options given = { .size = sizeof given, .operated = 1 };
    struct option options[DAEMON_OPTION_COUNT + 1];
    bool check = false;
    int option;
    fill_in_options(options);
    occupy_standard_descriptors();
    signal(SIGPIPE, SIG_IGN);
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case DAEMON_CONFIG:
            given.config_file = optarg;
            break;
        case DAEMON_HOST:
            given.host = optarg;
            break;
        case DAEMON_PORT:
            given.port = optarg;
            break;
        case DAEMON_STATIC_DIR:
            given.static_dir = optarg;
            break;
        case DAEMON_CHECK_CONFIG:
            check = true;
            break;
        case DAEMON_VERSION:
            printf("d-back %s\n", dback_version());
            return flushed();
        case DAEMON_HELP:
            print_help();
            return flushed();
        default:
            return usage_error();
        }
    }
    if (optind < argc) {
        fprintf(stderr, "d-back: \"%s\" is no option\n", argv[optind]);
        return usage_error();
    }
    /* The library reads it once more; here every mistake is told the same way, whoever asked. */
    if (!configuration_is_right(&given, check))
        return EXIT_USAGE;
    return check ? flushed() : serve(&given);
}
