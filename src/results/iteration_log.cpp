#include "results/iteration_log.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <optional>
#include <system_error>

#include "base/error.h"
#include "base/new_file.h"

namespace cotenant {
namespace {

namespace fs = std::filesystem;

constexpr size_t kLogBufferBytes = size_t{16} << 10;
constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

// One iteration; its token times follow.
struct Row {
  double latency_ms, start_s, end_s, ttft_ms, tpot_ms;
  int64_t tokens_in, tokens_out;  // -1: unknown
  uint32_t token_times, status;
};

std::optional<double> known(double value) {
  return value == value ? std::optional(value) : std::nullopt;
}

std::optional<int64_t> known(int64_t value) {
  return value >= 0 ? std::optional(value) : std::nullopt;
}

// A file system without O_TMPFILE gets a name for an instant.
Fd open_unnamed(const fs::path& directory) {
  Fd file(::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (file || (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT && errno != EINVAL)) return file;
  const fs::path name = directory / (std::string(kTemporaryPrefix) + random_name());
  file = Fd(::open(name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (file) ::unlink(name.c_str());
  return file;
}

// The iterations of whole rows.
void use_all(std::string_view bytes, const std::function<void(const Iteration&)>& use) {
  const auto take = [&](void* to, size_t count) {
    std::memcpy(to, bytes.data(), count);
    bytes.remove_prefix(count);
  };
  Iteration iteration;
  while (!bytes.empty()) {
    Row row;
    take(&row, sizeof row);
    iteration.latency_ms = row.latency_ms;
    iteration.start_s = known(row.start_s);
    iteration.end_s = known(row.end_s);
    iteration.ttft_ms = known(row.ttft_ms);
    iteration.tpot_ms = known(row.tpot_ms);
    iteration.tokens_in = known(row.tokens_in);
    iteration.tokens_out = known(row.tokens_out);
    iteration.status = static_cast<IterationStatus>(row.status);
    iteration.token_s.resize(row.token_times);
    if (row.token_times > 0) take(iteration.token_s.data(), row.token_times * sizeof(double));
    use(iteration);
  }
}

}  // namespace

IterationStore::IterationStore(fs::path directory) : directory_(std::move(directory)) {
  rlimit limit{};
  most_bytes_ = ::getrlimit(RLIMIT_FSIZE, &limit) == 0 ? limit.rlim_cur : RLIM_INFINITY;
}

Fd& IterationStore::file_at(uint64_t at) {
  const size_t index = at / most_bytes_;
  if (index < files_.size()) return files_[index];
  Fd file = open_unnamed(directory_);
  std::error_code none;
  if (!file && errno == ENOENT) file = open_unnamed(fs::temp_directory_path(none));  // somebody has removed it
  if (!file) throw file_error(directory_.string(), "open");
  return files_.emplace_back(std::move(file));
}

void IterationStore::reserve(uint64_t bytes) {
  ::posix_fallocate(file_at(0).get(), 0, static_cast<off_t>(std::min(bytes, most_bytes_)));
}

uint64_t IterationStore::append(std::string_view bytes) {
  if (dropped_) return end_;
  if (end_ % most_bytes_ + bytes.size() > most_bytes_) end_ += most_bytes_ - end_ % most_bytes_;
  const Fd& file = file_at(end_);
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t written =
        ::pwrite(file.get(), bytes.data() + done, bytes.size() - done, static_cast<off_t>(end_ % most_bytes_ + done));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) throw file_error(directory_.string(), "write");
    done += static_cast<size_t>(written);
  }
  return std::exchange(end_, end_ + bytes.size());
}

void IterationStore::read(uint64_t at, std::string& bytes) const {
  const Fd& file = files_.at(at / most_bytes_);
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t got =
        ::pread(file.get(), bytes.data() + done, bytes.size() - done, static_cast<off_t>(at % most_bytes_ + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw system_error(directory_.string(), "read");
    if (got == 0) throw internal_error(directory_.string(), "the iterations of a run have become fewer");
    done += static_cast<size_t>(got);
  }
}

void IterationStore::drop() {
  files_.clear();
  dropped_ = true;
}

void IterationLog::append(const Iteration& iteration) {
  const Row row{.latency_ms = iteration.latency_ms,
                .start_s = iteration.start_s.value_or(kNone),
                .end_s = iteration.end_s.value_or(kNone),
                .ttft_ms = iteration.ttft_ms.value_or(kNone),
                .tpot_ms = iteration.tpot_ms.value_or(kNone),
                .tokens_in = iteration.tokens_in.value_or(-1),
                .tokens_out = iteration.tokens_out.value_or(-1),
                .token_times = static_cast<uint32_t>(iteration.token_s.size()),
                .status = static_cast<uint32_t>(iteration.status)};
  buffer_.append(reinterpret_cast<const char*>(&row), sizeof row);
  buffer_.append(reinterpret_cast<const char*>(iteration.token_s.data()), iteration.token_s.size() * sizeof(double));
  ++size_;
  if (buffer_.size() < kLogBufferBytes) return;
  pieces_.push_back({store_->append(buffer_), buffer_.size()});
  buffer_.clear();
}

void IterationLog::for_each(const std::function<void(const Iteration&)>& use) const {
  std::string bytes;
  for (const Piece& piece : pieces_) {
    bytes.resize(piece.bytes);
    store_->read(piece.at, bytes);
    use_all(bytes, use);
  }
  use_all(buffer_, use);
}

}  // namespace cotenant
