// What was written over a directory, put into it.
#pragma once

#include "base/error.h"

// Moves everything from an overlay's upper directory into the lower one that it was written over,
// whiteouts and opaque directories included (userxattr). Both are descriptors of directories on one
// file system. Done a second time, after it was interrupted at any point, it ends with the same.
int overlay_merge(int upper, int lower, struct error *err);
