/* d-backctl plugin new: writes the template of the SDK, under another name, as a project of its own.
 *
 * The files are part of this program (template_files.h is made of plugin-sdk/template when it is built), so
 * nothing has to be installed but d-back itself. Where that isn't where CMake looks by itself, the project
 * says where it is.
 */
#include "template_files.h"
#include "verbs.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_MAX_SIZE 64
#define TEMPLATE_NAME "tower"

static const char usage[] =
    "usage: d-backctl plugin new [--cpp] [--async] NAME [DIR]\n"
    "\n"
    "Writes a small provider to start from into DIR (default: NAME), as a project of its own: a source\n"
    "with a comment at each step, CMakeLists.txt, a test, a d-back.cfg, a README.\n"
    "\n"
    "      --cpp      in C++17 in place of C\n"
    "      --async    one that never waits: a watched descriptor, answers that come later\n"
    "\n"
    "Exit code: 0 written, 1 it couldn't be, 2 wrong usage.\n";

struct project {
    const char *name, *folder;
    bool cpp, async;
    char prefix[PATH_MAX]; /* where d-back is, when CMake wouldn't find it by itself; else "" */
};

/* The files of a project, and what of the template they are made of. */
static const struct {
    const char *name, *from, *from_async;
    bool executable;
} files[] = {
    { "CMakeLists.txt", "CMakeLists.txt", "CMakeLists.txt", false },
    { "README.md", "README.md", "README.md", false },
    { "d-back.cfg", "d-back.cfg", "async.cfg", false },
    { "test.sh", "test.sh", "async.test.sh", true },
};

/* ------------------ text ---------------------------------------------------------------------- */

static char *must(char *memory)
{
    if (!memory)
        abort();
    return memory;
}

/* `text` with `to` in place of each `from`; frees `text`. */
static char *replace(char *text, const char *from, const char *to)
{
    size_t count = 0, from_len = strlen(from), to_len = strlen(to);
    for (const char *at = text; (at = strstr(at, from)); at += from_len)
        count++;
    char *out = must(malloc(strlen(text) + count * to_len + 1)), *end = out;
    const char *rest = text, *at;
    while ((at = strstr(rest, from))) {
        memcpy(end, rest, (size_t)(at - rest));
        memcpy(end + (at - rest), to, to_len);
        end += (size_t)(at - rest) + to_len;
        rest = at + from_len;
    }
    strcpy(end, rest);
    free(text);
    return out;
}

static char *template_text(const char *name)
{
    size_t i = 0;
    while (strcmp(template_files[i].name, name) != 0)
        i++; /* the build has put each of them there */
    char *text = must(calloc(1, template_files[i].size + 1));
    memcpy(text, template_files[i].bytes, template_files[i].size);
    return text;
}

/* What differs between the template as it stands and this project. */
static char *adapt(char *text, const struct project *project)
{
    char line[PATH_MAX + 128];
    if (*project->prefix) {
        snprintf(line, sizeof line, "find_package(dback-sdk 1.0 REQUIRED HINTS \"%s\")", project->prefix);
        text = replace(text, "find_package(dback-sdk 1.0 REQUIRED)", line);
        snprintf(line, sizeof line, "find_program(D_BACKCTL d-backctl HINTS \"%s/bin\")", project->prefix);
        text = replace(text, "find_program(D_BACKCTL d-backctl)", line);
    }
    if (project->cpp) {
        text = replace(text, "LANGUAGES C)", "LANGUAGES CXX)");
        text = replace(text, "provider.c", "provider.cpp");
        text = replace(text, "    C_VISIBILITY_PRESET hidden)  ",
                       "    CXX_STANDARD 17\n    CXX_VISIBILITY_PRESET hidden)");
    }
    return replace(text, TEMPLATE_NAME, project->name);
}

/* ------------------ files --------------------------------------------------------------------- */

static bool write_file(const struct project *project, const char *name, const char *from, bool executable)
{
    char path[PATH_MAX];
    char *text = adapt(template_text(from), project);
    size_t len = strlen(text);
    snprintf(path, sizeof path, "%s/%s", project->folder, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, executable ? 0777 : 0666);
    bool good = fd >= 0 && write(fd, text, len) == (ssize_t)len;
    if (fd >= 0)
        good = close(fd) == 0 && good;
    if (!good)
        fprintf(stderr, "d-backctl plugin new: can't write %s: %s\n", path, strerror(errno));
    free(text);
    return good;
}

static bool write_project(const struct project *project)
{
    static const char *const sources[2][2] = { { "provider.c", "provider.cpp" }, { "async.c", "async.cpp" } };
    if (mkdir(project->folder, 0777) < 0) {
        fprintf(stderr, "d-backctl plugin new: can't make the folder %s: %s%s\n", project->folder,
                strerror(errno), errno == EEXIST ? "; name another one" : "");
        return false;
    }
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        if (!write_file(project, files[i].name, project->async ? files[i].from_async : files[i].from,
                        files[i].executable))
            return false;
    return write_file(project, project->cpp ? "provider.cpp" : "provider.c",
                      sources[project->async][project->cpp], false);
}

/* ------------------ the rest ------------------------------------------------------------------ */

/* This program is PREFIX/bin/d-backctl, installed or in a build folder. */
static void find_prefix(struct project *project)
{
    char path[PATH_MAX + 64];
    char *own = realpath("/proc/self/exe", NULL), *slash = NULL;
    for (int up = 0; own && up < 2; up++)
        if ((slash = strrchr(own, '/')))
            *slash = '\0';
    if (own && strcmp(own, "/usr") != 0 && strcmp(own, "/usr/local") != 0 &&
        strlen(own) < sizeof project->prefix) {
        snprintf(path, sizeof path, "%s/share/cmake/dback-sdk/dback-sdkConfig.cmake", own);
        if (access(path, R_OK) == 0)
            strcpy(project->prefix, own);
    }
    free(own);
}

/* NULL, or why it can't be a provider's name, a target of CMake, and a file name. */
static const char *name_fault(const char *name)
{
    static const char *const taken[] = { "all",     "clean",          "edit_cache",    "help", "install",
                                         "package", "package_source", "rebuild_cache", "test" };
    size_t len = strlen(name);
    if (len == 0 || len > NAME_MAX_SIZE || name[0] == '-' ||
        strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != len)
        return "must be 1 to 64 letters, digits, \"_\" and \"-\"";
    for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++)
        if (strcmp(name, taken[i]) == 0)
            return "means something else to CMake; take another one";
    return NULL;
}

int verb_new(int argc, char **argv)
{
    static const struct option options[] = { { "cpp", no_argument, NULL, 'c' },
                                             { "async", no_argument, NULL, 'a' },
                                             { "help", no_argument, NULL, 'h' },
                                             { NULL, 0, NULL, 0 } };
    struct project project = { 0 };
    int option;
    opterr = 0;
    optind = 0;
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (option == 'h') {
            fputs(usage, stdout);
            return 0;
        }
        if (option != 'c' && option != 'a')
            return wrong_usage("new", "this option isn't known");
        project.cpp |= option == 'c';
        project.async |= option == 'a';
    }
    if (optind == argc || optind + 2 < argc)
        return wrong_usage("new", "give the provider a name, and perhaps a folder");
    project.name = argv[optind];
    project.folder = optind + 1 < argc ? argv[optind + 1] : project.name;
    if (name_fault(project.name))
        return wrong_usage("new", "the name \"%s\" %s", project.name, name_fault(project.name));
    find_prefix(&project);
    if (!write_project(&project))
        return 1;
    printf("The provider %s is in %s. Next:\n\n    cd %s\n    cmake -B build\n    cmake --build build\n"
           "    ctest --test-dir build --output-on-failure\n    d-back --config d-back.cfg\n\n"
           "and then http://localhost:3000.\n",
           project.name, project.folder, project.folder);
    return 0;
}
