/* What unit tests share: cmocka with the headers that it wants before it, and numbers that are random but the
 * same in every run. DBACK_TEST_SEED chooses others. */
#ifndef DBACK_TESTS_UNIT_TESTING_H
#define DBACK_TESTS_UNIT_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* base.h declares a function fail() and cmocka defines a macro of that name: in a test the function is
 * (fail)(). */
#include "base/base.h"

#include <cmocka.h>

struct dice {
    uint64_t state;
};

static inline struct dice dice_create(uint64_t salt)
{
    const char *seed = getenv("DBACK_TEST_SEED");
    return (struct dice){ (seed ? strtoull(seed, NULL, 10) : 1) * 0x9e3779b97f4a7c15u + salt };
}

/* splitmix64 */
static inline uint64_t dice_roll(struct dice *dice)
{
    uint64_t z = dice->state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* 0 to sides - 1 */
static inline unsigned dice_below(struct dice *dice, unsigned sides)
{
    return (unsigned)(dice_roll(dice) % sides);
}

#endif
