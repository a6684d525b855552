// Questions about hosts and addresses.
#pragma once

#include <stdbool.h>

// Is that host (a name or an address) this machine itself?
bool host_is_loopback(const char *host);
// Is that IPv4 or IPv6 address one that the world cannot reach: loopback, link-local, private,
// shared (RFC 6598), unspecified, multicast? What is not an address is true.
bool address_is_private(const char *address);
