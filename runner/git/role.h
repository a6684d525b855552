// The work of davit-git, the role that reads repositories. Its jobs, with what they answer:
//
//     {"op": "refs", "repository": PATH} and a descriptor
//         the listing of refs.h is written to the descriptor as JSON (ten thousand refs are more
//         than a packet holds), {"refs": how many} is the result
//     {"op": "checkout", "repository": PATH, "commit": HEX or REF, "directory": PATH}
//         see checkout.h; {"commit": …} as of commit_to_value()
//     {"op": "describe", "directory": PATH}
//         see describe.h
//
// Repositories are only read. What refs and checkout leave out is said in log lines.
#pragma once

#include "codec/role.h"

role_work_fn git_work;
