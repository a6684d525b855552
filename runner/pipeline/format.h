// The forms of strings in a pipeline file: rows of pipeline/keys.c name these as their checks.
#pragma once

#include "pipeline/schema.h"

schema_check_fn format_name;      // of a pipeline, stage, environment: safe as a path's component
schema_check_fn format_dns_label; // of an app
schema_check_fn format_env_name;  // NAME, and none that davit or a loader gives a meaning
schema_check_fn format_beneath;   // a path or glob that stays below the workspace
schema_check_fn format_path;      // the same, or an absolute one; no ".."
schema_check_fn format_glob;      // of branches and tags
schema_check_fn format_listen;    // HOST:PORT
schema_check_fn format_url_path;  // "/…"
schema_check_fn format_gate_path; // the same; a whole URL is told where it belongs
schema_check_fn format_http_url;  // "https://…", without a user
schema_check_fn format_number;    // finite, as in "0.01"
schema_check_fn format_query;     // of a length that fits into a URL
schema_check_fn format_header;    // a header's name
schema_check_fn format_pattern;   // see pipeline/pattern.h
schema_check_fn format_image;     // of an image reference: its characters

bool env_name_ok(const char *name); // [A-Za-z_][A-Za-z0-9_]*
