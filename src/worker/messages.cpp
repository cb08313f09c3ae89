#include "worker/messages.h"

#include "results/record_fields.h"

namespace cotenant {

template <class Visitor>
void fields(Visitor& visit, TenantOrder& r) {
  visit("name", r.name);
  visit("engine", r.engine);
  visit("model", r.model);
  visit("weights", r.weights);
  visit("device", r.device);
  visit("dtype", r.dtype);
  visit("batch_size", r.batch_size);
  visit("seq_len", r.seq_len);
  visit("max_new_tokens", r.max_new_tokens);
  visit("service_ms", r.service_ms);
  visit("period_ms", r.period_ms);
  visit("sms", r.sms);
  visit("threads", r.threads);
  visit("cpus", r.cpus);
  visit("spin_wait", r.spin_wait);
  visit("sm_groups", r.sm_groups);
  visit("priority", r.priority);
  visit("memory_limit_bytes", r.memory_limit_bytes);
  visit("seed", r.seed);
  visit("num_warmup", r.num_warmup);
  visit("warmup_s", r.warmup_s);
  visit("fixed_iters", r.fixed_iters);
  visit("profile_dir", r.profile_dir);
}

template <class Visitor>
void fields(Visitor& visit, Command& r) {
  visit("type", r.type);
  visit("tenant", r.tenant);
  visit("t0_ns", r.t0_ns);
  visit("tenants", r.tenants);
}

template <class Visitor>
void fields(Visitor& visit, Report& r) {
  visit("type", r.type);
  visit("tenant", r.tenant);
  visit("weights_origin", r.weights_origin);
  visit("sm_count", r.sm_count);
  visit("weights_bytes", r.weights_bytes);
  visit("activation_bytes", r.activation_bytes);
  visit("longest_pass_ns", r.longest_pass_ns);
  visit("resident_bytes", r.resident_bytes);
  visit("stress", r.stress);
  visit("requests", r.requests);
  visit("usage", r.usage);
  visit("error", r.error);
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
