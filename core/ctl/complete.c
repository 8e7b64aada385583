/* complete: what could come next on the command line. The completions of the shells (etc/completion) ask it.
 *
 * Of its words the last is the one that is being written. Each answer is a line, the candidate and after a
 * tab what it is; the line ":file" means that the name of a file goes here.
 */
#include "ctl/ctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct request {
    const char *written;             /* so far */
    const struct command *command;   /* NULL: not known yet */
    const char *before;              /* words of the command that are complete: "provider" */
    size_t argument;                 /* which of the command's is being written */
    const struct ctl_option *option; /* whose argument is being written */
    bool only_words;                 /* behind "--" */
};

static void offer(const struct request *request, const char *candidate, const char *about)
{
    if (strncmp(candidate, request->written, strlen(request->written)) == 0)
        printf("%s\t%s\n", candidate, about);
}

/* ------------------ of the running d-back ----------------------------------------------------- */

static json_t *look(const struct call *call, const char *path)
{
    struct reply reply = { 0 };
    int fd = connect_quietly(call);
    bool answered =
        fd >= 0 && http_send(fd, "GET", path, NULL) && http_receive(fd, &reply) && reply.status == 200;
    json_t *answer =
        answered ? json_loadb(reply.body.ptr ? reply.body.ptr : "", reply.body.len, 0, NULL) : NULL;
    text_finish(&reply.body);
    if (fd >= 0)
        close(fd);
    return answer;
}

static void offer_from(const struct call *call, const struct request *request, const char *path,
                       const char *list, const char *member, const char *about)
{
    json_t *answer = look(call, path), *element;
    size_t index;
    json_array_foreach(json_object_get(answer, list), index, element)
    {
        const json_t *value = json_object_get(element, member);
        char number[32];
        snprintf(number, sizeof number, "%lld", (long long)json_integer_value(value));
        const char *text = json_is_string(value) ? json_string_value(value) : number;
        if (!strpbrk(text, "\n\t"))
            offer(request, text, text_at(element, about));
    }
    json_decref(answer);
}

static void offer_word(const struct call *call, const struct request *request, enum word word)
{
    static const char *const statuses[] = { "online", "idle", "dnd", "offline", NULL };
    static const char *const levels[] = { "error", "warn", "info", "debug", NULL };
    const char *const *fixed = word == WORD_STATUS  ? statuses
                               : word == WORD_LEVEL ? levels
                               : word == WORD_TYPE  ? event_types
                                                    : NULL;
    for (size_t i = 0; fixed && fixed[i]; i++)
        offer(request, fixed[i], "");
    if (word == WORD_FILE)
        puts(":file");
    else if (word == WORD_PROVIDER)
        offer_from(call, request, "/v1/providers", "providers", "name", "state");
    else if (word == WORD_SERVER)
        offer_from(call, request, "/v1/servers?limit=1000", "servers", "id", "name");
    else if (word == WORD_CLIENT)
        offer_from(call, request, "/v1/clients?limit=1000", "clients", "id", "peer");
}

/* ------------------ of the table -------------------------------------------------------------- */

static void offer_options(const struct request *request, const struct ctl_option *const *options, size_t most)
{
    for (size_t i = 0; i < most && options[i]; i++) {
        char name[64];
        snprintf(name, sizeof name, "--%s", options[i]->name);
        offer(request, name, options[i]->about);
    }
}

/* The next word of the commands that begin with those that are there. */
static void offer_commands(const struct request *request)
{
    size_t len = strlen(request->before);
    char last[64] = "";
    for (const struct command *command = commands; command < commands + command_count; command++) {
        if (!command->summary || strncmp(command->words, request->before, len) != 0)
            continue;
        if (len && command->words[len] != ' ')
            continue;
        const char *rest = command->words + len + (len > 0);
        size_t word = strcspn(rest, " ");
        char next[64];
        snprintf(next, sizeof next, "%.*s", (int)word, rest);
        if (strcmp(next, last) != 0)
            offer(request, next, rest[word] ? "" : command->summary);
        snprintf(last, sizeof last, "%s", next);
    }
}

static void offer_argument(const struct call *call, const struct request *request)
{
    const struct command *command = request->command;
    size_t i = request->argument, last = 0;
    while (last + 1 < ARGUMENTS_MAX && command->arguments[last + 1])
        last++;
    bool endless = command->arguments[last] && strstr(command->arguments[last], "...");
    if (i > last && endless)
        i = last;
    if (i < ARGUMENTS_MAX && command->arguments[i])
        offer_word(call, request, command->argument_words[i]);
}

/* ------------------ the line ------------------------------------------------------------------ */

static const struct ctl_option *option_named(const struct command *command, const char *word)
{
    for (size_t i = 0; common_options[i]; i++)
        if (strcmp(common_options[i]->name, word + 2) == 0)
            return common_options[i];
    for (size_t i = 0; command && i < OPTIONS_MAX && command->options[i]; i++)
        if (strcmp(command->options[i]->name, word + 2) == 0)
            return command->options[i];
    return NULL;
}

static const struct command *command_named(const char *words)
{
    for (const struct command *command = commands; command < commands + command_count; command++)
        if (strcmp(command->words, words) == 0)
            return command;
    return NULL;
}

static void read_words(struct call *call, struct request *request, struct text_buffer *before)
{
    for (size_t i = 0; i + 1 < call->argument_count; i++) {
        const char *word = call->arguments[i];
        const struct ctl_option *option =
            !request->only_words && strncmp(word, "--", 2) == 0 ? option_named(request->command, word) : NULL;
        if (!request->only_words && strcmp(word, "--") == 0) {
            request->only_words = true;
        } else if (option && option->argument) {
            request->option = i + 2 == call->argument_count ? option : NULL;
            if (strcmp(option->name, "socket") == 0 && i + 2 < call->argument_count)
                call->socket = call->arguments[i + 1];
            i++;
        } else if (!request->only_words && word[0] == '-') {
            continue;
        } else if (request->command) {
            request->argument++;
        } else {
            text_appendf(before, "%s%s", before->len ? " " : "", word);
            request->command = command_named(before->ptr);
        }
    }
    request->before = before->ptr ? before->ptr : "";
}

int run_complete(struct call *call)
{
    struct text_buffer before = { 0 };
    call->socket = getenv("D_BACK_CONTROL");
    if (call->socket && !*call->socket)
        call->socket = NULL;
    struct request request = { .written =
                                   call->argument_count ? call->arguments[call->argument_count - 1] : "" };
    read_words(call, &request, &before);
    if (request.option) {
        offer_word(call, &request, request.option->word);
    } else if (!request.only_words && request.written[0] == '-') {
        if (request.command)
            offer_options(&request, request.command->options, OPTIONS_MAX);
        offer_options(&request, common_options, SIZE_MAX);
    } else if (request.command) {
        offer_argument(call, &request);
    } else {
        offer_commands(&request);
    }
    text_finish(&before);
    return 0;
}
