/* The mailbox: the order of each poster is kept, nothing is lost, and a burst wakes its reader once.
 *
 * uv_async_send() is counted on its way to libuv.
 */
#ifndef _GNU_SOURCE
#endif
#include "testing.h"

#include "base/mailbox.h"

#include <dlfcn.h>
#include <stdatomic.h>

static atomic_uint wakes;

int uv_async_send(uv_async_t *handle)
{
    static int (*_Atomic real)(uv_async_t *);
    if (!real) {
        int (*found)(uv_async_t *);
        *(void **)&found = dlsym(RTLD_NEXT, "uv_async_send");
        real = found;
    }
    atomic_fetch_add(&wakes, 1);
    return real(handle);
}

struct letter {
    struct mail mail;
    unsigned poster, number;
};

static void nothing(uv_async_t *handle)
{
    (void)handle;
}

static void test_takes_all_in_order(void **state)
{
    (void)state;
    struct mailbox box;
    mailbox_init(&box, NULL);
    assert_null(mailbox_take(&box));
    struct letter letters[10] = { 0 };
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 10; i++)
            mailbox_post(&box, &letters[i].mail);
        struct mail *mail = mailbox_take(&box);
        for (unsigned i = 0; i < 10; i++, mail = mail->next)
            assert_ptr_equal(mail, &letters[i].mail);
        assert_null(mail);
        assert_null(mailbox_take(&box));
    }
    mailbox_finish(&box);
}

static void test_wakes_only_when_empty(void **state)
{
    (void)state;
    uv_loop_t loop;
    uv_async_t async;
    struct mailbox box;
    struct letter letters[3] = { 0 };
    uv_loop_init(&loop);
    uv_async_init(&loop, &async, nothing);
    mailbox_init(&box, &async);
    atomic_store(&wakes, 0);
    mailbox_post(&box, &letters[0].mail);
    assert_int_equal(wakes, 1);
    mailbox_post(&box, &letters[1].mail);
    assert_int_equal(wakes, 1);
    mailbox_take(&box);
    mailbox_post(&box, &letters[0].mail);
    assert_int_equal(wakes, 2);
    mailbox_take(&box);
    /* The loop may be gone before the box is. */
    mailbox_close(&box);
    uv_close((uv_handle_t *)&async, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    mailbox_post(&box, &letters[2].mail);
    assert_int_equal(wakes, 2);
    assert_ptr_equal(mailbox_take(&box), &letters[2].mail);
    mailbox_finish(&box);
}

enum { POSTERS = 6, LETTERS = 20000, DEADLINE_MS = 120000 };

struct office {
    uv_loop_t loop;
    uv_async_t async;
    uv_timer_t deadline;
    struct mailbox box;
    unsigned next[POSTERS];
    unsigned received, filled_takes, disorder;
};

struct poster {
    struct office *office;
    unsigned number;
};

static void *post_letters(void *arg)
{
    struct poster *poster = arg;
    for (unsigned i = 0; i < LETTERS; i++) {
        struct letter *letter = malloc(sizeof *letter);
        *letter = (struct letter){ .poster = poster->number, .number = i };
        mailbox_post(&poster->office->box, &letter->mail);
    }
    return NULL;
}

static void empty_box(uv_async_t *async)
{
    struct office *office = async->data;
    struct mail *mail = mailbox_take(&office->box);
    office->filled_takes += mail != NULL;
    while (mail) {
        struct letter *letter = CONTAINER_OF(mail, struct letter, mail);
        mail = mail->next;
        office->disorder += office->next[letter->poster] != letter->number;
        office->next[letter->poster] = letter->number + 1;
        office->received++;
        free(letter);
    }
    if (office->received == POSTERS * LETTERS)
        uv_stop(&office->loop);
}

static void give_up(uv_timer_t *timer)
{
    uv_stop(timer->loop);
}

static void test_many_posters(void **state)
{
    (void)state;
    struct office office = { 0 };
    struct poster posters[POSTERS];
    pthread_t threads[POSTERS];
    uv_loop_init(&office.loop);
    uv_async_init(&office.loop, &office.async, empty_box);
    office.async.data = &office;
    uv_timer_init(&office.loop, &office.deadline);
    uv_timer_start(&office.deadline, give_up, DEADLINE_MS, 0);
    mailbox_init(&office.box, &office.async);
    atomic_store(&wakes, 0);
    for (unsigned i = 0; i < POSTERS; i++) {
        posters[i] = (struct poster){ &office, i };
        assert_int_equal(pthread_create(&threads[i], NULL, post_letters, &posters[i]), 0);
    }
    uv_run(&office.loop, UV_RUN_DEFAULT);
    for (unsigned i = 0; i < POSTERS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(office.received, POSTERS * LETTERS); /* less: a wake-up was lost */
    assert_int_equal(office.disorder, 0);
    assert_int_equal(wakes, office.filled_takes);
    mailbox_close(&office.box);
    uv_close((uv_handle_t *)&office.async, NULL);
    uv_close((uv_handle_t *)&office.deadline, NULL);
    uv_run(&office.loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&office.loop), 0);
    mailbox_finish(&office.box);
}

/* The owner's end, while others go on posting: after mailbox_close() the handle may be freed. */
static void test_close_while_others_post(void **state)
{
    (void)state;
    struct office *office = calloc(1, sizeof *office);
    struct mailbox *box = &office->box;
    uv_loop_t *loop = malloc(sizeof *loop);
    uv_async_t *async = malloc(sizeof *async);
    uv_loop_init(loop);
    uv_async_init(loop, async, nothing);
    mailbox_init(box, async);
    struct poster poster = { office, 0 };
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, post_letters, &poster), 0);
    uv_run(loop, UV_RUN_NOWAIT);
    mailbox_close(box);
    uv_close((uv_handle_t *)async, NULL);
    uv_run(loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(loop), 0);
    free(async);
    free(loop);
    pthread_join(thread, NULL);
    unsigned left = 0;
    for (struct mail *mail = mailbox_take(box), *next; mail; mail = next, left++) {
        next = mail->next;
        free(CONTAINER_OF(mail, struct letter, mail));
    }
    assert_int_equal(left, LETTERS);
    mailbox_finish(box);
    free(office);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_takes_all_in_order),
        cmocka_unit_test(test_wakes_only_when_empty),
        cmocka_unit_test(test_many_posters),
        cmocka_unit_test(test_close_while_others_post),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
