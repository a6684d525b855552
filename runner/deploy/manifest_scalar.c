#include "deploy/manifest_scalar.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool is_one_of(const char *text, const char *const *words)
{
    for (; *words; words++)
        if (strcmp(text, *words) == 0)
            return true;
    return false;
}

static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
static const char *const json_bools[] = {"true", "True", "TRUE", "false", "False", "FALSE", NULL};
static const char *const trues[] = {"y", "Y", "yes", "Yes", "YES", "on", "On", "ON", NULL};
static const char *const falses[] = {"n", "N", "no", "No", "NO", "off", "Off", "OFF", NULL};
static const char *const no_numbers[] = {".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF", "-.inf",
    "-.Inf", "-.INF", ".nan", ".NaN", ".NAN", NULL};

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 99;
}

struct integer {
    bool negative, signed_;
    int base;
    uint64_t magnitude;
};

// A whole number in the base that its prefix says, of at most 64 bits.
static bool read_integer(const char *text, struct integer *ret)
{
    struct integer n = {.negative = *text == '-', .base = 10};
    n.signed_ = n.negative || *text == '+';
    text += n.signed_;
    if (*text == '0' && text[1]) {
        char prefix = (char)tolower((unsigned char)text[1]);
        n.base = prefix == 'x' ? 16 : prefix == 'b' ? 2 : 8;
        text += prefix == 'x' || prefix == 'b' || prefix == 'o' ? 2 : 1;
    }
    if (!*text)
        return false;
    for (; *text; text++) {
        int digit = digit_of(*text);
        if (digit >= n.base || __builtin_mul_overflow(n.magnitude, n.base, &n.magnitude) ||
            __builtin_add_overflow(n.magnitude, digit, &n.magnitude))
            return false;
    }
    *ret = n;
    return true;
}

// NULL when it has no 64 bits' room: then it may still be a real.
static struct value *integer_value(const struct integer *n)
{
    uint64_t most = (uint64_t)INT64_MAX + n->negative;
    if (n->magnitude <= most)
        return value_int((int64_t)(n->negative ? 0 - n->magnitude : n->magnitude));
    return n->signed_ ? NULL : value_real((double)n->magnitude);
}

static size_t count_digits(const char *text)
{
    return strspn(text, "0123456789");
}

// [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?
static bool is_decimal(const char *text)
{
    text += *text == '-' || *text == '+';
    size_t whole = count_digits(text), part = 0;
    text += whole;
    if (*text == '.') {
        part = count_digits(++text);
        text += part;
    }
    if (!whole && !part)
        return false;
    if (*text == 'e' || *text == 'E') {
        text++;
        text += *text == '-' || *text == '+';
        if (!count_digits(text))
            return false;
        text += count_digits(text);
    }
    return !*text;
}

static struct value *decimal_value(const char *text)
{
    double d = strtod(text, NULL);
    if (isinf(d))
        return NULL;
    bool whole = d == trunc(d) && fabs(d) < 0x1p63;
    return whole ? value_int((int64_t)d) : value_real(d);
}

static char *without_underscores(const char *text)
{
    char *plain = mem_strdup(text), *end = plain;
    for (; *text; text++)
        if (*text != '_')
            *end++ = *text;
    *end = '\0';
    return plain;
}

static const char *remark_on(const char *text, const struct value *number, int base)
{
    const char *digits = text + (*text == '-' || *text == '+');
    if (strchr(text, '_'))
        return "a number: its underscores do not count";
    if (base == 8 && isdigit((unsigned char)digits[1]))
        return "an octal number";
    if (base == 10 && strpbrk(text, "eE"))
        return "a number with an exponent";
    if (base == 10 && digits[0] == '0' && isdigit((unsigned char)digits[1]))
        return "a decimal number: its zeros in front do not count";
    if (value_type(number) == VALUE_REAL && !strpbrk(text, ".eE"))
        return "too large for 64 bits: it loses digits";
    return NULL;
}

static struct value *number_of(const char *text, const char **ret_remark)
{
    AUTO_FREE char *plain = without_underscores(text);
    struct integer n = {.base = 10};
    struct value *number = read_integer(plain, &n) ? integer_value(&n) : NULL;
    if (!number && is_decimal(plain))
        number = decimal_value(plain);
    if (number)
        *ret_remark = remark_on(text, number, n.base);
    return number;
}

struct value *manifest_scalar(const char *text, const char **ret_remark)
{
    *ret_remark = NULL;
    if (is_one_of(text, nulls))
        return value_null();
    if (is_one_of(text, json_bools))
        return value_bool(tolower((unsigned char)*text) == 't');
    if (is_one_of(text, no_numbers))
        return NULL;
    if (is_one_of(text, trues)) {
        *ret_remark = "true to kubectl and to davit";
        return value_bool(true);
    }
    if (is_one_of(text, falses)) {
        *ret_remark = "false to kubectl and to davit";
        return value_bool(false);
    }
    struct value *number = strchr("+-.0123456789", *text) ? number_of(text, ret_remark) : NULL;
    return number ? number : value_string(text);
}

struct value *manifest_scalar_given(const char *text)
{
    size_t length = strlen(text);
    bool begins = *text == '-' || *text == 't' || *text == 'f' || isdigit((unsigned char)*text);
    if (begins && isalnum((unsigned char)text[length - 1])) {
        AUTO(value) struct value *v = value_parse(text, length, NULL);
        if (value_type(v) == VALUE_BOOL || value_type(v) == VALUE_INT ||
            value_type(v) == VALUE_REAL)
            return take_ptr(v);
    }
    return value_string(text);
}
