#include "bad_inputs.h"

namespace cotenant {
namespace {

// A valid experiment of one tenant whose line 6 is the one that is wrong.
std::string tenant_with(const std::string& line) {
  return "experiment_name: pair\n"
         "tenants:\n"
         "  - model_name: distilgpt2\n"
         "    batch_size: 8\n"
         "    seq_len: 128\n"
         "    " +
         line + "\n";
}

// The same with a wrong line 1 at the top.
std::string experiment_with(const std::string& line) {
  return line +
         "\n"
         "tenants:\n"
         "  - model_name: distilgpt2\n"
         "    batch_size: 8\n"
         "    seq_len: 128\n";
}

// A server with one more key in its map, and a wrong line 5.
std::string one_server(const std::string& in_map, const std::string& line) {
  return "tenants:\n"
         "  - engine: server\n"
         "    model_name: m\n"
         "    server: {base_url: \"http://h:1\"" +
         in_map +
         "}\n"
         "    " +
         line +
         "\n"
         "    seq_len: 8\n";
}

std::string two_tenants(const std::string& first, const std::string& second) {
  const std::string rest = "\n    model_name: distilgpt2\n    batch_size: 8\n    seq_len: 128\n";
  return "tenants:\n  - " + first + rest + "  - " + second + rest;
}

std::vector<BadInput> structure() {
  return {
      {"Empty", "", "", "expected a map", ""},
      {"OnlyAComment", "# nothing\n", "", "expected a map", ""},
      {"AScalar", "distilgpt2\n", "1:1", "the configuration: expected a map", ""},
      {"AList", "- distilgpt2\n", "1:1", "the configuration: expected a map", ""},
      {"NotYaml", "tenants: [\n", "2:1", "expected YAML", "", BadInput::only_by_reader},
      {"BadIndentation", "mps: true\n  device: cpu\n", "2:9", "expected YAML", "", BadInput::only_by_reader},
      {"TabIndentation", "tenants:\n\t- model_name: x\n", "2:2", "expected YAML", "", BadInput::only_by_reader},
      {"NotUtf8", "experiment_name: \xff\xfe\n", "", "not UTF-8", "", BadInput::only_by_reader},
      {"ControlCharacter", "mps: true\nwait: a\x01\n", "2:8", "control character 0x01", "", BadInput::only_by_reader},
      {"NulByte", std::string("mps: \0true\n", 11), "1:6", "control character 0x00", "", BadInput::only_by_reader},
      {"TwoDocuments", experiment_with("mps: true") + "---\nmps: false\n", "6:1", "found a second document", "",
       BadInput::only_by_reader},
      {"Anchor", experiment_with("seed: &s 1"), "1:7", "seed: expected plain maps, lists and scalars, found an anchor",
       "Remove it", BadInput::only_by_reader},
      {"Alias", experiment_with("seed: &s 1") + "wait: *s\n", "1:7", "found an anchor", "", BadInput::only_by_reader},
      {"MergeKey", tenant_with("<<: {num_iters: 3}"), "6:5", "tenants.0: expected plain maps", "Write the keys out",
       BadInput::only_by_reader},
      {"Tag", experiment_with("seed: !!int 1"), "1:7", "seed: expected plain", "Remove the tag",
       BadInput::only_by_reader},
      {"KeyThatIsAMap", experiment_with("{a: b}: 1"), "1:1", "a key that is not text", "", BadInput::only_by_reader},
      {"NullKey", experiment_with("~: 1"), "1:1", "a key that is not text", "", BadInput::only_by_reader},
      {"DeepNesting", "tenants: " + std::string(40, '[') + std::string(40, ']'), "1:25", "more than 16 levels", "",
       BadInput::only_by_reader},
      {"DuplicateKey", tenant_with("batch_size: 4"), "6:5",
       "tenants.0.batch_size: expected each key once, found it again", "", BadInput::only_by_reader},
      {"DuplicateTopKey", experiment_with("mps: true\nmps: false"), "2:1", "mps: expected each key once", "",
       BadInput::only_by_reader},
      {"NeitherForm", "experiment_name: x\n", "1:1", "expected single_model or tenants, found neither", ""},
      {"BothForms", experiment_with("single_model: {model_name: x, batch_size: 1, seq_len: 1}"), "3:3",
       "tenants: expected single_model or tenants, found both", ""},
      {"TenantsAsAMap", "tenants:\n  model_name: distilgpt2\n", "2:3", "tenants: expected a list of 1 to 256", ""},
      {"TenantsAsAScalar", "tenants: 3\n", "1:10", "tenants: expected a list of 1 to 256 maps", ""},
      {"NoTenants", "tenants: []\n", "1:10", "tenants: expected a list of 1 to 256 maps of tenant keys, found 0", ""},
      {"TenantAsAScalar", "tenants:\n  - distilgpt2\n", "2:5", "tenants.0: expected a map with the keys model_name",
       ""},
      {"TenantIsNothing", "tenants:\n  -\n", "", "tenants.0: expected a map", ""},
      {"SingleModelAsAScalar", "single_model: distilgpt2\n", "1:15", "single_model: expected a map", ""},
      {"SingleModelAsAList", "single_model: [a]\n", "1:15", "single_model: expected a map", ""},
      {"SharingAsAScalar", experiment_with("sharing: mps"), "1:10", "sharing: expected a map with the keys mode", ""},
  };
}

std::vector<BadInput> keys() {
  return {
      {"UnknownKey", tenant_with("colour: blue"), "6:5", "tenants.0.colour: expected a known key, found \"colour\"",
       "Known here: model_name"},
      {"MisspeltKey", tenant_with("num_iter: 5"), "6:5", "tenants.0.num_iter: expected a known key",
       "Did you mean num_iters?"},
      {"MisspeltTopKey", experiment_with("slep_duration: 5"), "1:1", "slep_duration: expected a known key",
       "Did you mean sleep_duration?"},
      {"MisspeltInnerKey", experiment_with("sharing: {mod: mps}"), "1:11", "sharing.mod: expected a known key",
       "Did you mean mode?"},
      {"KeyWithADot", experiment_with("sharing.mode: mps"), "1:1", "sharing.mode: expected a known key", ""},
      {"TenantKeyAtTheTop", experiment_with("batch_size: 8"), "1:1", "batch_size: expected a known key",
       "stands in a tenant"},
      {"TopKeyInATenant", tenant_with("corun: fixed"), "6:5", "tenants.0.corun: expected a known key",
       "stands at the top"},
      {"NoModel", "single_model:\n  batch_size: 8\n  seq_len: 128\n", "2:3",
       "single_model.model_name: expected a model's name or directory, found nothing", ""},
      {"NoBatchSize", "single_model:\n  model_name: distilgpt2\n  seq_len: 128\n", "2:3", "single_model.batch_size",
       ""},
      {"NoSeqLen", "single_model:\n  model_name: distilgpt2\n  batch_size: 8\n", "2:3", "single_model.seq_len", ""},
  };
}

std::vector<BadInput> values() {
  const auto iters = [](const std::string& value) { return tenant_with("num_iters: " + value); };
  const std::string expected = "tenants.0.num_iters: expected an integer from 1 to 1000000000, found ";
  return {
      {"Zero", iters("0"), "6:16", expected + "\"0\"", ""},
      {"Negative", iters("-5"), "6:16", expected + "\"-5\"", ""},
      {"Huge", iters("1000000001"), "6:16", expected + "\"1000000001\"", ""},
      {"BeyondInt64", iters("99999999999999999999"), "6:16", expected, ""},
      {"Fraction", iters("1.5"), "6:16", expected + "\"1.5\"", ""},
      {"Word", iters("eight"), "6:16", expected + "\"eight\"", ""},
      {"QuotedNumber", iters("\"8\""), "6:16", expected + "\"8\"", "Remove the quotes"},
      {"Octal", iters("010"), "6:16", expected, "", BadInput::only_by_reader},
      {"Hexadecimal", iters("0x10"), "6:16", expected, "", BadInput::only_by_reader},
      {"NullNumber", iters("~"), "6:16", expected + "nothing", ""},
      {"MissingValue", tenant_with("num_iters:"), "", "tenants.0.num_iters: expected an integer", ""},
      {"ListForANumber", iters("[8]"), "6:16", expected + "a list", ""},
      {"MapForANumber", iters("{a: 8}"), "6:16", expected + "a map", ""},
      {"NegativeTime", experiment_with("warmup_s: -1"), "1:11", "warmup_s: expected a number from 0 to 86400", ""},
      {"InfiniteTime", experiment_with("warmup_s: .inf"), "1:11", "warmup_s: expected a number", ""},
      {"NotANumberTime", experiment_with("warmup_s: .nan"), "1:11", "warmup_s: expected a number", "",
       BadInput::only_by_reader},
      {"OverflowingTime", experiment_with("warmup_s: 1e999"), "1:11", "warmup_s: expected a number", ""},
      {"ZeroMaximum", experiment_with("max_duration_s: 0"), "1:17", "expected a number above 0, at most 604800", ""},
      {"TelemetryTooOften", experiment_with("telemetry_interval_ms: 50"), "1:24",
       "telemetry_interval_ms: expected 0 or an integer from 100 to 10000, found 50", "more often than every 100 ms",
       BadInput::only_by_reader},
      {"WordForABoolean", experiment_with("mps: maybe"), "1:6", "mps: expected true or false, found \"maybe\"", ""},
      {"NumberForABoolean", experiment_with("mps: 1"), "1:6", "mps: expected true or false", ""},
      {"QuotedBoolean", experiment_with("mps: 'true'"), "1:6", "mps: expected true or false", "Remove the quotes"},
      {"UnknownChoice", experiment_with("corun: overlaps"), "1:8", "corun: expected one of overlap, fixed",
       "Did you mean overlap?"},
      {"UnknownMode", experiment_with("sharing: {mode: mpss}"), "1:17", "sharing.mode: expected one of timeslice",
       "Did you mean mps?"},
      {"UnknownDevice", experiment_with("device: gpu"), "1:9",
       "device: expected cpu, cuda, cuda:N, the UUID of a GPU or auto", ""},
      {"DeviceWithoutNumber", experiment_with("device: 'cuda:'"), "1:9", "device: expected cpu", ""},
      {"DeviceOfHalfAUuid", experiment_with("device: GPU-01234567"), "1:9",
       "device: expected cpu, cuda, cuda:N, the UUID of a GPU or auto", ""},
      {"DeviceOfATenant", tenant_with("device: gpu"), "6:13", "tenants.0.device: expected cpu", ""},
      {"YieldThatIsNoMap", experiment_with("sharing: {mode: mps, yield: true}"), "1:29",
       "sharing.yield: expected a map of quantum_us", ""},
      {"YieldTooOften", experiment_with("sharing: {mode: mps, yield: {quantum_us: 5}}"), "1:42",
       "sharing.yield.quantum_us: expected a number from 20 to 100000, found \"5\"", "A gate costs about 1 us"},
      {"YieldForEver", experiment_with("sharing: {mode: mps, yield: {max_wait_ms: 0}}"), "1:43",
       "sharing.yield.max_wait_ms: expected a number above 0", ""},
      {"YieldWithAnotherKey", experiment_with("sharing: {mode: mps, yield: {quantum: 50}}"), "1:39",
       "sharing.yield.quantum: expected quantum_us and max_wait_ms alone", ""},
      {"YieldUnderTimeslice", experiment_with("sharing: {yield: {}}"), "1:18",
       "sharing.yield: expected sharing.mode mps, streams or green beside it, found timeslice",
       "belongs to one process at a time", BadInput::only_by_reader},
      {"YieldUnderMig", experiment_with("sharing: {mode: mig, yield: {}}"), "1:29",
       "sharing.yield: expected sharing.mode mps, streams or green beside it, found mig", "do not meet on one device",
       BadInput::only_by_reader},
      {"WeightWithoutYield", tenant_with("weight: 2"), "6:13",
       "tenants.0.weight: expected sharing.yield beside it, found none", "", BadInput::only_by_reader},
      {"NoWeight", tenant_with("weight: 0"), "6:13", "expected a number above 0, at most 1000", ""},
      {"WeightAndPriority", "sharing: {mode: mps, yield: {}}\n" + tenant_with("weight: 2\n    priority: 1"), "8:15",
       "tenants.0.priority: expected either weights or priorities, found both", "", BadInput::only_by_reader},
      {"SlotsOfAForwardPass", tenant_with("slots: 4"), "6:12",
       "slots: expected task: generate beside it, found task: forward", ""},
      {"SlotsBesideBatches", tenant_with("slots: 4\n    task: generate"), "4:17",
       "batch_size: expected 1 beside slots, found 8", "slots says how many go together"},
      {"NoSlots", tenant_with("slots: 0"), "6:12", "expected an integer from 1 to 4096", ""},
      {"ChunksWithoutSlots", tenant_with("chunk_tokens: 64"), "6:19", "expected slots beside it, found none", ""},
      {"WaitForABatchOfGenerate", tenant_with("max_wait_ms: 2\n    task: generate"), "6:18",
       "max_wait_ms: expected task: forward beside it, found task: generate", ""},
      {"SlotsOfAStressor", tenant_with("slots: 2\n    engine: stress"), "6:12", "slots: expected engine: native", ""},
      {"UnknownDtype", tenant_with("dtype: int8"), "6:12", "expected one of float32, bfloat16, float16", ""},
      {"UnknownTask", tenant_with("task: train"), "6:11", "tenants.0.task: expected one of forward, generate", ""},
      {"EmptyText", tenant_with("tag: ''"), "6:10", "tenants.0.tag: expected text, found \"\"", ""},
      {"NumberForText", tenant_with("tag: 7"), "6:10", "tenants.0.tag: expected text", "Put it into quotes"},
      {"BooleanForText", tenant_with("tag: yes"), "6:10", "tenants.0.tag: expected text", "Put it into quotes"},
      {"ListForText", tenant_with("tag: [a]"), "6:10", "tenants.0.tag: expected text, found a list", ""},
      {"ControlInText", tenant_with("tag: \"a\\nb\""), "6:10", "tenants.0.tag: expected text without control", ""},
      {"LongText", tenant_with("tag: " + std::string(1025, 'x')), "6:10", "expected at most 1024 bytes of text", ""},
      {"NoBytes", tenant_with("memory_limit: 0"), "6:19", "tenants.0.memory_limit: expected bytes", ""},
      {"UnknownUnit", tenant_with("memory_limit: 4GB"), "6:19", "expected bytes, as 1073741824, 512MiB or 4GiB", ""},
      {"TooManyBytes", tenant_with("memory_limit: 99999999TiB"), "6:19", "expected at most", "",
       BadInput::only_by_reader},
      {"NoCpus", tenant_with("cpus: []"), "6:11", "tenants.0.cpus: expected CPU numbers", ""},
      {"NegativeCpu", tenant_with("cpus: [0, -1]"), "6:15", "tenants.0.cpus: expected a CPU number from 0 to 4095", ""},
      {"RepeatedCpu", tenant_with("cpus: [1, 1]"), "6:11", "tenants.0.cpus: expected each CPU number once", ""},
      {"BackwardCpus", tenant_with("cpus: 3-0"), "6:11", "tenants.0.cpus: expected CPU numbers", "",
       BadInput::only_by_reader},
      {"NoShare", tenant_with("sm_percent: 0"), "6:17", "expected a number above 0, at most 100", ""},
      {"LargeShare", tenant_with("sm_percent: 101"), "6:17", "expected a number above 0, at most 100", ""},
  };
}

std::vector<BadInput> names() {
  const auto named = [](const std::string& name) { return tenant_with("name: " + name); };
  return {
      {"NameUp", named(".."), "6:11", "tenants.0.name: expected a name", ""},
      {"NameOutside", named("../x"), "6:11", "tenants.0.name: expected a name", ""},
      {"HiddenName", named(".x"), "6:11", "tenants.0.name: expected a name", ""},
      {"EmptyName", named("''"), "6:11", "tenants.0.name: expected a name", ""},
      {"NameWithNewline", named("\"a\\nb\""), "6:11", "tenants.0.name: expected text without control", ""},
      {"LongName", named(std::string(101, 'x')), "6:11", "expected a name of at most 100 bytes", ""},
      {"ReservedName", named("baselines"), "6:11", "tenants.0.name: expected a name that cotenant does not use", "",
       BadInput::only_by_reader},
      {"ExperimentNameUp", experiment_with("experiment_name: ../x"), "1:18", "experiment_name: expected a name", ""},
      {"TwiceTheSameName", two_tenants("name: a", "name: a"), "6:11",
       "tenants.1.name: expected a name of its own, found \"a\" as in tenants.0", "", BadInput::only_by_reader},
      {"TwiceTheSameDirectory", two_tenants("name: a/b", "name: a_b"), "6:11",
       "tenants.1.name: expected a name of its own, found \"a_b\" as in tenants.0", "", BadInput::only_by_reader},
  };
}

std::vector<BadInput> contradictions() {
  return {
      {"CpuAndGpu", experiment_with("device: cpu") + "    device: cuda\n", "6:13",
       "tenants.0.device: expected cpu as in device, found cuda", "not on both", BadInput::only_by_reader},
      {"CpuAndGpuOfTenants", two_tenants("device: cuda:0", "device: cpu"), "6:13",
       "tenants.1.device: expected a GPU as in tenants.0.device, found cpu", "not on both", BadInput::only_by_reader},
      {"CpuAndUuidOfTenants", two_tenants("device: cpu", "device: GPU-01234567-89ab-cdef-0123-456789abcdef"), "6:13",
       "tenants.1.device: expected cpu as in tenants.0.device, found GPU-0", "not on both", BadInput::only_by_reader},
      {"PartitionOnGpusOfTenants", "sharing: {mode: partition}\n" + two_tenants("device: cuda:0", "device: cuda:1"),
       "1:17", "sharing.mode: expected timeslice, mps, streams, green or mig on device: cuda:0, found partition", "",
       BadInput::only_by_reader},
      {"MpsAndAnotherMode", experiment_with("mps: true\nsharing: {mode: green}"), "2:17",
       "sharing.mode: expected mps because of mps: true, found green", ""},
      {"MpsOnTheCpu", experiment_with("device: cpu\nmps: true"), "2:6",
       "mps: expected timeslice or partition on device: cpu, found mps", ""},
      {"GreenOnTheCpu", experiment_with("device: cpu\nsharing: {mode: green}"), "2:17",
       "sharing.mode: expected timeslice or partition on device: cpu, found green", ""},
      {"PartitionOnCuda", experiment_with("device: cuda\nsharing: {mode: partition}"), "2:17",
       "sharing.mode: expected timeslice, mps, streams, green or mig on device: cuda", ""},
      {"ShareWithoutMode", tenant_with("sm_percent: 50"), "6:17",
       "tenants.0.sm_percent: expected sharing.mode mps, green or partition, found timeslice", "",
       BadInput::only_by_reader},
      {"PriorityWithoutMode", tenant_with("priority: 1"), "6:15",
       "tenants.0.priority: expected sharing.mode mps, streams or green, found timeslice", "",
       BadInput::only_by_reader},
      {"MigInstanceWithoutMode", tenant_with("mig_instance: '0'"), "6:19",
       "tenants.0.mig_instance: expected sharing.mode mig, found timeslice", "", BadInput::only_by_reader},
      {"StressKeysWithoutStress", tenant_with("stress: {kind: spin}"), "6:13",
       "tenants.0.stress: expected engine: stress beside it", ""},
      {"ServerKeysWithoutServer", tenant_with("server: {base_url: http://h:1}"), "6:13",
       "tenants.0.server: expected engine: server beside it, found engine: native", ""},
      {"ServerWithoutUrl", tenant_with("engine: server"), "3:5",
       "tenants.0.server.base_url: expected it with engine: server, found nothing", ""},
      {"UrlWithoutScheme", tenant_with("engine: server\n    server: {base_url: \"localhost:8000\"}"), "7:24",
       "tenants.0.server.base_url: expected a URL with a host", ""},
      {"UrlWithPassword", tenant_with("engine: server\n    server: {base_url: \"http://me:secret@h\"}"), "7:24",
       "tenants.0.server.base_url: expected a URL with a host", ""},
      {"UrlOfAFile", tenant_with("engine: server\n    server: {base_url: \"file:///etc/passwd\"}"), "7:24",
       "tenants.0.server.base_url: expected a URL with a host", ""},
      {"PassesOfAServer", one_server("", "task: forward"), "5:11",
       "tenants.0.task: expected generate with server.api: completions, found forward", ""},
      {"TextOfEmbeddings", one_server(", api: embeddings", "task: generate"), "5:11",
       "tenants.0.task: expected forward with server.api: embeddings, found generate", ""},
      {"ShareOfAServer", one_server("", "sm_percent: 50"), "5:17",
       "tenants.0.sm_percent: expected none with a server that was started outside of this run",
       "Give it to the server"},
      {"BatchesOfAServer", one_server("", "batch_size: 8"), "5:17",
       "tenants.0.batch_size: expected 1 with server.api: completions, found 8", "raise workload.concurrency",
       BadInput::only_by_reader},
      {"LengthsOfTheNativeEngine", tenant_with("workload: {input_tokens: 7}"), "6:30",
       "tenants.0.workload.input_tokens: expected engine: server or slots beside it, found engine: native",
       "use seq_len"},
      {"TwoLengths", one_server("", "workload: {input_tokens: 7}"), "5:30",
       "tenants.0.workload.input_tokens: expected it or seq_len, found both", ""},
      {"LengthsOfNoTrace", one_server("", "workload: {output_tokens: trace}"), "5:31",
       "tenants.0.workload.output_tokens: expected workload.kind: trace beside it, found closed", "",
       BadInput::only_by_reader},
      {"LengthsOutOfOrder", one_server("", "workload: {output_tokens: {kind: uniform, least: 9, most: 3}}"), "5:63",
       "tenants.0.workload.output_tokens.most: expected at least 9, the shortest, found \"3\"", "",
       BadInput::only_by_reader},
      {"LengthsWithoutMean", one_server("", "workload: {output_tokens: {kind: lognormal, least: 1, most: 3}}"), "5:31",
       "tenants.0.workload.output_tokens.mean: expected a number above 0", ""},
      {"LengthsOfAnotherKind", one_server("", "workload: {output_tokens: {kind: normal, least: 1, most: 3}}"), "5:38",
       "tenants.0.workload.output_tokens.kind: expected uniform or lognormal, found \"normal\"", ""},
      {"ReadyPathWithoutSlash", one_server(", ready_path: health", "num_iters: 3"), "4:50",
       "tenants.0.server.ready_path: expected a path that begins with '/', found \"health\"", "",
       BadInput::only_by_reader},
      {"ReadyPathWithSpace", one_server(", ready_path: \"/is it\"", "num_iters: 3"), "4:50",
       "tenants.0.server.ready_path: expected a path as it stands in a URL, found \"/is it\"", "%20",
       BadInput::only_by_reader},
      {"ReadyPathWithLineBreak", one_server(", ready_path: \"/x\\r\\nA: b\"", "num_iters: 3"), "4:50",
       "tenants.0.server.ready_path: expected text without control characters", "", BadInput::only_by_reader},
      {"GeneratingStress", tenant_with("engine: stress\n    task: generate"), "7:11",
       "tenants.0.task: expected forward with engine: stress", ""},
      {"NewTokensWithoutGenerate", tenant_with("max_new_tokens: 3"), "6:21",
       "tenants.0.max_new_tokens: expected task: generate beside it", ""},
      {"TtftOfAForwardPass", tenant_with("slo: {ttft_ms: 20}"), "6:20",
       "tenants.0.slo.ttft_ms: expected task: generate beside it, found task: forward", ""},
      {"TpotOfOneToken", tenant_with("task: generate\n    max_new_tokens: 1\n    slo: {tpot_ms: 20}"), "8:20",
       "tenants.0.slo.tpot_ms: expected max_new_tokens above 1 beside it, found 1", "", BadInput::only_by_reader},
      {"APercentileOfNothing", tenant_with("slo: {percentile: 99}"), "6:23",
       "tenants.0.slo.percentile: expected one of ttft_ms, tpot_ms, latency_ms beside it, found none", ""},
      {"AnObjectiveOfZero", tenant_with("slo: {latency_ms: 0}"), "6:23",
       "tenants.0.slo.latency_ms: expected a number above 0", ""},
      {"ARateOfZero", tenant_with("workload: {kind: poisson, rate: 0}"), "6:37",
       "tenants.0.workload.rate: expected a number above 0, at most 1000000, found \"0\"", ""},
      {"ARateOfABillion", tenant_with("workload: {kind: poisson, rate: 1e9}"), "6:37",
       "tenants.0.workload.rate: expected a number above 0, at most 1000000", ""},
      {"NoRate", tenant_with("workload: {kind: poisson}"), "6:15",
       "tenants.0.workload.rate: expected it with workload.kind: poisson, found nothing", ""},
      {"ARateOfAClosedLoop", tenant_with("workload: {rate: 5}"), "6:22",
       "tenants.0.workload.rate: expected workload.kind constant or poisson or gamma beside it, found closed", ""},
      {"ClientsOfAnOpenLoop", tenant_with("workload: {kind: constant, rate: 5, concurrency: 2}"), "6:54",
       "tenants.0.workload.concurrency: expected workload.kind closed beside it, found constant", ""},
      {"NoSteps", tenant_with("workload: {kind: steps, steps: []}"), "6:36",
       "tenants.0.workload.steps: expected a list of 1 to 10000 maps", ""},
      {"StepsOfNothing", tenant_with("workload: {kind: steps, steps: [{rate: 0, duration_s: 1}]}"), "6:36",
       "tenants.0.workload.steps: expected a rate above 0 in one of the steps", ""},
      {"AStepWithoutALength", tenant_with("workload: {kind: steps, steps: [{rate: 1}]}"), "6:37",
       "tenants.0.workload.steps: expected a map of rate and duration_s", ""},
      {"AStepOfNoLength", tenant_with("workload: {kind: steps, steps: [{rate: 1, duration_s: 0}]}"), "6:59",
       "tenants.0.workload.steps.duration_s: expected a number above 0, at most 86400", ""},
      {"ATraceWithoutAPath", tenant_with("workload: {kind: trace, speedup: 2}"), "6:15",
       "tenants.0.workload.path: expected it with workload.kind: trace, found nothing", ""},
      {"NoIntensity", tenant_with("engine: stress\n    stress: {intensity: 0}"), "7:25",
       "tenants.0.stress.intensity: expected a number above 0, at most 1, found \"0\"", ""},
      {"LargeIntensity", tenant_with("engine: stress\n    stress: {intensity: 1.5}"), "7:25",
       "tenants.0.stress.intensity: expected a number above 0, at most 1, found \"1.5\"", ""},
      {"UnknownStress", tenant_with("engine: stress\n    stress: {kind: drams}"), "7:20",
       "tenants.0.stress.kind: expected one of sleep, spin, compute, dram, l2, pcie, launch", "Did you mean dram?"},
      {"NoSms", tenant_with("engine: stress\n    stress: {kind: dram, sms: 0}"), "7:31",
       "tenants.0.stress.sms: expected an integer from 1 to 1024, found \"0\"", ""},
      {"SmsOfSpin", tenant_with("engine: stress\n    stress: {kind: spin, sms: 4}"), "7:31",
       "tenants.0.stress.sms: expected stress.kind compute, dram or l2 beside it, found spin", "",
       BadInput::only_by_reader},
      {"MinimumAboveMaximum", experiment_with("max_duration_s: 3\nmin_duration_s: 9"), "2:17",
       "min_duration_s: expected at most max_duration_s, which is 3, found 9", "", BadInput::only_by_reader},
  };
}

std::vector<BadInput> sweeps() {
  const auto vary = [](const std::string& what) { return experiment_with("vary: " + what); };
  return {
      {"VaryAScalar", vary("3"), "1:7", "vary: expected a map from keys to lists of values, found \"3\"", ""},
      {"VaryAList", vary("[1]"), "1:7", "vary: expected a map from keys to lists of values, found a list", ""},
      {"VaryNothing", vary("{}"), "1:7", "vary: expected a map from keys to lists of values, found no key", ""},
      {"VaryWithoutAList", vary("{seed: 1}"), "1:14", "vary.seed: expected a list of values, found \"1\"", ""},
      {"VaryOfNoValue", vary("{seed: []}"), "1:14", "vary.seed: expected 1 to 1000 values, found 0", ""},
      {"VaryOfAMap", vary("{seed: [{a: 1}]}"), "1:15", "vary.seed: expected a value, found a map", ""},
      {"VaryTheSameValue", vary("{seed: [1, 1]}"), "1:14", "expected each value once, found 1 again", ""},
      {"VaryAnUnknownKey", vary("{tenants.0.btch_size: [1, 2]}"), "1:30", "tenants.0.btch_size: expected a known key",
       "Did you mean batch_size?", BadInput::only_by_reader},
      {"VaryAnUnknownTopKey", vary("{colour: [1]}"), "1:17", "colour: expected a known key", "",
       BadInput::only_by_reader},
      {"VaryATenantThatIsNotThere", vary("{tenants.7.batch_size: [1]}"), "1:31",
       "expected one of the tenants, found \"7.batch_size\"", "There are 0 (distilgpt2)", BadInput::only_by_reader},
      {"VaryWithABadValue", vary("{tenants.0.batch_size: [1, 0]}"), "1:34",
       "tenants.0.batch_size: expected an integer from 1 to 65536, found \"0\"", "", BadInput::only_by_reader},
      {"VaryVary", vary("{vary: [1]}"), "1:8", "vary: expected keys of the experiment, found vary itself", "",
       BadInput::only_by_reader},
  };
}

}  // namespace

std::vector<BadInput> bad_inputs() {
  std::vector<BadInput> all;
  for (const auto& group : {structure(), keys(), values(), names(), contradictions(), sweeps()})
    all.insert(all.end(), group.begin(), group.end());
  return all;
}

}  // namespace cotenant
