#include "pipeline/scalar.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "base/text.h"
#include "codec/yaml.h"

const char *scalar_wants(enum scalar type)
{
    static const char *const texts[] = {
        [SCALAR_INT] = "an int",
        [SCALAR_BOOL] = "true or false",
        [SCALAR_PORT] = "a port from 1 to 65535",
        [SCALAR_DURATION] = "a duration such as 90s, 1m30s or 2h",
        [SCALAR_SIZE] = "a size such as 512MiB or 2GiB",
        [SCALAR_CPU] = "a number of CPUs such as 2 or 0.5",
        [SCALAR_URL] = "a url such as https://host/path",
    };
    return texts[type];
}

static bool leading_zero(const char *text)
{
    const char *digits = *text == '-' ? text + 1 : text;
    return digits[0] == '0' && digits[1];
}

static bool read_cpu(const char *text, int64_t *ret)
{
    size_t whole = strspn(text, "0123456789");
    const char *decimals = text[whole] == '.' ? text + whole + 1 : text + whole;
    size_t n = strspn(decimals, "0123456789");
    if (whole == 0 || whole > 4 || n > 2 || decimals[n] || (text[whole] == '.' && n == 0))
        return false;
    int64_t percent = 0;
    for (size_t i = 0; i < whole; i++)
        percent = percent * 10 + (text[i] - '0');
    for (size_t i = 0; i < 2; i++)
        percent = percent * 10 + (i < n ? decimals[i] - '0' : 0);
    *ret = percent;
    return percent > 0;
}

static bool is_url(const char *text)
{
    size_t scheme =
        strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+.-");
    if (!isalpha((unsigned char)text[0]) || strncmp(text + scheme, "://", 3) != 0)
        return false;
    const char *authority = text + scheme + 3;
    size_t length = strcspn(authority, "/?#");
    const char *at = memrchr(authority, '@', length);
    const char *host = at ? at + 1 : authority;
    if (host == authority + length || *host == ':')
        return false;
    for (const unsigned char *p = (const unsigned char *)text; *p; p++)
        if (*p <= ' ' || *p == 0x7f)
            return false;
    return true;
}

bool scalar_read(enum scalar type, const char *text, int64_t *ret)
{
    uint64_t size;
    switch (type) {
    case SCALAR_INT:
        return !leading_zero(text) && int_parse(text, INT64_MIN, INT64_MAX, ret);
    case SCALAR_PORT:
        return !leading_zero(text) && int_parse(text, 1, 65535, ret);
    case SCALAR_BOOL:
        *ret = strcmp(text, "true") == 0;
        return *ret || strcmp(text, "false") == 0;
    case SCALAR_DURATION:
        return duration_parse(text, ret);
    case SCALAR_SIZE:
        if (!size_parse(text, &size))
            return false;
        *ret = (int64_t)size;
        return true;
    case SCALAR_CPU:
        return read_cpu(text, ret);
    case SCALAR_URL:
        *ret = 0;
        return is_url(text);
    }
    return false;
}

// What other languages and habits write for true and false.
static const char *meant_bool(const char *text)
{
    static const char *const yes[] = {"yes", "y", "on", "1", "true", "t", "enabled"};
    static const char *const no[] = {"no", "n", "off", "0", "false", "f", "disabled"};
    for (size_t i = 0; i < ARRAY_LEN(yes); i++)
        if (strcasecmp(text, yes[i]) == 0)
            return "true";
    for (size_t i = 0; i < ARRAY_LEN(no); i++)
        if (strcasecmp(text, no[i]) == 0)
            return "false";
    return NULL;
}

static bool all_digits(const char *text)
{
    return *text && text[strspn(text, "0123456789")] == '\0';
}

// A number that a person wrote in another way: what to write, or false.
static bool number_advice(const char *text, char *buffer)
{
    const char *digits = text + strspn(text, ":+");
    size_t zeros = strspn(digits, "0");
    size_t length = strspn(digits, "0123456789");
    const char *rest = digits + length;
    bool suffix = strcmp(rest, "/tcp") == 0;
    if (length == 0 || length > 18 || (*rest && !suffix))
        return false;
    const char *number = zeros == length ? digits + length - 1 : digits + zeros;
    if (number == text && !suffix)
        return false;
    snprintf(buffer, SCALAR_ADVICE_MAX, "\"%s\" is more than a number: write %.*s", YAML_SHOW(text),
        (int)(rest - number), number);
    if (digits == text && !suffix)
        snprintf(buffer, SCALAR_ADVICE_MAX, "\"%s\" has a leading zero: write %.*s",
            YAML_SHOW(text), (int)(rest - number), number);
    return true;
}

static void duration_advice(const char *text, char *buffer)
{
    static const struct {
        const char *words;
        double ms;
    } units[] = {
        {" s sec secs second seconds ", 1000},
        {" m min mins minute minutes ", 60000},
        {" h hr hrs hour hours ", 3600000},
        {" d day days ", 86400000},
    };
    if (all_digits(text)) {
        snprintf(buffer, SCALAR_ADVICE_MAX, "\"%s\" has no unit: write %ss", YAML_SHOW(text),
            YAML_SHOW(text));
        return;
    }
    char *unit, word[16];
    double number = strtod(text, &unit);
    snprintf(word, sizeof word, " %s ", unit + strspn(unit, " "));
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        char right[DURATION_TEXT_MAX];
        if (unit == text || !strstr(units[i].words, word) || !(number >= 0 && number <= 1000))
            continue;
        duration_print((int64_t)(number * units[i].ms), right);
        snprintf(buffer, SCALAR_ADVICE_MAX, "for \"%s\" write %s", YAML_SHOW(text), right);
    }
}

static int is_of(const char *text)
{
    static const enum scalar order[] = {SCALAR_INT, SCALAR_BOOL, SCALAR_DURATION, SCALAR_URL};
    int64_t ignored;
    for (size_t i = 0; i < ARRAY_LEN(order); i++)
        if (scalar_read(order[i], text, &ignored))
            return (int)order[i];
    return -1;
}

const char *scalar_advice(
    enum scalar type, const char *text, char buffer[static SCALAR_ADVICE_MAX], int *ret_is)
{
    int is = is_of(text);
    int64_t n = 0;
    if (ret_is)
        *ret_is = is;
    snprintf(buffer, SCALAR_ADVICE_MAX, *text ? "\"%s\" is not" : "it is empty", YAML_SHOW(text));
    if (type == SCALAR_INT || type == SCALAR_PORT) {
        if (is == SCALAR_DURATION && duration_parse(text, &n) && n % 1000 == 0)
            snprintf(buffer, SCALAR_ADVICE_MAX, "\"%s\" is a duration: write %" PRId64,
                YAML_SHOW(text), n / 1000);
        else
            number_advice(text, buffer);
    } else if (type == SCALAR_BOOL && meant_bool(text)) {
        snprintf(
            buffer, SCALAR_ADVICE_MAX, "for \"%s\" write %s", YAML_SHOW(text), meant_bool(text));
    } else if (type == SCALAR_DURATION) {
        duration_advice(text, buffer);
    } else if (type == SCALAR_URL && *text && !strstr(text, "://")) {
        snprintf(buffer, SCALAR_ADVICE_MAX, "\"%s\" has no scheme: write http://%s",
            YAML_SHOW(text), YAML_SHOW(text));
    }
    return buffer;
}
