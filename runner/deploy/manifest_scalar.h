// Inside of deploy/manifest: what a plain scalar of YAML is, as kubectl has it.
//
// kubectl reads YAML 1.1 (go-yaml 2) and makes JSON of it: `yes` and `on` are true, 0777 is 511,
// 1_000 and 1e3 are 1000, 1.0 is 1; 12:30 and dates are strings.
#pragma once

#include "codec/value.h"

// *ret_remark: why a person may be surprised, to be put behind "… is …"; NULL: nobody is. Returns
// NULL for an infinity and for what is not a number (.inf, .nan): JSON has neither.
struct value *manifest_scalar(const char *text, const char **ret_remark);
// What an expression's value stands for where it is not quoted: as JSON types it, else a string.
struct value *manifest_scalar_given(const char *text);
