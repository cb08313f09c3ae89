#include "results/iteration_log.h"

#include <fcntl.h>
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
constexpr size_t kLogReadBytes = size_t{256} << 10;
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

// Hands out the bytes of a file, and then those of a buffer.
class Bytes {
 public:
  Bytes(int file, uint64_t bytes, const std::string& rest, const fs::path& path)
      : file_(file), left_(bytes), rest_(&rest), path_(path) {}

  // False at the end, where nothing of an iteration can be left.
  bool take(void* to, size_t bytes) {
    auto* out = static_cast<char*>(to);
    while (bytes > 0) {
      if (at_ == piece_.size() && !next_piece()) return false;
      const size_t some = std::min(bytes, piece_.size() - at_);
      std::memcpy(out, piece_.data() + at_, some);
      at_ += some;
      out += some;
      bytes -= some;
    }
    return true;
  }

 private:
  bool next_piece() {
    at_ = 0;
    if (left_ == 0) {
      piece_ = rest_ ? *rest_ : std::string();
      rest_ = nullptr;
      return !piece_.empty();
    }
    piece_.resize(std::min<uint64_t>(left_, kLogReadBytes));
    ssize_t got = -1;
    do got = ::pread(file_, piece_.data(), piece_.size(), static_cast<off_t>(offset_));
    while (got < 0 && errno == EINTR);
    if (got < 0) throw system_error(path_.string(), "read");
    if (got == 0) throw internal_error(path_.string(), "the iterations of a run have become fewer");
    piece_.resize(static_cast<size_t>(got));
    offset_ += static_cast<uint64_t>(got);
    left_ -= static_cast<uint64_t>(got);
    return true;
  }

  int file_;
  uint64_t offset_ = 0, left_;
  const std::string* rest_;  // null: handed out
  const fs::path& path_;
  std::string piece_;
  size_t at_ = 0;
};

}  // namespace

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
  if (buffer_.size() >= kLogBufferBytes) spill();
}

void IterationLog::spill() {
  if (!file_) file_ = open_unnamed(directory_);
  std::error_code none;
  if (!file_ && errno == ENOENT) file_ = open_unnamed(fs::temp_directory_path(none));  // somebody has removed it
  if (!file_) throw file_error(directory_.string(), "open");
  for (size_t done = 0; done < buffer_.size();) {
    const ssize_t written =
        ::pwrite(file_.get(), buffer_.data() + done, buffer_.size() - done, static_cast<off_t>(bytes_ + done));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) throw file_error(directory_.string(), "write");
    done += static_cast<size_t>(written);
  }
  bytes_ += buffer_.size();
  buffer_.clear();
}

void IterationLog::for_each(const std::function<void(const Iteration&)>& use) const {
  Bytes bytes(file_.get(), bytes_, buffer_, directory_);
  Iteration iteration;
  Row row{};
  while (bytes.take(&row, sizeof row)) {
    iteration.latency_ms = row.latency_ms;
    iteration.start_s = known(row.start_s);
    iteration.end_s = known(row.end_s);
    iteration.ttft_ms = known(row.ttft_ms);
    iteration.tpot_ms = known(row.tpot_ms);
    iteration.tokens_in = known(row.tokens_in);
    iteration.tokens_out = known(row.tokens_out);
    iteration.status = static_cast<IterationStatus>(row.status);
    iteration.token_s.resize(row.token_times);
    bytes.take(iteration.token_s.data(), row.token_times * sizeof(double));
    use(iteration);
  }
}

}  // namespace cotenant
