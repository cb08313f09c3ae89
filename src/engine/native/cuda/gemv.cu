#include <algorithm>
#include <type_traits>

#include "engine/native/cuda/activation.cuh"
#include "engine/native/cuda/gemv.h"
#include "engine/native/cuda/launch.h"
#include "engine/native/cuda/tensor_core.cuh"

// A block computes `tiles` x 8 outputs of all rows; its warps divide the inputs among them, 64 at a time in turn, and
// add up their sums at the end. Weights go through a ring in shared memory in which every lane has its own slots, so a
// warp never waits for another before the end. Tens of kilobytes are under way on each multiprocessor at any time,
// which is what it takes to saturate device memory.
//
// The tensor cores do the arithmetic: activations are the 16-row operand A, 8 rows of weights the operand B. Since a
// sum does not care for the order of its terms, a lane takes 8 consecutive inputs (16 bytes) where the operands' layout
// would give it two pairs apart from each other; A and B are permuted alike.
//
// RMSNorm costs no pass of its own: w (x scale) is computed, and multiplied in the end by 1 / rms(x), which comes out
// of the same pass: the products x x^T on the tensor cores have the sums of squares on their diagonal.
namespace cotenant {
namespace {

constexpr int lane_bytes = 16;  // of one copy: 8 weights
// Of a warp and a step: 4 lanes x 8 weights, twice, so that whole lines of 128 bytes are read.
constexpr int step_inputs = 64;
constexpr int max_threads = 512;

template <typename T>
struct Arguments {
  T* y;
  const T* w;
  const T* bias;
  const T* x;
  int rows, in, out, padded_out;
  Activation activation;
  bool accumulate, gated;
  const T* scale;  // of the norm; nullptr: none
  float eps;
};

template <typename T>
Arguments<T> make_arguments(const Gemv& g) {
  return {.y = static_cast<T*>(g.y),
          .w = static_cast<const T*>(g.w),
          .bias = static_cast<const T*>(g.bias),
          .x = static_cast<const T*>(g.x),
          .rows = static_cast<int>(g.rows),
          .in = static_cast<int>(g.in),
          .out = static_cast<int>(g.out),
          .padded_out = static_cast<int>(g.padded_out),
          .activation = g.activation,
          .accumulate = g.accumulate,
          .gated = g.gated,
          .scale = static_cast<const T*>(g.norm.scale.data),
          .eps = g.norm.eps};
}

// The row of w that is row `row` of tile `tile` of this block; the last one again where there is none. When gated, the
// first half of a block's tiles are gates and the second half the ups of the same outputs.
template <int tiles, typename T>
__device__ int weight_row(const Arguments<T>& a, int tile, int row) {
  if (!a.gated) return min(blockIdx.x * tiles * 8 + tile * 8 + row, a.padded_out - 1);
  constexpr int gates = tiles > 1 ? tiles / 2 : 1;
  const int half = a.out / 2;
  const int output = min(blockIdx.x * gates * 8 + tile % gates * 8 + row, half - 1);
  return tile < gates ? output : half + output;
}

// Eight activations of one row as the two pairs of operands A of two products.
struct alignas(16) Activations {
  uint32_t pairs[4];
};

template <typename T>
__device__ Activations load_activations(const Arguments<T>& a, int row, int input) {
  if (row >= a.rows || input >= a.in) return {};
  // Not through L1: it may hold what the row was before the last kernel wrote it.
  const uint4 v = __ldcg(reinterpret_cast<const uint4*>(a.x + static_cast<int64_t>(row) * a.in + input));
  return {{v.x, v.y, v.z, v.w}};
}

template <typename T>
__device__ uint32_t multiply_pairs(uint32_t a, uint32_t b) {
  using Pair = std::conditional_t<std::is_same_v<T, __half>, __half2, __nv_bfloat162>;
  const Pair product = __hmul2(reinterpret_cast<const Pair&>(a), reinterpret_cast<const Pair&>(b));
  return reinterpret_cast<const uint32_t&>(product);
}

template <typename T>
__device__ void multiply_by(Activations& x, const uint4& scale) {
  x = {{multiply_pairs<T>(x.pairs[0], scale.x), multiply_pairs<T>(x.pairs[1], scale.y),
        multiply_pairs<T>(x.pairs[2], scale.z), multiply_pairs<T>(x.pairs[3], scale.w)}};
}

template <typename T>
__device__ float read_uncached(const T* pointer) {
  const unsigned short bits = __ldcg(reinterpret_cast<const unsigned short*>(pointer));
  return static_cast<float>(reinterpret_cast<const T&>(bits));
}

// Adds up the warps' sums, each [tiles][rows of the operand][8] and then [rows of the operand] of squares, `warp_bytes`
// apart, and writes the block's outputs.
template <typename T, int tiles, int operand_rows>
__device__ void finish(const Arguments<T>& a, const unsigned char* sums, int warp_bytes) {
  const int warps = blockDim.x / 32;
  const auto total = [&](int at) {
    float sum = 0;
    for (int w = 0; w < warps; ++w) sum += reinterpret_cast<const float*>(sums + w * warp_bytes)[at];
    return sum;
  };
  const auto product = [&](int tile, int row, int column) { return total((tile * operand_rows + row) * 8 + column); };
  const int outputs_of_block = (a.gated ? tiles / 2 : tiles) * 8;
  const int outputs = a.gated ? a.out / 2 : a.out, stride = a.gated ? a.out / 2 : a.padded_out;
  for (int i = threadIdx.x; i < a.rows * outputs_of_block; i += blockDim.x) {
    const int row = i / outputs_of_block, column = i % outputs_of_block;
    const int output = blockIdx.x * outputs_of_block + column;
    if (output >= outputs) continue;
    const auto bias = [&](int at) { return a.bias ? static_cast<float>(a.bias[at]) : 0.f; };
    const float factor =
        a.scale ? rsqrtf(total(tiles * operand_rows * 8 + row) / static_cast<float>(a.in) + a.eps) : 1.f;
    float value = product(column / 8, row, column % 8) * factor + bias(output);
    T* y = a.y + static_cast<int64_t>(row) * stride + output;
    if (a.gated) {
      const float up = product(tiles / 2 + column / 8, row, column % 8) * factor + bias(outputs + output);
      value =
          activate(a.activation, static_cast<float>(static_cast<T>(value))) * static_cast<float>(static_cast<T>(up));
    } else {
      value = a.accumulate ? value + read_uncached(y) : activate(a.activation, value);
    }
    *y = static_cast<T>(value);
  }
}

// How a warp's part of shared memory is laid out: for each stage of the ring the weights, a slot of 16 bytes a lane for
// each tile and half of a step; the activations, 64 bytes a row for each half; and with a norm its scale, 64 bytes for
// each half. The warp's sums take the place of the ring in the end.
template <int tiles, bool over_8_rows>
struct Ring {
  static constexpr int halves = 2;  // of a step: inputs 0..31 and 32..63
  static constexpr int slot_bytes = 32 * lane_bytes;
  static constexpr int row_bytes = 4 * lane_bytes;
  static constexpr int operand_rows = over_8_rows ? 16 : 8;
  static constexpr int sums = tiles * operand_rows * 8;

  int rows;
  bool normed;

  __host__ __device__ int stage_bytes() const {
    return halves * (tiles * slot_bytes + (rows + (normed ? 1 : 0)) * row_bytes);
  }
  __host__ __device__ int warp_bytes(int stages) const {
    const int ring_bytes = stages * stage_bytes();
    constexpr int sums_bytes = (sums + operand_rows) * static_cast<int>(sizeof(float));
    return ring_bytes > sums_bytes ? ring_bytes : sums_bytes;
  }
  __device__ int weights(int tile, int half, int lane) const {
    return (tile * halves + half) * slot_bytes + lane * lane_bytes;
  }
  __device__ int activations(int row, int half, int t) const {
    return halves * tiles * slot_bytes + (half * rows + row) * row_bytes + t * lane_bytes;
  }
  __device__ int scale(int half, int t) const { return activations(half, 2, t); }  // behind both halves' rows
};

template <typename T, int tiles, int stages, bool over_8_rows>
__global__ void __launch_bounds__(max_threads) gemv_kernel(const Arguments<T> a) {
  using R = Ring<tiles, over_8_rows>;
  const R layout{a.rows, a.scale != nullptr};
  constexpr int row_blocks = over_8_rows ? 2 : 1;
  extern __shared__ __align__(128) unsigned char shared[];
  let_successor_start();

  const int warp = threadIdx.x / 32, warps = blockDim.x / 32, lane = threadIdx.x % 32;
  const int g = lane / 4, t = lane % 4;
  const T* weights[tiles];
#pragma unroll
  for (int m = 0; m < tiles; ++m) weights[m] = a.w + static_cast<int64_t>(weight_row<tiles>(a, m, g)) * a.in;
  const int all_steps = (a.in + step_inputs - 1) / step_inputs;
  const int steps = (all_steps - warp + warps - 1) / warps;  // of this warp: warp, warp + warps, ...
  const auto input_of = [&](int step, int half) { return (warp + step * warps) * step_inputs + 32 * half + 8 * t; };

  const int warp_bytes = layout.warp_bytes(stages), stage_bytes = layout.stage_bytes();
  unsigned char* const ring = shared + warp * warp_bytes;
  const auto request_weights = [&](int step, int stage) {
    if (step >= steps) return;
#pragma unroll
    for (int h = 0; h < R::halves; ++h) {
      const int input = input_of(step, h);
      const bool inside = input < a.in;
#pragma unroll
      for (int m = 0; m < tiles; ++m)
        copy_async(shared_address(ring + stage * stage_bytes + layout.weights(m, h, lane)),
                   weights[m] + (inside ? input : 0), inside);
      if (a.scale && g == 0)  // once for all rows
        copy_async(shared_address(ring + stage * stage_bytes + layout.scale(h, t)), a.scale + (inside ? input : 0),
                   inside);
    }
  };
  const auto request_activations = [&](int step, int stage) {
    if (step >= steps) return;
#pragma unroll
    for (int h = 0; h < R::halves; ++h) {
      const int input = input_of(step, h);
      const bool inside = input < a.in;
#pragma unroll
      for (int b = 0; b < row_blocks; ++b) {
        const int row = g + 8 * b;
        if (row < a.rows)
          copy_async(shared_address(ring + stage * stage_bytes + layout.activations(row, h, t)),
                     a.x + static_cast<int64_t>(row) * a.in + (inside ? input : 0), inside);
      }
    }
  };

#pragma unroll
  for (int s = 0; s < stages; ++s) {
    request_weights(s, s);
    commit_copies();
  }

  wait_for_predecessor();
  // The activations of the first steps: by plain loads, so that no step waits for more than its own weights.
  Activations first[stages][R::halves][row_blocks];
#pragma unroll
  for (int s = 0; s < stages; ++s)
#pragma unroll
    for (int h = 0; h < R::halves; ++h)
#pragma unroll
      for (int b = 0; b < row_blocks; ++b) first[s][h][b] = load_activations(a, g + 8 * b, input_of(s, h));
#pragma unroll
  for (int s = 0; s < stages; ++s)
#pragma unroll
    for (int h = 0; h < R::halves; ++h)
#pragma unroll
      for (int b = 0; b < row_blocks; ++b)
        if (g + 8 * b < a.rows)
          *reinterpret_cast<Activations*>(ring + s * stage_bytes + layout.activations(g + 8 * b, h, t)) =
              first[s][h][b];

  float sums[tiles][4] = {};
  float squares[row_blocks][4] = {};  // of rows 8 b + g: products with rows 8 b + 2 t and the next
  int stage = 0;
  for (int step = 0; step < steps; ++step) {
    wait_copies<stages - 1>();
    if (a.scale) __syncwarp();  // it was copied by other lanes
    const unsigned char* const now = ring + stage * stage_bytes;
#pragma unroll
    for (int h = 0; h < R::halves; ++h) {
      Activations x[2] = {};  // rows 0..7 and 8..15
#pragma unroll
      for (int b = 0; b < row_blocks; ++b) {
        const int row = g + 8 * b;
        if (row < a.rows) x[b] = *reinterpret_cast<const Activations*>(now + layout.activations(row, h, t));
        if (a.scale) {  // by all lanes, as products are
          const uint32_t(&p)[4] = x[b].pairs;
          multiply_add<T>(squares[b], p[0], 0, p[1], 0, p[0], p[1]);
          multiply_add<T>(squares[b], p[2], 0, p[3], 0, p[2], p[3]);
          multiply_by<T>(x[b], *reinterpret_cast<const uint4*>(now + layout.scale(h, t)));
        }
      }
#pragma unroll
      for (int m = 0; m < tiles; ++m) {
        const uint4 w = *reinterpret_cast<const uint4*>(now + layout.weights(m, h, lane));
        multiply_add<T>(sums[m], x[0].pairs[0], x[1].pairs[0], x[0].pairs[1], x[1].pairs[1], w.x, w.y);
        multiply_add<T>(sums[m], x[0].pairs[2], x[1].pairs[2], x[0].pairs[3], x[1].pairs[3], w.z, w.w);
      }
    }
    if (a.scale) __syncwarp();
    request_weights(step + stages, stage);
    request_activations(step + stages, stage);
    commit_copies();  // empty groups keep the count
    stage = stage + 1 == stages ? 0 : stage + 1;
  }

  __syncwarp();  // other lanes' slots are about to be overwritten
#pragma unroll
  for (int m = 0; m < tiles; ++m) {
    float* const mine = reinterpret_cast<float*>(ring) + m * R::operand_rows * 8;
    *reinterpret_cast<float2*>(mine + g * 8 + 2 * t) = {sums[m][0], sums[m][1]};
    if constexpr (over_8_rows) *reinterpret_cast<float2*>(mine + (g + 8) * 8 + 2 * t) = {sums[m][2], sums[m][3]};
  }
#pragma unroll
  for (int b = 0; b < row_blocks; ++b)
    if (t == g / 2) reinterpret_cast<float*>(ring)[R::sums + 8 * b + g] = squares[b][g % 2];
  __syncthreads();
  finish<T, tiles, R::operand_rows>(a, shared, warp_bytes);
}

template <int tiles>
int bytes_of_warp(int stages, int rows, bool normed) {
  return rows <= 8 ? Ring<tiles, false>{rows, normed}.warp_bytes(stages)
                   : Ring<tiles, true>{rows, normed}.warp_bytes(stages);
}

// Of a block.
size_t shared_bytes(const GemvPlan& plan, int64_t rows, bool normed) {
  const int bytes = plan.tiles == 4 ? bytes_of_warp<4>(plan.stages, static_cast<int>(rows), normed)
                                    : bytes_of_warp<2>(plan.stages, static_cast<int>(rows), normed);
  return static_cast<size_t>(plan.warps * bytes);
}

template <typename T, int tiles, int stages, bool over_8_rows>
void launch_kernel(cudaStream_t stream, const Gemv& gemv, const GemvPlan& plan) {
  const auto kernel = gemv_kernel<T, tiles, stages, over_8_rows>;
  const size_t bytes = shared_bytes(plan, gemv.rows, static_cast<bool>(gemv.norm.scale));
  COTENANT_CUDA("product of few rows",
                cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(bytes)));
  const int64_t outputs = gemv.gated ? gemv.out / 2 : gemv.out;
  const int64_t outputs_of_block = (gemv.gated ? tiles / 2 : tiles) * 8;
  const dim3 grid(static_cast<unsigned>((outputs + outputs_of_block - 1) / outputs_of_block));
  launch("product of few rows", stream, kernel, grid, dim3(static_cast<unsigned>(plan.warps) * 32), bytes,
         make_arguments<T>(gemv));
}

template <typename T, int tiles, int stages>
void launch_rows(cudaStream_t stream, const Gemv& gemv, const GemvPlan& plan) {
  if (gemv.rows <= 8) {
    launch_kernel<T, tiles, stages, false>(stream, gemv, plan);
  } else {
    launch_kernel<T, tiles, stages, true>(stream, gemv, plan);
  }
}

size_t most_shared_bytes() {
  int device = 0, bytes = 0;
  COTENANT_CUDA("product of few rows", cudaGetDevice(&device));
  COTENANT_CUDA("product of few rows", cudaDeviceGetAttribute(&bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, device));
  return static_cast<size_t>(bytes);
}

}  // namespace

bool gemv_supported(Dtype dtype, int64_t rows, int64_t in, int64_t out) {
  return (dtype == Dtype::f16 || dtype == Dtype::bf16) && rows >= 1 && rows <= gemv_max_rows && in % 8 == 0 && out >= 1;
}

std::span<const GemvPlan> gemv_plans() {
  static constexpr GemvPlan plans[] = {
      {.tiles = 2, .warps = 8, .stages = 2},  {.tiles = 2, .warps = 8, .stages = 3},
      {.tiles = 2, .warps = 8, .stages = 4},  {.tiles = 2, .warps = 16, .stages = 2},
      {.tiles = 2, .warps = 16, .stages = 3}, {.tiles = 4, .warps = 8, .stages = 2},
      {.tiles = 4, .warps = 16, .stages = 2},
  };
  return plans;
}

bool gemv_plan_fits(const GemvPlan& plan, int64_t rows, bool normed) {
  return shared_bytes(plan, rows, normed) <= most_shared_bytes();
}

// Measured on an H100. Where there are few blocks, more warps each keep more loads under way; with several rows the
// activations take room in the ring, and wide blocks read them less often. Of short rows (small models), the copies of
// a large matrix must not wait for warps without work.
GemvPlan gemv_default_plan(const Gemv& gemv) {
  const int64_t blocks = (gemv.out + 15) / 16, rows = gemv.rows;
  const bool few = blocks <= 264, narrow = gemv.in < 2048;
  const auto choose = [&]() -> GemvPlan {
    if (rows > 8) return {.tiles = 4, .warps = few ? 16 : 8, .stages = 2};
    if (narrow && blocks > 500) return {.tiles = rows > 4 ? 4 : 2, .warps = 8, .stages = 2};
    if (narrow) return {.tiles = 2, .warps = 16, .stages = 2};
    if (blocks <= 66) return {.tiles = 2, .warps = 16, .stages = 3};
    if (rows == 1 && few) return {.tiles = 2, .warps = 16, .stages = gemv.in >= 8192 ? 3 : 2};
    if (rows == 1) return {.tiles = 2, .warps = 8, .stages = 4};
    if (few) return {.tiles = rows > 4 ? 4 : 2, .warps = 16, .stages = 2};
    if (rows > 4 && blocks > 500 && blocks < 1200) return {.tiles = 4, .warps = 8, .stages = 2};
    return {.tiles = 2, .warps = 8, .stages = 3};
  };
  const GemvPlan plan = choose(), smallest{.tiles = 2, .warps = 8, .stages = 2};
  return gemv_plan_fits(plan, rows, static_cast<bool>(gemv.norm.scale)) ? plan : smallest;
}

void launch_gemv(cudaStream_t stream, const Gemv& gemv) {
  launch_gemv(stream, gemv, gemv_default_plan(gemv));
}

void launch_gemv(cudaStream_t stream, const Gemv& gemv, const GemvPlan& plan) {
  if (gemv.norm.scale && gemv.norm.kind != NormKind::rms)
    throw internal_error("launch_gemv", "of the norms only RMSNorm can be part of a product");
  with_type(gemv.dtype, [&]<typename T>(T) {
    if constexpr (sizeof(T) == 2) {
      if (plan.tiles == 4) return launch_rows<T, 4, 2>(stream, gemv, plan);
      if (plan.stages == 2) return launch_rows<T, 2, 2>(stream, gemv, plan);
      if (plan.stages == 3) return launch_rows<T, 2, 3>(stream, gemv, plan);
      return launch_rows<T, 2, 4>(stream, gemv, plan);
    } else {
      throw internal_error("launch_gemv", "only float16 and bfloat16 are supported");
    }
  });
}

}  // namespace cotenant
