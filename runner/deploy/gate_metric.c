#include "deploy/gate_metric.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define LABELS_MAX   ((size_t)4 << 10) // while they are put together; what is shown is less
#define LABELS_SHOWN 80
#define NUMBER_SHOWN 24

// As Prometheus writes one.
static bool read_number(const char *text, double *ret)
{
    *ret = text_equal(text, "NaN")    ? (double)NAN
           : text_equal(text, "+Inf") ? (double)INFINITY
           : text_equal(text, "-Inf") ? (double)-INFINITY
                                      : 0;
    return *ret != 0 || isnan(*ret) || (text && number_read(text, ret));
}

void metric_error(const char *message, struct metric_sample *ret)
{
    *ret = (struct metric_sample){.kind = METRIC_ERROR};
    gate_say(ret->text, sizeof ret->text, "%s", message);
}

// --- an answer ---

// One series, or the scalar.
struct reading {
    const struct value *metric; // its labels; NULL: a scalar
    const char *text;
    double number, margin;
};

static double margin_of(const struct gate_spec *gate, double number)
{
    double margin = INFINITY, bound;
    if (gate->max && number_read(gate->max, &bound))
        margin = bound - number;
    if (gate->min && number_read(gate->min, &bound) && number - bound < margin)
        margin = number - bound;
    return margin;
}

// [unix time, "number"]
static bool read_point(const struct gate_spec *gate, const struct value *point,
    const struct value *metric, struct reading *ret)
{
    ret->metric = metric;
    ret->text = value_text(value_at(point, 1));
    if (value_length(point) != 2 || !read_number(ret->text, &ret->number))
        return false;
    ret->margin = margin_of(gate, ret->number);
    return true;
}

// `up{job="app",pod="a"}`
static void print_labels(const struct value *metric, struct str *out)
{
    struct value_cursor cursor = {.map = metric};
    const char *name, *first = "{";
    struct value *item;
    if (value_get_str(metric, "__name__"))
        str_puts(out, value_get_str(metric, "__name__"));
    while (metric && value_next(&cursor, &name, &item)) {
        if (strcmp(name, "__name__") == 0)
            continue;
        str_printf(out, "%s%s=\"%s\"", first, name, value_text(item) ? value_text(item) : "");
        first = ",";
    }
    if (*first == ',')
        str_putc(out, '}');
}

static void say_reading(const struct reading *r, const char *what, struct metric_sample *ret)
{
    AUTO(str) struct str labels;
    str_init(&labels, LABELS_MAX);
    print_labels(r->metric, &labels);
    gate_say(ret->text, sizeof ret->text, "%.*s%s%.*s%s%s", NUMBER_SHOWN, r->text,
        labels.length ? " of " : "", LABELS_SHOWN, labels.data,
        labels.length > LABELS_SHOWN ? "…" : "", what);
}

static void judge(const struct reading *worst, const struct reading *nan, size_t series,
    struct metric_sample *ret)
{
    char of[60] = "";
    if (series > 1)
        snprintf(of, sizeof of, ", the worst of %zu series", series);
    if (worst && worst->margin < 0) {
        ret->kind = METRIC_BAD;
        ret->margin = worst->margin;
        say_reading(worst, of, ret);
    } else if (nan) {
        ret->kind = METRIC_NO_DATA;
        say_reading(nan, of, ret);
    } else if (!worst) {
        ret->kind = METRIC_NO_DATA;
        gate_say(ret->text, sizeof ret->text, "the answer is empty");
    } else {
        ret->kind = METRIC_GOOD;
        ret->margin = worst->margin;
        say_reading(worst, of, ret);
    }
}

static void read_vector(
    const struct gate_spec *gate, const struct value *result, struct metric_sample *ret)
{
    size_t count = value_length(result);
    AUTO_FREE struct reading *readings = mem_array(count + 1, sizeof *readings);
    const struct reading *worst = NULL, *nan = NULL;
    for (size_t i = 0; i < count; i++) {
        struct reading *r = &readings[i];
        const struct value *series = value_at(result, i);
        if (value_get(series, "histogram")) {
            metric_error("the query gives histograms; take a number of them, as by "
                         "histogram_quantile()",
                ret);
            return;
        }
        if (!read_point(gate, value_get(series, "value"), value_get(series, "metric"), r)) {
            metric_error("a series of the answer has no number", ret);
            return;
        }
        if (isnan(r->number) && !nan)
            nan = r;
        else if (!isnan(r->number) && (!worst || r->margin < worst->margin))
            worst = r;
    }
    judge(worst, nan, count, ret);
}

static void read_result(
    const struct gate_spec *gate, const struct value *data, struct metric_sample *ret)
{
    const char *type = value_get_str(data, "resultType");
    const struct value *result = value_get(data, "result");
    struct reading r = {0};
    if (text_equal(type, "vector") && value_type(result) == VALUE_LIST) {
        read_vector(gate, result, ret);
    } else if (text_equal(type, "scalar") && read_point(gate, result, NULL, &r)) {
        judge(isnan(r.number) ? NULL : &r, isnan(r.number) ? &r : NULL, 1, ret);
    } else {
        AUTO_FREE char *why =
            mem_printf("the query gives a %.20s, not numbers of one moment", type ? type : "?");
        metric_error(type ? why : "the answer holds no result of a query", ret);
    }
}

void metric_read(
    const struct gate_spec *gate, const struct http_response *response, struct metric_sample *ret)
{
    struct error err = {0};
    *ret = (struct metric_sample){0};
    AUTO(value)
    struct value *answer = value_parse(response->body.data, response->body.length, &err);
    const char *status = value_get_str(answer, "status");
    if (text_equal(status, "error")) {
        const char *type = value_get_str(answer, "errorType");
        const char *why = value_get_str(answer, "error");
        AUTO_FREE char *text =
            mem_printf("%.40s: %.400s", type ? type : "error", why ? why : "it does not say why");
        metric_error(text, ret);
    } else if (response->status != 200) {
        char text[sizeof ret->text];
        gate_say_status(response, text, sizeof text);
        metric_error(text, ret);
    } else if (!text_equal(status, "success")) {
        AUTO_FREE char *text = mem_printf(
            "this is no answer of a Prometheus: %s", answer ? "no \"status\" in it" : err.message);
        metric_error(text, ret);
    } else {
        read_result(gate, value_get(answer, "data"), ret);
    }
}

// --- sample by sample ---

static void say_wanted(const struct gate_spec *gate, struct gate_verdict *ret)
{
    AUTO(str) struct str text;
    str_init(&text, sizeof ret->wanted);
    gate_print_bounds(gate, &text);
    gate_say(ret->wanted, sizeof ret->wanted, "%s", text.data);
}

static enum metric_next take_error(const struct gate_spec *gate, struct metric_window *w,
    const struct metric_sample *sample, struct gate_verdict *ret)
{
    bool over = ++w->errors > METRIC_ERRORS_MAX;
    (void)gate;
    if (over)
        gate_say(ret->seen, sizeof ret->seen, "%d errors in a row: %s", w->errors, sample->text);
    else
        gate_say(ret->seen, sizeof ret->seen, "%s", sample->text);
    ret->held = !over && w->held;
    return over ? METRIC_OVER : w->held ? METRIC_HOLD : METRIC_AGAIN;
}

// One that holds.
static enum metric_next take_good(const struct gate_spec *gate, struct metric_window *w,
    const struct metric_sample *sample, int64_t now_ms, struct gate_verdict *ret)
{
    w->held = false;
    if (w->holding++ == 0)
        w->began_ms = now_ms;
    if (w->holding == 1 || sample->margin < w->worst.margin)
        w->worst = *sample;
    if (w->holding == 1)
        gate_say(ret->seen, sizeof ret->seen, "%s", w->worst.text);
    else
        gate_say(
            ret->seen, sizeof ret->seen, "at worst %s, in %d samples", w->worst.text, w->holding);
    ret->passed = now_ms - w->began_ms >= gate->for_ms;
    return ret->passed ? METRIC_OVER : METRIC_AGAIN;
}

static enum metric_next take_no_data(const struct gate_spec *gate, struct metric_window *w,
    const struct metric_sample *sample, int64_t now_ms, struct gate_verdict *ret)
{
    struct metric_sample as_good = {.kind = METRIC_GOOD, .margin = INFINITY};
    switch (gate->no_data) {
    case NO_DATA_PASS:
        gate_say(as_good.text, sizeof as_good.text, "no data: %s", sample->text);
        return take_good(gate, w, &as_good, now_ms, ret);
    case NO_DATA_HOLD:
        w->held = true;
        w->holding = 0;
        ret->held = true;
        break;
    case NO_DATA_FAIL:
        break;
    }
    gate_say(ret->seen, sizeof ret->seen, "no data: %s", sample->text);
    return ret->held ? METRIC_HOLD : METRIC_OVER;
}

enum metric_next metric_take(const struct gate_spec *gate, struct metric_window *w,
    const struct metric_sample *sample, int64_t now_ms, struct gate_verdict *ret)
{
    *ret = (struct gate_verdict){0};
    say_wanted(gate, ret);
    w->taken++;
    if (sample->kind == METRIC_ERROR)
        return take_error(gate, w, sample, ret);
    w->errors = 0;
    if (sample->kind == METRIC_NO_DATA)
        return take_no_data(gate, w, sample, now_ms, ret);
    if (sample->kind == METRIC_GOOD)
        return take_good(gate, w, sample, now_ms, ret);
    if (w->taken > 1)
        gate_say(ret->seen, sizeof ret->seen, "%s, in sample %d", sample->text, w->taken);
    else
        gate_say(ret->seen, sizeof ret->seen, "%s", sample->text);
    return METRIC_OVER;
}
