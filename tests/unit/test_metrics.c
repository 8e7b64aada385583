/* The text format of Prometheus, and the histograms behind it. */
#include "testing.h"

#include "control/metrics.h"

static void assert_text(struct text_buffer *out, const char *wanted)
{
    text_append(out, "", 1);
    assert_string_equal(out->ptr, wanted);
    text_finish(out);
}

static void test_samples(void **state)
{
    struct text_buffer out = { 0 };
    (void)state;
    metrics_family(&out, "d_total", "counter", "What it is.");
    metrics_count(&out, "d_total", NULL, 5);
    metrics_count(&out, "d_total", "a=\"b\"", UINT64_MAX);
    metrics_seconds(&out, "d_seconds", NULL, 1);
    metrics_seconds(&out, "d_seconds", "", 12345678901234u);
    assert_text(&out, "# HELP d_total What it is.\n# TYPE d_total counter\nd_total 5\n"
                      "d_total{a=\"b\"} 18446744073709551615\nd_seconds 0.000000001\n"
                      "d_seconds 12345.678901234\n");
}

static void test_labels(void **state)
{
    struct text_buffer labels = { 0 };
    (void)state;
    metrics_label(&labels, "one", STR("a\"b\\c\nd"));
    metrics_label(&labels, "two", STR(""));
    assert_int_equal(labels.ptr[labels.len], 0); /* may be used as a string as it is */
    assert_text(&labels, "one=\"a\\\"b\\\\c\\nd\",two=\"\"");
}

static void test_histogram(void **state)
{
    struct histogram histogram = { 0 }, sum = { 0 };
    struct text_buffer out = { 0 };
    (void)state;
    histogram_add(&histogram, 0);
    histogram_add(&histogram, 500000);      /* on the first bound */
    histogram_add(&histogram, 500001);      /* just over it */
    histogram_add(&histogram, 10000000000); /* on the last */
    histogram_add(&histogram, 60000000000);
    histogram_merge(&sum, &histogram);
    histogram_merge(&sum, &histogram);
    metrics_histogram(&out, "d_seconds", "a=\"b\"", &sum);
    assert_text(&out, "d_seconds_bucket{a=\"b\",le=\"0.0005\"} 4\nd_seconds_bucket{a=\"b\",le=\"0.001\"} 6\n"
                      "d_seconds_bucket{a=\"b\",le=\"0.0025\"} 6\nd_seconds_bucket{a=\"b\",le=\"0.005\"} 6\n"
                      "d_seconds_bucket{a=\"b\",le=\"0.01\"} 6\nd_seconds_bucket{a=\"b\",le=\"0.025\"} 6\n"
                      "d_seconds_bucket{a=\"b\",le=\"0.05\"} 6\nd_seconds_bucket{a=\"b\",le=\"0.1\"} 6\n"
                      "d_seconds_bucket{a=\"b\",le=\"0.25\"} 6\nd_seconds_bucket{a=\"b\",le=\"0.5\"} 6\n"
                      "d_seconds_bucket{a=\"b\",le=\"1\"} 6\nd_seconds_bucket{a=\"b\",le=\"2.5\"} 6\n"
                      "d_seconds_bucket{a=\"b\",le=\"5\"} 6\nd_seconds_bucket{a=\"b\",le=\"10\"} 8\n"
                      "d_seconds_bucket{a=\"b\",le=\"+Inf\"} 10\n"
                      "d_seconds_sum{a=\"b\"} 140.002000002\nd_seconds_count{a=\"b\"} 10\n");
    metrics_histogram(&out, "e_seconds", NULL, &(struct histogram){ 0 });
    assert_non_null(strstr(out.ptr, "e_seconds_bucket{le=\"0.0005\"} 0\n"));
    assert_non_null(strstr(out.ptr, "e_seconds_sum 0.000000000\ne_seconds_count 0\n"));
    text_finish(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_samples),
        cmocka_unit_test(test_labels),
        cmocka_unit_test(test_histogram),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
