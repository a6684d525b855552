#include <string.h>

#include "image/build_state.h"
#include "image/layer_write.h"

void cache_key_add(struct cache_key *key, const char *text)
{
    cache_key_number(key, text ? strlen(text) : UINT64_MAX);
    if (text)
        sha256_add(&key->hash, text, strlen(text));
}

void cache_key_number(struct cache_key *key, uint64_t number)
{
    unsigned char bytes[8];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(number >> (8 * i));
    sha256_add(&key->hash, bytes, sizeof bytes);
}

void cache_key_init(struct cache_key *key, const char *kind, int64_t epoch)
{
    sha256_init(&key->hash);
    cache_key_add(key, LAYER_RECIPE);
    cache_key_add(key, kind);
    cache_key_number(key, (uint64_t)epoch);
}

void cache_key_finish(struct cache_key *key, char ret[static SHA256_HEX_SIZE])
{
    sha256_hex(&key->hash, ret);
}

int cache_find(struct build *b, const char *key, struct layer *ret)
{
    AUTO(value) struct value *record = NULL;
    store_recall(b->store, key, &record);
    if (value_get_bool(record, "empty", false))
        return 2;
    return layer_from_value(record, ret) && store_has_blob(b->store, ret->digest) ? 1 : 0;
}

int cache_keep(struct build *b, const char *key, const struct layer *layer, struct error *err)
{
    AUTO(value) struct value *record = layer ? layer_to_value(layer) : value_map();
    if (!layer)
        value_set_bool(record, "empty", true);
    return store_remember(b->store, key, record, err);
}
