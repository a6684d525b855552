// davit-agent: keeps one app's instances and its nginx on this host: the `local` target's truth.
//
// It is started by whoever needs the app (engine/launcher.h) and outlives them. What it must not
// forget is in STATE/apps/APP/state.json before a call is answered; instances and nginx are
// processes of their own that it finds again, so that its death costs no request. It serves only
// root and its own user, on STATE/apps/APP/agent.sock. Contracts are those of deploy/target.h; the
// operations (codec/rpc.h):
//
// clang-format off
//   claim {run, who, preempt, epoch?} → {epoch}   held until the connection closes; ERR_CONFLICT,
//                                           naming who, when another connection holds it. With
//                                           epoch: takes up that claim again, if nobody came since
//   begin {epoch, rollout} → {}             as of rollout_to_value()
//   observe {} → a snapshot                 as of wire.h
//   write {epoch, run, seen_turns, seen_step, position, step?} → {}
//   finish {epoch, run, outcome, reason, times} → {}
//   put {epoch, record, secrets_of?: REV} and a descriptor, a JSON map of the secrets (none with
//       secrets_of: that release's once more) → {revision}
//   releases {} → a descriptor              a JSON list, newest first
//   refused {} → a descriptor               a JSON list: [{commit, reason, release, unix_ms}]
//   refuse {commit, reason} → {}
//   allow {commit} → {}                     a unique prefix is enough
//   request {what: "abort"|"promote", who} → {driven}   ERR_CONFLICT when no rollout is under
//                                           way; driven: somebody holds the claim
//   explain {release} → {text}
//   logs {release} → a descriptor           all that its instances have logged
//   down {epoch} → {}                       all is drained, ended and removed; then the agent ends
// clang-format on
//
// and one notice, to every connection: "changed" {}: another observe may show something else.
#pragma once

// main() of davit-agent: STATE APP, an absolute path and a name. Descriptor 4 (if it is open) gets
// a byte once the agent listens. Returns the exit code.
int agent_main(int argc, char **argv);
