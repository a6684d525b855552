// davit-agent: keeps one app's instances and its nginx on this host: the `local` target's truth.
//
// It is started by whoever needs the app (engine/launcher.h) and outlives them. What it must not
// forget is in STATE/apps/APP/state.json before a call is answered; instances and nginx are
// processes of their own that it finds again, so that its death costs no request. It serves only
// root and its own user, on STATE/apps/APP/agent.sock. Contracts are those of deploy/target.h; the
// operations (codec/rpc.h):
//
// clang-format off
//   claim {run, who, preempt, epoch?} → {epoch}
//                                           held until the connection closes; ERR_CONFLICT, naming
//                                           who, when another connection holds it (and preempt is
//                                           false). With `epoch` (and then never preempt) it takes
//                                           up again the claim that went with a connection or with
//                                           an agent before this one: {epoch} is the same one, and
//                                           nothing is counted up, when it is still the app's and
//                                           no other connection holds it; else ERR_CONFLICT, not
//                                           retryable: somebody else has claimed since
//   begin {epoch, rollout} → {}             as of rollout_to_value()
//   observe {} → a snapshot                 as of wire.h; `holder` is the `who` of the claim that is
//                                           held now
//   write {epoch, run, seen_turns, seen_step, position, step?} → {}
//   finish {epoch, run, outcome, reason, times} → {}
//   put {epoch, record, secrets_of?: REV} and a descriptor, a JSON map of the secrets (none with
//       secrets_of: that release's once more; neither: it has no secrets) → {revision}
//   releases {} → a descriptor              a JSON list, newest first
//   check {release} → {missing: [line]}     what it would take to start that release again and is
//                                           not on this host any more: layers, secrets
//   refused {} → {refused: [{commit, reason, release, unix_ms}]}
//   refuse {commit, reason} → {}
//   allow {commit} → {}                     a unique prefix is enough
//   request {what: "abort"|"promote", who} → {}   ERR_CONFLICT when no rollout is under way
//   explain {release} → {text}
//   logs {release} → a descriptor           what its instances have logged; of more than
//                                           STR_TEXT_MAX the last of it
//   down {epoch} → {}                       all is drained, ended and removed; then the agent ends
// clang-format on
//
// and one notice, to every connection: "changed" {}: another observe may show something else.
// Descriptors that are answered stand at their begin.
#pragma once

// main() of davit-agent: STATE APP, an absolute path and a name. Descriptor 4 (if it is open) gets
// a byte once the agent listens. Returns the exit code.
int agent_main(int argc, char **argv);
