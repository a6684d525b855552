// The load generator: some keep-alive connections, one request at a time on each, no retries.
//
// A request that fails is counted and stays failed. The next one on that connection opens a new one
// (so does the next one after the server has closed an idle connection: that is no failure).
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>

#include "os/loop.h"
#include "tools/load_stats.h"

struct load_options {
    struct sockaddr_storage address; // what load_url_parse() let through
    socklen_t address_length;
    const char *host; // for the Host header
    const char *path;
    const char *post_path; // answers with the body that it gets
    int connections;
    int requests;       // on one connection, then a new one; 0: no limit
    int rate;           // requests a second, all connections together; 0: as fast as they come
    int posts;          // percent of the requests
    size_t body_size;   // of a POST
    int64_t slow_ms;    // a POST's body goes in ten pieces over this time; 0: at once
    int64_t timeout_ms; // of one request
    FILE *events;       // "MS BEFORE -> VERSION" when another version answers, and failures
};

struct client;

// Begins at once. The options' strings, the stats and the loop are lent.
struct client *client_new(
    struct loop *loop, const struct load_options *options, struct stats *stats);
void client_free(struct client *client); // accepts NULL
// Begins no more requests; the loop is stopped when those under way have ended.
void client_stop(struct client *client);

// Fills address, host and path from "http://127.0.0.1:8080/path"; the strings are put in *ret_host
// and *ret_path and are the caller's. Only loopback addresses, "localhost" (which is 127.0.0.1),
// and Services of scripts/cluster (10.96.0.0/16) are taken.
int load_url_parse(const char *url, struct load_options *options, char **ret_host, char **ret_path,
    struct error *err);
