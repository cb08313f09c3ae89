// Any bytes as kernel_names.json and, behind a line "%%", kernels.csv: activities that have a name and an order in
// time, or an Error.
#include "input.h"
#include "results/kernels.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace cotenant;
  constexpr std::string_view mark = "\n%%\n";
  const std::string_view text = text_of(data, size);
  const size_t at = text.find(mark);
  const auto directory = file_with(text.substr(0, at), "kernel_names.json").parent_path();
  file_with(at == text.npos ? "" : text.substr(at + mark.size()), "kernels.csv");
  must_read_or_refuse([&] {
    const KernelRecords records = read_kernels(directory);
    for (const KernelActivity& activity : records.activities)
      if (activity.name >= records.names.size() || !(activity.start_s <= activity.end_s)) std::abort();
    write_kernels(directory, records);
    if (read_kernels(directory).activities.size() != records.activities.size()) std::abort();
  });
  return 0;
}
