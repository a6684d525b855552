#include <ctype.h>
#include <string.h>

#include "base/text.h"

#define WORD_MAX        64
#define COST_ADD        1 // a typist leaves letters out more often than she adds wrong ones
#define COST_DEL        2
#define COST_SUBST      2
#define COST_SWAP       1
#define COST_PER_LETTER 2 // a suggestion may cost this much for every three letters of the word

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

static bool same(char a, char b)
{
    return tolower((unsigned char)a) == tolower((unsigned char)b);
}

// Weighted Damerau-Levenshtein distance over three rows; both words are shorter than WORD_MAX.
static unsigned distance(const char *from, size_t n, const char *to, size_t m)
{
    unsigned rows[3][WORD_MAX + 1];
    unsigned *before = rows[0], *last = rows[1], *row = rows[2];
    for (size_t j = 0; j <= m; j++)
        last[j] = (unsigned)j * COST_ADD;
    for (size_t i = 1; i <= n; i++) {
        row[0] = (unsigned)i * COST_DEL;
        for (size_t j = 1; j <= m; j++) {
            row[j] = last[j - 1] + (same(from[i - 1], to[j - 1]) ? 0 : COST_SUBST);
            row[j] = least(row[j], last[j] + COST_DEL);
            row[j] = least(row[j], row[j - 1] + COST_ADD);
            if (i > 1 && j > 1 && same(from[i - 1], to[j - 2]) && same(from[i - 2], to[j - 1]))
                row[j] = least(row[j], before[j - 2] + COST_SWAP);
        }
        unsigned *spare = before;
        before = last;
        last = row;
        row = spare;
    }
    return last[m];
}

const char *suggest(const char *word, const char *const *candidates)
{
    size_t n = strlen(word);
    if (n == 0 || n > WORD_MAX)
        return NULL;
    const char *best = NULL;
    unsigned best_cost = (unsigned)(n + 2) / 3 * COST_PER_LETTER + 1;
    for (; *candidates; candidates++) {
        size_t m = strlen(*candidates);
        if (m > WORD_MAX)
            continue;
        unsigned cost = distance(word, n, *candidates, m);
        if (cost < best_cost) {
            best_cost = cost;
            best = *candidates;
        }
    }
    return best;
}
