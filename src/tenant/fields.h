#pragma once

#include "tenant/tenant.h"

// The fields of tenant.h's structs under the names that they have in files and messages, for a visitor that is called
// with a name and a field (results/json_fields.h).
namespace cotenant {

template <class Visitor>
void fields(Visitor& visit, NativeSpec& r) {
  visit("weights", r.weights);
  visit("dtype", r.dtype);
  visit("slots", r.slots);
  visit("chunk_tokens", r.chunk_tokens);
  visit("max_wait_ms", r.max_wait_ms);
}

template <class Visitor>
void fields(Visitor& visit, StressSpec& r) {
  visit("stress_kind", r.kind);
  visit("service_ms", r.service_ms);
  visit("stress_intensity", r.intensity);
  visit("stress_sms", r.sms);
}

template <class Visitor>
void fields(Visitor& visit, ExternalSpec& r) {
  visit("command", r.command);
  visit("weights", r.weights);
  visit("dtype", r.dtype);
}

template <class Visitor>
void fields(Visitor& visit, CommandSpec& r) {
  visit("command", r.command);
  visit("progress", r.progress);
}

template <class Visitor>
void fields(Visitor& visit, ServerSpec& r) {
  visit("command", r.command);
  visit("base_url", r.base_url);
  visit("api", r.api);
  visit("api_key_env", r.api_key_env);
  visit("ready_path", r.ready_path);
  visit("ready_timeout_s", r.ready_timeout_s);
  visit("timeout_s", r.timeout_s);
  visit("max_in_flight", r.max_in_flight);
  visit("prompt", r.prompt);
  visit("vocab_size", r.vocab_size);
}

template <class Visitor>
void fields(Visitor& visit, Step& r) {
  visit("rate", r.rate);
  visit("duration_s", r.duration_s);
}

template <class Visitor>
void fields(Visitor& visit, LengthDescription& r) {
  visit("kind", r.kind);
  visit("least", r.least);
  visit("most", r.most);
  visit("mean", r.mean);
  visit("cv", r.cv);
}

template <class Visitor>
void fields(Visitor& visit, WorkloadDescription& r) {
  visit("kind", r.kind);
  visit("concurrency", r.concurrency);
  visit("think_s", r.think_s);
  visit("rate", r.rate);
  visit("cv", r.cv);
  visit("steps", r.steps);
  visit("from", r.from);
  visit("to", r.to);
  visit("duration_s", r.duration_s);
  visit("path", r.path);
  visit("speedup", r.speedup);
  visit("limit", r.limit);
  visit("max_queue", r.max_queue);
  visit("input_tokens", r.input_tokens);
  visit("output_tokens", r.output_tokens);
}

template <class Visitor>
void fields(Visitor& visit, TenantSpec& r) {
  visit("name", r.name);
  visit("tag", r.tag);
  visit("model", r.model);
  visit.one_of_or_first("engine", r.engine);
  visit("task", r.task);
  visit("batch_size", r.batch_size);
  visit("seq_len", r.seq_len);
  visit("max_new_tokens", r.max_new_tokens);
  visit("workload", r.workload);
}

template <class Visitor>
void fields(Visitor& visit, Placement& r) {
  visit("device", r.device);
  visit("sm_percent", r.sm_percent);
  visit("priority", r.priority);
  visit("weight", r.weight);
  visit("memory_limit_bytes", r.memory_limit_bytes);
  visit("mig_instance", r.mig_instance);
  visit("threads", r.threads);
  visit("cpus", r.cpus);
}

template <class Visitor>
void fields(Visitor& visit, Yielding& r) {
  visit("quantum_us", r.quantum_us);
  visit("max_wait_ms", r.max_wait_ms);
}

template <class Visitor>
void fields(Visitor& visit, Objectives& r) {
  visit("ttft_ms", r.ttft_ms);
  visit("tpot_ms", r.tpot_ms);
  visit("latency_ms", r.latency_ms);
  visit("percentile", r.percentile);
}

template <class Visitor>
void fields(Visitor& visit, Rules& r) {
  visit("num_iters", r.num_iters);
  visit("num_warmup", r.num_warmup);
  visit("slo", r.slo);
}

template <class Visitor>
void fields(Visitor& visit, TenantDescription& r) {
  fields(visit, static_cast<TenantSpec&>(r));
  fields(visit, static_cast<Placement&>(r));
  fields(visit, static_cast<Rules&>(r));
}

}  // namespace cotenant
