// What the agent and its client (target_local.h) say to each other about a rollout, as JSON; the
// agent keeps its state in the same form.
//
// Readers fail with ERR_PROTOCOL, naming what is wrong, and may leave *ret half filled; nothing in
// it is owned.
#pragma once

#include "deploy/target.h"

struct value *position_to_value(const struct position *p);
int position_from_value(const struct value *v, struct position *ret, struct error *err);

struct value *step_to_value(const struct step *step);
int step_from_value(const struct value *v, struct step *ret, struct error *err);

struct value *times_to_value(const struct rollout_times *times);
int times_from_value(const struct value *v, struct rollout_times *ret, struct error *err);

struct value *snapshot_to_value(const struct snapshot *s);
int snapshot_from_value(const struct value *v, struct snapshot *ret, struct error *err);

// By their name; ERR_PROTOCOL, naming `what`, when there is no such one.
int outcome_from_name(const char *name, const char *what, enum outcome *ret, struct error *err);
