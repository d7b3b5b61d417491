// Peak fused multiply-adds in single precision, and read+write bandwidth by working set.
//
// Usage: roofline THREADS BYTES...
// Prints "fma GFLOPS" and one "bytes WORKING_SET GB_PER_S" a size, all threads together. Every
// thread works on its own equal part of the working set.

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <thread>
#include <vector>

namespace {

#if defined(__AVX512F__)
constexpr int kBytes = 64;
#elif defined(__AVX__)
constexpr int kBytes = 32;
#else
constexpr int kBytes = 16;
#endif
constexpr int kLanes = kBytes / sizeof(float);
// Enough independent sums to hide the latency of two FMA units, few enough for the registers.
constexpr int kChains = kBytes == 64 ? 16 : 10;
#if defined(__AVX512F__)
#define IN_REGISTER "+v"  // all 32 registers
#else
#define IN_REGISTER "+x"
#endif
typedef float Vector __attribute__((vector_size(kBytes)));

double Seconds() {
  using Clock = std::chrono::steady_clock;
  return std::chrono::duration<double>(Clock::now().time_since_epoch()).count();
}

double OnAllThreads(int threads, const std::function<void(int)>& body) {
  const double started = Seconds();
  std::vector<std::thread> workers;
  for (int i = 0; i < threads; ++i) workers.emplace_back(body, i);
  for (std::thread& worker : workers) worker.join();
  return Seconds() - started;
}

float sink[1024];

void MultiplyAdd(int thread, int64_t rounds) {
  Vector sums[kChains];
  // Every loop over the chains is unrolled, or the sums would live in memory.
#pragma GCC unroll 16
  for (int chain = 0; chain < kChains; ++chain) sums[chain] = Vector{} + float(chain + thread);
  const Vector factor = Vector{} + 0.999f, addend = Vector{} + 0.001f;
  for (int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 16
    for (int chain = 0; chain < kChains; ++chain) sums[chain] = sums[chain] * factor + addend;
    // Keeps the loop from being folded.
#pragma GCC unroll 16
    for (int chain = 0; chain < kChains; ++chain) asm volatile("" : IN_REGISTER(sums[chain]));
  }
#pragma GCC unroll 16
  for (int chain = 1; chain < kChains; ++chain) sums[0] += sums[chain];
  sink[thread % 1024] = sums[0][0];
}

// One in-place pass reads and writes every byte once, as applying a gate to a state does.
void Scale(Vector* data, int64_t count, int64_t passes) {
  for (int64_t pass = 0; pass < passes; ++pass) {
    const Vector factor = Vector{} + (pass % 2 ? 1.001f : 0.999f);
    int64_t i = 0;
    for (; i + 4 <= count; i += 4) {
      Vector a = data[i] * factor, b = data[i + 1] * factor;
      Vector c = data[i + 2] * factor, d = data[i + 3] * factor;
      data[i] = a, data[i + 1] = b, data[i + 2] = c, data[i + 3] = d;
    }
    for (; i < count; ++i) data[i] *= factor;
    asm volatile("" ::: "memory");
  }
}

}  // namespace

int main(int argc, char** argv) {
  const int threads = std::atoi(argv[1]);
  const int64_t rounds = 40'000'000 / kChains;
  double best = 0;
  for (int repeat = 0; repeat < 5; ++repeat) {
    const double time = OnAllThreads(threads, [&](int thread) { MultiplyAdd(thread, rounds); });
    const double operations = 2.0 * kLanes * kChains * double(rounds) * threads;
    if (operations / time > best) best = operations / time;
  }
  std::printf("fma %.6g\n", best * 1e-9);
  for (int i = 2; i < argc; ++i) {
    const int64_t bytes = std::atoll(argv[i]);
    int64_t count = bytes / threads / kBytes;
    if (count < 4) count = 4;
    const int64_t size = count * kBytes;
    int64_t passes = 1'000'000'000 / size;
    if (passes < 2) passes = 2;
    std::vector<Vector*> parts(threads);
    // Touched by the thread that uses it, and before the clock starts.
    OnAllThreads(threads, [&](int thread) {
      parts[thread] = static_cast<Vector*>(std::aligned_alloc(kBytes, size));
      for (int64_t k = 0; k < count; ++k) parts[thread][k] = Vector{} + 1.0f;
    });
    double fastest = 0;
    for (int repeat = 0; repeat < 5; ++repeat) {
      const double time =
          OnAllThreads(threads, [&](int thread) { Scale(parts[thread], count, passes); });
      const double moved = 2.0 * size * double(passes) * threads;
      if (moved / time > fastest) fastest = moved / time;
    }
    std::printf("bytes %lld %.6g\n", static_cast<long long>(bytes), fastest * 1e-9);
    for (Vector* part : parts) std::free(part);
  }
}
