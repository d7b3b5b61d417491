#include "../parallel.h"

#include <atomic>
#include <algorithm>
#include <stdexcept>
#include <thread>

#include "../cpu.h"
#include "../memory.h"
#include "testing.h"

#include <sys/wait.h>
#include <unistd.h>

namespace qstore {
namespace {

std::vector<int> Owners(int threads, int64_t n) {
  std::vector<int> owner(n, -1);
  ParallelFor(threads, n, [&](int64_t begin, int64_t end, int worker) {
    for (int64_t i = begin; i < end; ++i) owner[i] = worker;
  });
  return owner;
}

TEST(every_index_is_visited_once_in_a_partition_that_never_changes) {
  for (int threads : {1, 2, 3, 8, 100}) {
    for (int64_t n : {0, 1, 2, 7, 1000}) {
      std::atomic<int64_t> visits{0};
      ParallelFor(threads, n, [&](int64_t begin, int64_t end, int) { visits += end - begin; });
      CHECK(visits == n);
      const std::vector<int> first = Owners(threads, n);
      CHECK(std::is_sorted(first.begin(), first.end()));
      for (int repeat = 0; repeat < 5; ++repeat) CHECK(Owners(threads, n) == first);
    }
  }
}

TEST(loops_of_several_threads_and_nested_loops_finish) {
  std::atomic<int64_t> sum{0};
  std::vector<std::thread> callers;
  for (int c = 0; c < 4; ++c) {
    callers.emplace_back([&] {
      for (int i = 0; i < 200; ++i) {
        ParallelFor(3, 3, [&](int64_t, int64_t, int) {
          ParallelFor(2, 4, [&](int64_t begin, int64_t end, int) { sum += end - begin; });
        });
      }
    });
  }
  for (auto& caller : callers) caller.join();
  CHECK(sum == 4 * 200 * 3 * 4);
}

TEST(an_exception_reaches_the_caller_after_all_parts_ended) {
  std::atomic<int> ended{0};
  bool caught = false;
  try {
    ParallelFor(4, 4, [&](int64_t begin, int64_t, int) {
      ++ended;
      if (begin == 2) throw std::runtime_error("part 2");
    });
  } catch (const std::runtime_error&) {
    caught = true;
  }
  CHECK(caught && ended == 4);
}

TEST(a_forked_child_has_threads_of_its_own) {
  CHECK(Owners(4, 100).back() == 3);
  const pid_t child = fork();
  if (child == 0) _exit(Owners(4, 100).back() == 3 ? 0 : 1);
  int status = -1;
  CHECK(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

TEST(the_environment_overrides_the_number_of_threads) {
  CHECK(ResolveThreads(3) == 3);
  setenv("QSTORE_NUM_THREADS", "5", 1);
  CHECK(ResolveThreads(0) == 5 && ResolveThreads(2) == 2);
  setenv("QSTORE_NUM_THREADS", "many", 1);
  CHECK(ResolveThreads(0) >= 1);
  unsetenv("QSTORE_NUM_THREADS");
}

TEST(the_environment_lowers_the_simd_level) {
  const Simd best = DetectSimd();
  setenv("QSTORE_SIMD", "base", 1);
  CHECK(DetectSimd() == Simd::kBase);
  setenv("QSTORE_SIMD", "avx512", 1);
  CHECK(DetectSimd() <= best);
  unsetenv("QSTORE_SIMD");
  CHECK(std::string(SimdName(Simd::kAvx2)) == "avx2");
}

TEST(memory_is_known_and_arithmetic_on_it_saturates) {
  CHECK(AvailableMemory() > (1u << 20));
  CHECK(AvailableMemory() < (uint64_t{1} << 50));
  CHECK(SaturatingMultiply(uint64_t{1} << 40, uint64_t{1} << 40) == UINT64_MAX);
  CHECK(SaturatingMultiply(3, 5) == 15 && SaturatingMultiply(7, 0) == 0);
  CHECK(SaturatingAdd(UINT64_MAX, 1) == UINT64_MAX && SaturatingAdd(1, 2) == 3);
  CHECK(FormatBytes(1536) == "1.5 KiB" && FormatBytes(12) == "12 B");
}

}  // namespace
}  // namespace qstore
