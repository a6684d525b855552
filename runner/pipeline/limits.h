// Bounds of a deploy section that its parser and its rollout share.
#pragma once

#define HOOKS_MAX        16 // of a release
#define CANARY_STEPS_MAX 32
