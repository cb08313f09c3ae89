#include "engine/native/cuda/weight_loader.h"

#include <algorithm>

#include "base/error.h"
#include "base/input_file.h"

namespace cotenant {
namespace {

constexpr int threads = 8;
constexpr size_t piece_bytes = WeightLoader::device_staging_bytes / (2 * threads);

}  // namespace

WeightLoader::WeightLoader(cudaStream_t stream, int device, void* device_staging)
    : stream_(stream), device_(device), device_staging_(static_cast<std::byte*>(device_staging)) {}

WeightLoader::~WeightLoader() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    pieces_.clear();
  }
  changed_.notify_all();
}

WeightLoader::Lane::Lane(std::byte* staging) : stream(make_stream()) {
  for (int buffer = 0; buffer < 2; ++buffer) {
    pinned[buffer] = allocate_pinned(piece_bytes);
    device[buffer] = staging + static_cast<size_t>(buffer) * piece_bytes;
    sent[buffer] = make_event(cudaEventDisableTiming);
  }
}

void WeightLoader::start_threads() {
  for (int i = 0; i < threads; ++i)
    threads_.emplace_back([this, i] {
      try {
        work(device_staging_ + static_cast<size_t>(2 * i) * piece_bytes);
      } catch (...) {
        const std::lock_guard lock(mutex_);
        if (!failure_) failure_ = std::current_exception();
      }
    });
}

void WeightLoader::bring(const TensorSource& source, const WeightPlace& place) {
  if (!source.file) return launch_generate(stream_, place, source.fill);
  const size_t row_bytes = static_cast<size_t>(place.columns) * size_of(source.dtype);
  if (row_bytes > piece_bytes)
    throw usage_error(source.name, "has rows of more than 2 MiB, which the CUDA engine does not support");
  if (threads_.empty()) {
    // What is being cleared or generated on the engine's stream is done before other streams write beside it.
    COTENANT_CUDA("load weights", cudaStreamSynchronize(stream_));
    start_threads();
  }
  const auto rows_at_once = static_cast<int64_t>(piece_bytes / row_bytes);
  for (int64_t row = 0; row < place.rows; row += rows_at_once) {
    Piece piece{.file = source.file,
                .offset = source.offset + static_cast<uint64_t>(row) * row_bytes,
                .bytes = 0,
                .dtype = source.dtype,
                .place = place};
    piece.place.rows = std::min(rows_at_once, place.rows - row);
    piece.bytes = static_cast<size_t>(piece.place.rows) * row_bytes;
    if (place.transposed)
      piece.place.first_row = place.first_row + row;
    else
      piece.place.to =
          static_cast<std::byte*>(place.to) + static_cast<size_t>(row * place.columns) * size_of(place.dtype);
    const std::lock_guard lock(mutex_);
    pieces_.push_back(piece);
  }
  changed_.notify_all();
}

bool WeightLoader::take(Piece& piece) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return closed_ || !pieces_.empty(); });
  if (pieces_.empty() || failure_) return false;
  piece = pieces_.front();
  pieces_.pop_front();
  return true;
}

void WeightLoader::send(Lane& lane, int buffer, const Piece& piece) const {
  COTENANT_CUDA("load weights", cudaEventSynchronize(lane.sent[buffer].get()));
  piece.file->read_at(piece.offset, {static_cast<std::byte*>(lane.pinned[buffer].get()), piece.bytes});
  const bool as_it_is = piece.dtype == piece.place.dtype && !piece.place.transposed;
  void* to = as_it_is ? piece.place.to : lane.device[buffer];
  COTENANT_CUDA("load weights",
                cudaMemcpyAsync(to, lane.pinned[buffer].get(), piece.bytes, cudaMemcpyHostToDevice, lane.stream.get()));
  if (!as_it_is) launch_convert(lane.stream.get(), piece.place, to, piece.dtype);
  COTENANT_CUDA("load weights", cudaEventRecord(lane.sent[buffer].get(), lane.stream.get()));
}

void WeightLoader::work(std::byte* staging) {
  COTENANT_CUDA("load weights", cudaSetDevice(device_));
  Lane lane(staging);
  Piece piece{};
  for (int buffer = 0; take(piece); buffer = 1 - buffer) send(lane, buffer, piece);
  COTENANT_CUDA("load weights", cudaStreamSynchronize(lane.stream.get()));
}

void WeightLoader::finish() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  changed_.notify_all();
  threads_.clear();  // joins
  if (failure_) std::rethrow_exception(failure_);
  COTENANT_CUDA("load weights", cudaStreamSynchronize(stream_));
  closed_ = false;
}

}  // namespace cotenant
