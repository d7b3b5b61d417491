#include "parallel.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>

#if defined(__linux__)
#include <sched.h>
#endif
#if defined(__unix__) || defined(__APPLE__)
#include <unistd.h>
#endif

namespace qstore {
namespace {

constexpr int kMaxThreads = 1024;

// Waits this many rounds for the next job (or the last part) before it sleeps: waking a sleeping
// thread costs more than a whole batch of small circuits.
constexpr int kSpinRounds = 2000;

void Relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

long ProcessId() {
#if defined(__unix__) || defined(__APPLE__)
  return static_cast<long>(getpid());
#else
  return 0;
#endif
}

using Body = std::function<void(int64_t, int64_t, int)>;

// One ParallelFor: parts are claimed by whoever is free, so a caller whose helpers are all busy
// elsewhere does the work itself, and nested calls cannot deadlock.
struct Job {
  Job(const Body& b, int64_t size, int n_parts) : body(b), n(size), parts(n_parts) {}

  // Runs one unclaimed part; false where none is left. `body` lives as long as parts are left.
  bool RunOne() {
    const int part = next.fetch_add(1, std::memory_order_relaxed);
    if (part >= parts) return false;
    Run(part);
    return true;
  }

  void Run(int part) {
    const int64_t begin = n / parts * part + std::min<int64_t>(part, n % parts);
    const int64_t end = begin + n / parts + (part < n % parts ? 1 : 0);
    try {
      body(begin, end, part);
    } catch (...) {
      std::lock_guard<std::mutex> lock(mutex);
      if (!error) error = std::current_exception();
    }
    if (left.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      std::lock_guard<std::mutex> lock(mutex);
      all_done.notify_all();
    }
  }

  void Wait() {
    for (int i = 0; i < kSpinRounds; ++i) {
      if (left.load(std::memory_order_acquire) == 0) break;
      Relax();
    }
    std::unique_lock<std::mutex> lock(mutex);
    all_done.wait(lock, [this] { return left.load(std::memory_order_acquire) == 0; });
  }

  const Body& body;
  const int64_t n;
  const int parts;
  std::atomic<int> next{1};  // part 0 is the caller's
  std::atomic<int> left{parts};
  std::mutex mutex;
  std::condition_variable all_done;
  std::exception_ptr error;
};

class Pool {
 public:
  // Threads of the parent do not exist after a fork, so a child starts a pool of its own. Pools
  // are never destroyed: joining threads while a process exits is a way to hang.
  static Pool& Get() {
    static std::atomic<Pool*> current{nullptr};
    Pool* pool = current.load(std::memory_order_acquire);
    if (pool != nullptr && pool->process_ == ProcessId()) return *pool;
    auto fresh = std::make_unique<Pool>();
    if (current.compare_exchange_strong(pool, fresh.get(), std::memory_order_acq_rel)) {
      return *fresh.release();
    }
    return *pool;
  }

  void Offer(const std::shared_ptr<Job>& job, int helpers) {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      try {
        for (; n_threads_ < std::min(helpers, kMaxThreads); ++n_threads_) {
          std::thread([this] { Work(); }).detach();
        }
      } catch (const std::system_error&) {
        // No more threads to be had: those there are, and the caller, do all parts.
      }
      for (int i = 0; i < helpers; ++i) queue_.push_back(job);
      queued_.fetch_add(helpers, std::memory_order_release);
    }
    if (helpers == 1) {
      wake_.notify_one();
    } else {
      wake_.notify_all();
    }
  }

  // Takes the job's unstarted offers back, so that the queue does not fill with finished jobs.
  void Withdraw(const std::shared_ptr<Job>& job) {
    std::lock_guard<std::mutex> lock(mutex_);
    const auto kept = std::remove(queue_.begin(), queue_.end(), job);
    queued_.fetch_sub(static_cast<int>(queue_.end() - kept), std::memory_order_release);
    queue_.erase(kept, queue_.end());
  }

 private:
  void Work() {
    for (;;) {
      for (int i = 0; i < kSpinRounds && queued_.load(std::memory_order_acquire) == 0; ++i) {
        Relax();
      }
      std::shared_ptr<Job> job;
      {
        std::unique_lock<std::mutex> lock(mutex_);
        wake_.wait(lock, [this] { return !queue_.empty(); });
        job = std::move(queue_.front());
        queue_.pop_front();
        queued_.fetch_sub(1, std::memory_order_release);
      }
      job->RunOne();
    }
  }

  const long process_ = ProcessId();
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::shared_ptr<Job>> queue_;
  std::atomic<int> queued_{0};
  int n_threads_ = 0;
};

int AvailableCores() {
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return std::max(1, CPU_COUNT(&set));
#endif
  return std::max(1u, std::thread::hardware_concurrency());
}

}  // namespace

void ParallelFor(int threads, int64_t n, const Body& body) {
  const int parts = static_cast<int>(std::min<int64_t>(std::min(threads, kMaxThreads), n));
  if (n <= 0) return;
  if (parts <= 1) {
    body(0, n, 0);
    return;
  }
  const auto job = std::make_shared<Job>(body, n, parts);
  Pool& pool = Pool::Get();
  pool.Offer(job, parts - 1);
  job->Run(0);
  while (job->RunOne()) {
  }
  pool.Withdraw(job);
  job->Wait();
  if (job->error) std::rethrow_exception(job->error);
}

int ResolveThreads(int requested) {
  if (requested <= 0) {
    const char* wanted = std::getenv("QSTORE_NUM_THREADS");
    requested = wanted == nullptr ? 0 : std::atoi(wanted);
  }
  if (requested <= 0) requested = AvailableCores();
  return std::min(requested, kMaxThreads);
}

}  // namespace qstore
