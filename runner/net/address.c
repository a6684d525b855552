#include "net/address.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/memory.h"

// Networks that the world cannot reach, as prefixes.
struct network {
    unsigned char bytes[16];
    unsigned bits;
};

static const struct network private_v4[] = {
    {{0}, 8},          // this network
    {{10}, 8},         // RFC 1918
    {{100, 64}, 10},   // RFC 6598
    {{127}, 8},        // loopback
    {{169, 254}, 16},  // link-local, and the clouds' metadata
    {{172, 16}, 12},   // RFC 1918
    {{192, 0, 0}, 24}, // RFC 6890
    {{192, 168}, 16},  // RFC 1918
    {{198, 18}, 15},   // RFC 2544
    {{224}, 3},        // multicast and reserved
};

static const struct network private_v6[] = {
    {{0}, 96},          // unspecified, loopback, IPv4-compatible
    {{0xfc}, 7},        // RFC 4193
    {{0xfe, 0x80}, 10}, // link-local
    {{0xff}, 8},        // multicast
};

static bool within(const unsigned char *address, const struct network *network)
{
    unsigned whole = network->bits / 8, rest = network->bits % 8;
    if (memcmp(address, network->bytes, whole) != 0)
        return false;
    return rest == 0 || (address[whole] ^ network->bytes[whole]) >> (8 - rest) == 0;
}

static bool any_within(const unsigned char *address, const struct network *networks, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (within(address, &networks[i]))
            return true;
    return false;
}

bool address_is_private(const char *address)
{
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
    static const unsigned char nat64[12] = {0x00, 0x64, 0xff, 0x9b};
    unsigned char bytes[16];
    const unsigned char *v4 = bytes;
    if (inet_pton(AF_INET, address, bytes) != 1) {
        if (inet_pton(AF_INET6, address, bytes) != 1)
            return true;
        if (memcmp(bytes, mapped, sizeof mapped) != 0 && memcmp(bytes, nat64, sizeof nat64) != 0)
            return any_within(bytes, private_v6, ARRAY_LEN(private_v6));
        v4 = bytes + 12; // an IPv4 address in IPv6 clothes
    }
    return any_within(v4, private_v4, ARRAY_LEN(private_v4));
}

bool host_is_loopback(const char *host)
{
    unsigned char bytes[16];
    static const unsigned char one[16] = {[15] = 1};
    if (inet_pton(AF_INET, host, bytes) == 1)
        return bytes[0] == 127;
    if (inet_pton(AF_INET6, host, bytes) == 1)
        return memcmp(bytes, one, sizeof one) == 0;
    size_t length = strlen(host);
    return strcmp(host, "localhost") == 0 ||
           (length > 10 && strcmp(host + length - 10, ".localhost") == 0);
}
