#include "git/refname.h"

#include <string.h>

#include "base/memory.h"
#include "base/str.h"
#include "base/text.h"

static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                            "._-/+=@#%,";

// Well-formed UTF-8 that would still mislead a reader: controls, marks without width, and marks
// that turn the direction of writing. They begin with `lead`, and go on with a byte in the range.
static const struct invisible {
    const char *lead;
    unsigned char first, last;
} invisible[] = {
    {"\xc2", 0x80, 0xa0},     // C1 controls, no-break space
    {"\xd8", 0x9c, 0x9c},     // Arabic letter mark
    {"\xe2\x80", 0x80, 0x8f}, // spaces, zero width, left-to-right and right-to-left marks
    {"\xe2\x80", 0xa8, 0xaf}, // line separators, embeddings and overrides
    {"\xe2\x81", 0x9f, 0xaf}, // word joiner, isolates
    {"\xe3\x80", 0x80, 0x80}, // ideographic space
    {"\xef\xbb", 0xbf, 0xbf}, // byte order mark
    {"\xf3\xa0", 0x80, 0x87}, // tags and variation selectors
};

static bool is_invisible(const char *at)
{
    for (size_t i = 0; i < ARRAY_LEN(invisible); i++) {
        const struct invisible *row = &invisible[i];
        if (!text_starts(at, row->lead))
            continue;
        unsigned char next = (unsigned char)at[strlen(row->lead)];
        if (next >= row->first && next <= row->last)
            return true;
    }
    return false;
}

static bool component_ok(const char *at)
{
    size_t length = strcspn(at, "/");
    if (length == 0 || *at == '.' || *at == '-' || at[length - 1] == '.')
        return false;
    return length < 5 || strncmp(at + length - 5, ".lock", 5) != 0;
}

bool refname_ok(const char *name)
{
    size_t length = strlen(name);
    if (length > REFNAME_MAX || !text_starts(name, "refs/") ||
        utf8_valid_prefix(name, length) != length || strstr(name, ".."))
        return false;
    for (const char *at = name; *at; at++) {
        if ((at == name || at[-1] == '/') && !component_ok(at))
            return false;
        if ((unsigned char)*at < 0x80 ? !strchr(plain, *at) : is_invisible(at))
            return false;
    }
    return name[length - 1] != '/';
}

static const char *below(const char *name, const char *prefix)
{
    return text_starts(name, prefix) ? name + strlen(prefix) : NULL;
}

const char *refname_branch(const char *name)
{
    return below(name, "refs/heads/");
}

const char *refname_tag(const char *name)
{
    return below(name, "refs/tags/");
}
