#include <cupti.h>
#include <cxxabi.h>
#include <dlfcn.h>
#include <fmt/format.h>

#include <atomic>
#include <cstdlib>
#include <limits>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "base/clock.h"
#include "base/error.h"
#include "base/version.h"
#include "engine/native/cupti_module.h"

// Activity records of CUPTI (docs.nvidia.com/cupti, "CUPTI Activity API"). CUPTI fills buffers as the device works and
// hands them to on_buffer_complete on a thread of its own; there they are boiled down to DeviceActivity.
namespace cotenant {
namespace {

// The records' layouts are those of the library's major version.
#if CUPTI_API_VERSION >= 130000
using KernelRecord = CUpti_ActivityKernel10;
using CopyRecord = CUpti_ActivityMemcpy6;
#else
using KernelRecord = CUpti_ActivityKernel9;
using CopyRecord = CUpti_ActivityMemcpy5;
#endif
using FillRecord = CUpti_ActivityMemset4;

constexpr size_t kBufferBytes = size_t{8} << 20;
constexpr size_t kAlignment = 8;  // ACTIVITY_RECORD_ALIGNMENT

const char* text_of(CUptiResult result) {
  const char* text = nullptr;
  return cuptiGetResultString(result, &text) == CUPTI_SUCCESS && text != nullptr ? text : "unknown error";
}

const char* remedy_for(CUptiResult result) {
  switch (result) {
    case CUPTI_ERROR_INSUFFICIENT_PRIVILEGES:
      return "The driver lets only administrators profile: see developer.nvidia.com/ERR_NVGPUCTRPERM, or run as root.";
    case CUPTI_ERROR_MULTIPLE_SUBSCRIBERS_NOT_SUPPORTED:
      return "Another profiler is at work in this process (Nsight Systems, for example): run without it.";
    case CUPTI_ERROR_NOT_INITIALIZED:
      return "CUPTI found no usable driver: `cotenant doctor` tells what there is.";
    case CUPTI_ERROR_UNKNOWN:
      return "CUPTI cannot use the driver: is there one, and is it at least as new as CUPTI's CUDA version? "
             "`cotenant doctor` tells.";
    default:
      return "Is libcupti of the same CUDA version as the driver, or older? `cotenant doctor` shows the driver's.";
  }
}

std::string demangled(const char* name) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> text(abi::__cxa_demangle(name, nullptr, nullptr, &status), std::free);
  return status == 0 && text ? text.get() : name;
}

const char* copy_name(uint8_t kind) {
  switch (kind) {
    case CUPTI_ACTIVITY_MEMCPY_KIND_HTOD:
      return "copy host to device";
    case CUPTI_ACTIVITY_MEMCPY_KIND_DTOH:
      return "copy device to host";
    case CUPTI_ACTIVITY_MEMCPY_KIND_DTOD:
      return "copy device to device";
    default:
      return "copy";
  }
}

// All that is collected. CUPTI's callbacks take no argument of ours, so there is one for the process.
class Recorder {
 public:
  // Never destroyed: CUPTI's threads may call until the process has ended.
  static Recorder& instance() {
    static Recorder& recorder = *new Recorder;
    return recorder;
  }

  void start(const CuptiOptions& options) {
    options_ = options;
    offer_nvtx();
    cuptiSetThreadIdType(CUPTI_ACTIVITY_THREAD_ID_TYPE_SYSTEM);  // as gettid; without them a thread is not known
    check("cuptiActivityRegisterCallbacks", cuptiActivityRegisterCallbacks(on_buffer_wanted, on_buffer_complete));
    set_clock();
    check("kernels", cuptiActivityEnable(CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL));
    check("copies", cuptiActivityEnable(CUPTI_ACTIVITY_KIND_MEMCPY));
    check("fills", cuptiActivityEnable(CUPTI_ACTIVITY_KIND_MEMSET));
    cuptiActivityEnable(CUPTI_ACTIVITY_KIND_MARKER);  // ranges are welcome, not needed
    watch_launches();
  }

  void keep_from(int64_t instant_ns) { from_ns_ = instant_ns; }

  DeviceRecording stop() {
    const CUptiResult flushed = cuptiActivityFlushAll(CUPTI_ACTIVITY_FLAG_FLUSH_FORCED);
    for (const CUpti_ActivityKind kind : {CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL, CUPTI_ACTIVITY_KIND_MEMCPY,
                                          CUPTI_ACTIVITY_KIND_MEMSET, CUPTI_ACTIVITY_KIND_MARKER})
      cuptiActivityDisable(kind);
    const std::lock_guard lock(mutex_);
    if (flushed != CUPTI_SUCCESS && recording_.problem.empty())
      recording_.problem = fmt::format("cuptiActivityFlushAll: {}", text_of(flushed));
    attribute();
    DeviceRecording taken = std::move(recording_);
    recording_ = {};
    correlations_.clear();
    return taken;
  }

 private:
  static void check(const char* what, CUptiResult result) {
    if (result != CUPTI_SUCCESS)
      throw usage_error("profile", fmt::format("CUPTI refuses: {}: {}", what, text_of(result)), remedy_for(result));
  }

  // Records in CLOCK_MONOTONIC. A CUPTI that will not use our clock has its own, at a distance that is measured once.
  void set_clock() {
    const CUptiResult result =
        cuptiActivityRegisterTimestampCallback([]() -> uint64_t { return static_cast<uint64_t>(now_ns()); });
    if (result == CUPTI_SUCCESS) return;
    const int64_t before_ns = now_ns();
    uint64_t theirs = 0;
    if (cuptiGetTimestamp(&theirs) != CUPTI_SUCCESS) check("cuptiActivityRegisterTimestampCallback", result);
    shift_ns_ = (before_ns + now_ns()) / 2 - static_cast<int64_t>(theirs);
    recording_.problem = fmt::format(
        "CUPTI refused the host's clock ({}): times were moved there from its own, and may be off by microseconds",
        text_of(result));
  }

  int64_t host_ns(uint64_t of_cupti) const { return static_cast<int64_t>(of_cupti) + shift_ns_; }

  // NVTX asks this variable, at its first use in each module, for the library that wants its ranges.
  static void offer_nvtx() {
    Dl_info library;
    if (::dladdr(reinterpret_cast<const void*>(&cuptiActivityEnable), &library) != 0 && library.dli_fname != nullptr)
      ::setenv("NVTX_INJECTION64_PATH", library.dli_fname, 0);
  }

  // Which thread launched what: of the calls of the runtime only those that launch, because a thread that spins on
  // an event makes millions of others.
  static void watch_launches() {
#ifdef COTENANT_CUPTI_CHOOSES_CALLS
    for (const CUpti_CallbackId call :
         {CUPTI_RUNTIME_TRACE_CBID_cudaGraphLaunch_v10000, CUPTI_RUNTIME_TRACE_CBID_cudaGraphLaunch_ptsz_v10000,
          CUPTI_RUNTIME_TRACE_CBID_cudaLaunchKernel_v7000, CUPTI_RUNTIME_TRACE_CBID_cudaLaunchKernelExC_v11060,
          CUPTI_RUNTIME_TRACE_CBID_cudaMemcpyAsync_v3020, CUPTI_RUNTIME_TRACE_CBID_cudaMemsetAsync_v3020})
      cuptiActivityEnableRuntimeApi(call, 1);
#if CUPTI_API_VERSION >= 130000
    cuptiActivityEnableRuntimeApi(CUPTI_RUNTIME_TRACE_CBID___cudaLaunchKernel_v13000, 1);
#endif
#endif
  }

  static void CUPTIAPI on_buffer_wanted(uint8_t** buffer, size_t* size, size_t* max_records) {
    *buffer = static_cast<uint8_t*>(std::aligned_alloc(kAlignment, kBufferBytes));
    *size = *buffer != nullptr ? kBufferBytes : 0;  // without memory CUPTI drops records, and counts them
    *max_records = 0;                               // as many as fit
  }

  static void CUPTIAPI on_buffer_complete(CUcontext context, uint32_t stream, uint8_t* buffer, size_t, size_t valid) {
    instance().take_buffer(context, stream, buffer, valid);
    std::free(buffer);
  }

  void take_buffer(CUcontext context, uint32_t stream, uint8_t* buffer, size_t valid) {
    const std::lock_guard lock(mutex_);
    CUpti_Activity* record = nullptr;
    CUptiResult result = CUPTI_SUCCESS;
    while (buffer != nullptr && valid > 0 &&
           (result = cuptiActivityGetNextRecord(buffer, valid, &record)) == CUPTI_SUCCESS)
      take(*record);
    if (result != CUPTI_SUCCESS && result != CUPTI_ERROR_MAX_LIMIT_REACHED && recording_.problem.empty())
      recording_.problem = fmt::format("cuptiActivityGetNextRecord: {}", text_of(result));
    size_t dropped = 0;
    if (cuptiActivityGetNumDroppedRecords(context, stream, &dropped) == CUPTI_SUCCESS) recording_.dropped += dropped;
  }

  void take(const CUpti_Activity& record) {
    switch (record.kind) {
      case CUPTI_ACTIVITY_KIND_KERNEL:
      case CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL:
        take_kernel(reinterpret_cast<const KernelRecord&>(record));
        break;
      case CUPTI_ACTIVITY_KIND_MEMCPY:
        take_copy(reinterpret_cast<const CopyRecord&>(record));
        break;
      case CUPTI_ACTIVITY_KIND_MEMSET:
        take_fill(reinterpret_cast<const FillRecord&>(record));
        break;
      case CUPTI_ACTIVITY_KIND_MARKER:
        take_marker(reinterpret_cast<const CUpti_ActivityMarker2&>(record));
        break;
      case CUPTI_ACTIVITY_KIND_RUNTIME: {
        const auto& call = reinterpret_cast<const CUpti_ActivityAPI&>(record);
        // Of launches whose kernels are over the limit nobody will ask.
        if (host_ns(call.end) >= from_ns_ && recording_.activities.size() < options_.most)
          threads_[call.correlationId] = call.threadId;
        break;
      }
      default:
        break;
    }
  }

  // Everything of the device has these fields. The record is packed: its values are copied.
  template <class Record>
  void take_timed(const Record& record, DeviceActivity activity, const char* name) {
    const uint64_t start = record.start, end = record.end;
    if (start == 0 || end < start) {
      if (from_ns_ != std::numeric_limits<int64_t>::max()) ++recording_.untimed;
      return;
    }
    activity.start_ns = host_ns(start);
    activity.end_ns = host_ns(end);
    activity.stream = record.streamId;
    activity.graph = record.graphId;
    keep(activity, name, record.correlationId);
  }

  void take_kernel(const KernelRecord& record) {
    DeviceActivity activity;
    activity.kind = DeviceActivity::Kind::kernel;
    activity.size =
        static_cast<uint64_t>(record.gridX) * static_cast<uint64_t>(record.gridY) * static_cast<uint64_t>(record.gridZ);
    activity.threads = static_cast<uint32_t>(record.blockX * record.blockY * record.blockZ);
    take_timed(record, activity, record.name);
  }

  void take_copy(const CopyRecord& record) {
    DeviceActivity activity;
    activity.kind = DeviceActivity::Kind::copy;
    activity.size = record.bytes;
    take_timed(record, activity, copy_name(record.copyKind));
  }

  void take_fill(const FillRecord& record) {
    DeviceActivity activity;
    activity.kind = DeviceActivity::Kind::fill;
    activity.size = record.bytes;
    take_timed(record, activity, "fill");
  }

  // A range is two records of one id; only the first one has the name.
  void take_marker(const CUpti_ActivityMarker2& record) {
    const uint32_t id = record.id;
    const int64_t at_ns = host_ns(record.timestamp);
    if ((record.flags & CUPTI_ACTIVITY_FLAG_MARKER_START) != 0) {
      DeviceActivity range;
      range.kind = DeviceActivity::Kind::range;
      range.start_ns = at_ns;
      if (record.objectKind == CUPTI_ACTIVITY_OBJECT_THREAD) range.thread = record.objectId.pt.threadId;
      range.name = name_index(record.name);
      open_ranges_[id] = range;
    } else if ((record.flags & CUPTI_ACTIVITY_FLAG_MARKER_END) != 0) {
      const auto open = open_ranges_.find(id);
      if (open == open_ranges_.end()) return;
      DeviceActivity range = open->second;
      open_ranges_.erase(open);
      range.end_ns = at_ns;
      if (range.end_ns >= range.start_ns) keep(range, nullptr, 0);
    }
  }

  void keep(DeviceActivity activity, const char* name, uint32_t correlation) {
    if (activity.end_ns < from_ns_) return;
    if (recording_.activities.size() >= options_.most) {
      ++recording_.over_limit;
      return;
    }
    if (name != nullptr) activity.name = name_index(name);
    recording_.activities.push_back(activity);
    correlations_.push_back(correlation);
  }

  // Names are the same pointer in all records of a kernel.
  uint32_t name_index(const char* name) {
    if (name == nullptr) name = "(no name)";
    const auto [known, is_new] = by_pointer_.try_emplace(name, 0);
    if (!is_new && names_seen_[known->second] == name) return indices_[known->second];
    if (is_new) {
      known->second = names_seen_.size();
      names_seen_.emplace_back();
      indices_.push_back(0);
    }
    names_seen_[known->second] = name;
    const std::string text = demangled(name);
    const auto [entry, is_new_text] = by_text_.try_emplace(text, static_cast<uint32_t>(recording_.names.size()));
    if (is_new_text) recording_.names.push_back(text);
    return indices_[known->second] = entry->second;
  }

  // A launch and its kernels have one correlation id; a stream of which one launch is known belongs to that thread.
  void attribute() {
    std::unordered_map<uint32_t, uint32_t> thread_of_stream;
    auto& activities = recording_.activities;
    for (size_t i = 0; i < activities.size(); ++i) {
      const auto found = threads_.find(correlations_[i]);
      if (activities[i].kind == DeviceActivity::Kind::range || found == threads_.end()) continue;
      activities[i].thread = found->second;
      thread_of_stream[activities[i].stream] = found->second;
    }
    for (DeviceActivity& activity : activities) {
      if (activity.kind == DeviceActivity::Kind::range || activity.thread != 0) continue;
      const auto found = thread_of_stream.find(activity.stream);
      if (found != thread_of_stream.end()) activity.thread = found->second;
    }
    threads_.clear();
  }

  CuptiOptions options_;
  int64_t shift_ns_ = 0;  // from CUPTI's clock to ours
  std::atomic<int64_t> from_ns_{std::numeric_limits<int64_t>::max()};
  std::mutex mutex_;  // of all that follows
  DeviceRecording recording_;
  std::vector<uint32_t> correlations_;              // of recording_.activities
  std::unordered_map<uint32_t, uint32_t> threads_;  // correlation id of a launch -> thread
  std::unordered_map<uint32_t, DeviceActivity> open_ranges_;
  std::unordered_map<const void*, size_t> by_pointer_;  // into the next two
  std::vector<std::string> names_seen_;                 // a pointer may be used again for another text
  std::vector<uint32_t> indices_;                       // into recording_.names
  std::unordered_map<std::string, uint32_t> by_text_;
};

}  // namespace
}  // namespace cotenant

// The one symbol that the module shows.
extern "C" __attribute__((visibility("default"))) const cotenant::CuptiModule* cotenant_cupti_module() {
  using cotenant::Recorder;
  static const cotenant::CuptiModule module{
      cotenant::version(), [](const cotenant::CuptiOptions& options) { Recorder::instance().start(options); },
      [](int64_t instant_ns) { Recorder::instance().keep_from(instant_ns); },
      [] { return Recorder::instance().stop(); }};
  return &module;
}
