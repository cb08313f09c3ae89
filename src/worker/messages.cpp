#include "worker/messages.h"

#include <type_traits>

#include "results/record_fields.h"

namespace cotenant {

template <class Visitor>
void fields(Visitor& visit, TenantOrder& r) {
  fields(visit, static_cast<TenantDescription&>(r));
  visit("spin_wait", r.spin_wait);
  visit("sm_groups", r.sm_groups);
  visit("yield_seat", r.yield_seat);
  visit("yield_quantum_us", r.yield_quantum_us);
  visit("seed", r.seed);
  visit("warmup_s", r.warmup_s);
  visit("fixed_iters", r.fixed_iters);
  visit("profile_dir", r.profile_dir);
}

namespace command {

template <class Visitor, class What>
requires std::is_empty_v<What>
void fields(Visitor&, What&) {}

template <class Visitor>
void fields(Visitor& visit, Order& r) {
  visit("tenants", r.tenants);
}

template <class Visitor>
void fields(Visitor& visit, Go& r) {
  visit("t0_ns", r.t0_ns);
}

}  // namespace command

namespace report {

template <class Visitor>
void fields(Visitor& visit, Loaded& r) {
  visit("weights_origin", r.weights_origin);
  visit("weights_hash", r.weights_hash);
  visit("input_hash", r.input_hash);
  visit("sm_count", r.sm_count);
  visit("weights_bytes", r.weights_bytes);
  visit("activation_bytes", r.activation_bytes);
}

template <class Visitor>
void fields(Visitor& visit, Prepared& r) {
  visit("stress", r.stress);
}

template <class Visitor>
void fields(Visitor& visit, Warm& r) {
  visit("longest_pass_ns", r.longest_pass_ns);
  visit("resident_bytes", r.resident_bytes);
  visit("tokens_hash", r.tokens_hash);
}

template <class Visitor>
void fields(Visitor& visit, Done& r) {
  visit("requests", r.requests);
  visit("usage", r.usage);
  visit("schedule", r.schedule);
  visit("server", r.server);
  visit("yielded", r.yielded);
}

template <class Visitor>
void fields(Visitor& visit, Failed& r) {
  visit("error", r.error);
}

template <class Visitor>
void fields(Visitor& visit, Notice& r) {
  visit("text", r.text);
}

}  // namespace report

template <class Visitor>
void fields(Visitor& visit, Command& r) {
  visit("tenant", r.tenant);
  visit.one_of("type", r.what);
}

template <class Visitor>
void fields(Visitor& visit, Report& r) {
  visit("tenant", r.tenant);
  visit.one_of("type", r.what);
}

std::string to_json(const Command& command) {
  return fields_to_json(command);
}

std::string to_json(const Report& report) {
  return fields_to_json(report);
}

Command command_from_json(std::string_view text) {
  return fields_from_json<Command>(text, "command");
}

Report report_from_json(std::string_view text) {
  return fields_from_json<Report>(text, "report");
}

}  // namespace cotenant
