/* Is a file a whole shared object for this machine? d-back asks before it loads one, `d-backctl plugin`
 * before it reads one, so that both give the same answer. A truncated one would raise SIGBUS in the middle of
 * dlopen().
 *
 * Each answers NULL, or what is wrong with it, to be read after the file's name: "is empty; build it anew".
 */
#ifndef DBACK_CHECK_OBJECT_FILE_H
#define DBACK_CHECK_OBJECT_FILE_H

#include <stdint.h>
#include <sys/stat.h>

#define OBJECT_FILE_SEGMENTS 256 /* at most so many program headers */

/* Before it is read. */
const char *object_file_fault(const struct stat *st);
/* Its ELF headers; `fd` can be read from, and the file is `size` bytes long. */
const char *object_head_fault(int fd, uint64_t size);

#endif
