#include "support/check.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/output.h"
#include "os/clock.h"
#include "os/fd.h"

static void check_masked(const struct mask *mask, const char *text, const char *wanted)
{
    AUTO_FREE char *got = mask_text(mask, text);
    assert_string_equal(got, wanted);
}

static void secrets_are_masked_in_every_form(void **state)
{
    (void)state;
    struct mask mask = {0};
    mask_add(&mask, "hunter2 is: my/pass");
    mask_add(&mask, "first line\nsecond line");
    mask_add(&mask, "abc"); // too short to be masked
    check_masked(&mask, "x hunter2 is: my/pass y", "x *** y");
    check_masked(&mask, "hunter2%20is%3A%20my%2Fpass", "***");
    check_masked(&mask, "a second line b", "a *** b");
    check_masked(&mask, "abc hunter2 is", "abc hunter2 is");
    // base64 of the secret alone, and behind one and two other bytes (its first whole group may
    // stay visible)
    check_masked(&mask, "aHVudGVyMiBpczogbXkvcGFzcw==", "***cw==");
    check_masked(&mask, "eGh1bnRlcjIgaXM6IG15L3Bhc3M=", "eGh1***c3M=");
    check_masked(&mask, "eHhodW50ZXIyIGlzOiBteS9wYXNz", "eHho***");
    check_masked(&mask, "hunter2%20is%3a%20my/pass hunter2+is%3A+my%2Fpass", "*** ***");
    mask_add(&mask, "{\"key\": \"C:\\dir\"}\n");
    check_masked(&mask, "say {\\\"key\\\": \\\"C:\\\\dir\\\"}\\n", "say ***");
    mask_add(&mask, "\xf3\xbf\xbf\xbf\xfb\xff"); // +/ in one alphabet, -_ in the other
    check_masked(&mask, "87+/v/v/ 87-_v_v_", "*** ***");
    // Longer than a line of base64(1).
    mask_add(&mask, "0123456789012345678901234567890123456789012345678901234567890123456789");
    check_masked(&mask,
        "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2\n"
        "Nzg5MDEyMzQ1Njc4OQ==",
        "***\n***OQ==");
    mask_done(&mask);
}

// The same text in every way to cut it into three writes.
static void a_secret_is_masked_across_writes(void **state)
{
    (void)state;
    static const char text[] = "ab secret-value, secret-valu\nsecret-value";
    struct mask mask = {0};
    mask_add(&mask, "secret-value");
    for (size_t i = 0; i < sizeof text; i++)
        for (size_t j = i; j < sizeof text; j++) {
            AUTO(str) struct str pending, out;
            str_init(&pending, 100);
            str_init(&out, 100);
            size_t cuts[] = {0, i, j, sizeof text - 1};
            for (size_t k = 0; k < 3; k++) {
                if (cuts[k + 1] > cuts[k])
                    str_add(&pending, text + cuts[k], cuts[k + 1] - cuts[k]);
                mask_filter(&mask, &pending, k == 2, &out);
            }
            assert_string_equal(out.data, "ab ***, secret-valu\n***");
        }
    mask_done(&mask);
}

static int open_log(void)
{
    char path[] = "/tmp/davit-log-XXXXXX";
    int fd = mkstemp(path);
    unlink(path);
    return fd;
}

static void output_is_shown_by_line_with_its_stage_and_logged_with_its_time(void **state)
{
    (void)state;
    struct mask mask = {0};
    struct output o;
    int live[2];
    check_ok(fd_pipe(live, &err));
    mask_add(&mask, "topsecret");
    int log = open_log();
    output_init(&o, &mask, dup(log), live[1], "test", 6, false, clock_monotonic_ms());
    output_add(&o, "one\ntwo top", 11);
    char text[256] = "";
    assert_true(read(live[0], text, sizeof text - 1) > 0); // a line that has ended does not wait
    assert_string_equal(text, "test   | one\n");
    output_add(&o, "secret\r\nunfinished", 18);
    output_note(&o, "topsecret noted");
    output_end(&o);
    memset(text, 0, sizeof text);
    assert_true(read(live[0], text, sizeof text - 1) > 0);
    assert_string_equal(o.last_line, "*** noted");
    output_add(&o, "\x1b]0;title\x07\n+ exit 1\n\n", 21);
    assert_string_equal(o.last_line, "?]0;title?");
    lseek(log, 0, SEEK_SET);
    AUTO(str) struct str all;
    str_init(&all, 1000);
    check_ok(fd_read_all(log, &all, &err));
    assert_non_null(strstr(all.data, " two ***\n"));
    assert_non_null(strstr(all.data, " unfinished\n"));
    assert_null(strstr(all.data, "secret"));
    output_done(&o);
    mask_done(&mask);
    close(log);
    close(live[0]);
    close(live[1]);
}

TEST_MAIN(cmocka_unit_test(secrets_are_masked_in_every_form),
    cmocka_unit_test(a_secret_is_masked_across_writes),
    cmocka_unit_test(output_is_shown_by_line_with_its_stage_and_logged_with_its_time))
