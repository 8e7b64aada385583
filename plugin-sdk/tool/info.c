/* d-backctl plugin info: what a provider says of itself, read from its file. Nothing of it runs, so it is
 * safe with a file that one doesn't trust yet.
 */
#include "entry.h"
#include "verbs.h"

#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] = "usage: d-backctl plugin info [--json] FILE.so\n"
                            "\n"
                            "What a provider says of itself, read from its file: nothing of it runs.\n"
                            "\n"
                            "Exit code: 0 d-back would load it, 1 it wouldn't, 2 wrong usage.\n";

static void print_lines(const struct elf_image *image, const struct entry *e)
{
    char offers[256];
    entry_list_offers(e, offers, sizeof offers);
    printf("name       %s\n", e->name);
    printf("version    %s\n", e->version);
    printf("ABI        %u.%u, for hosts from %u.%u on\n", e->major, e->minor, e->major, e->need_minor);
    printf("offers     %s\n", *offers ? offers : "nothing");
    printf("changes    %s\n", e->flags & DBACK_PROVIDER_PUSHES ? "pushed by itself (DBACK_PROVIDER_PUSHES)"
                                                               : "found by asking again");
    printf("file       %zu bytes, %s\n", elf_file_size(image), elf_machine(image));
    printf("needs     ");
    const char *library = NULL;
    for (size_t i = 0; (library = elf_needed(image, i)); i++)
        printf(" %s", library);
    printf("\n");
}

static void print_json(const struct elf_image *image, const struct entry *e, const char *wrong)
{
    json_t *offers = json_array(), *needs = json_array();
    const char *library;
    char abi[32], host[32];
    for (int i = MEMBER_SERVERS; i < MEMBER_COUNT; i++)
        if (e->offers[i])
            json_array_append_new(offers, json_string(member_names[i]));
    for (size_t i = 0; image && (library = elf_needed(image, i)); i++)
        json_array_append_new(needs, json_string(library));
    snprintf(abi, sizeof abi, "%u.%u", e->major, e->minor);
    snprintf(host, sizeof host, "%u.%u", e->major, e->need_minor);
    json_t *o =
        wrong ? json_pack("{s:s}", "wrong", wrong)
              : json_pack("{s:s, s:s, s:s, s:s, s:o, s:b, s:I, s:s, s:o}", "name", e->name, "version",
                          e->version, "abi", abi, "needsHost", host, "offers", json_incref(offers), "pushes",
                          (e->flags & DBACK_PROVIDER_PUSHES) != 0, "size", (json_int_t)elf_file_size(image),
                          "machine", elf_machine(image), "needs", json_incref(needs));
    char *text = json_dumps(o, JSON_INDENT(2));
    puts(text ? text : "{}");
    free(text);
    json_decref(o);
    json_decref(offers);
    json_decref(needs);
}

int verb_info(int argc, char **argv)
{
    static const struct option options[] = { { "json", no_argument, NULL, 'j' },
                                             { "help", no_argument, NULL, 'h' },
                                             { NULL, 0, NULL, 0 } };
    bool json = false;
    int option;
    opterr = 0;
    optind = 0;
    while ((option = getopt_long(argc, argv, "jh", options, NULL)) != -1) {
        if (option == 'h') {
            fputs(usage, stdout);
            return 0;
        }
        if (option != 'j')
            return wrong_usage("info", "this option isn't known");
        json = true;
    }
    if (optind + 1 != argc)
        return wrong_usage("info", "name one provider's .so file");
    char wrong[512] = "";
    struct entry entry = { 0 };
    struct elf_image *image = elf_open(argv[optind], wrong, sizeof wrong);
    bool good = image && entry_from_file(&entry, image, wrong, sizeof wrong) &&
                entry_fault(&entry, wrong, sizeof wrong) == CLAUSE_NONE;
    if (json)
        print_json(image, &entry, good ? NULL : wrong);
    else if (good)
        print_lines(image, &entry);
    else
        fprintf(stderr, "%s: %s\n", argv[optind], wrong);
    elf_close(image);
    return good ? 0 : 1;
}
