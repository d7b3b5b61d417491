#include "memory.h"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iterator>

#if defined(__unix__) || defined(__APPLE__)
#include <sys/resource.h>
#endif

namespace qstore {
namespace {

constexpr uint64_t kUnknown = UINT64_MAX;

// The number in a file that holds just one; "max" and missing files are kUnknown.
uint64_t ReadNumber(const std::string& path) {
  std::ifstream file(path);
  uint64_t value = 0;
  return file >> value ? value : kUnknown;
}

// The number behind `key` in a file of "key value" lines.
uint64_t ReadKey(const std::string& path, const std::string& key) {
  std::ifstream file(path);
  std::string word, rest;
  uint64_t value = 0;
  while (file >> word) {
    if (word == key) return file >> value ? value : kUnknown;
    std::getline(file, rest);
  }
  return kUnknown;
}

uint64_t MachineMemory() {
  const uint64_t kibibytes = ReadKey("/proc/meminfo", "MemAvailable:");
  return kibibytes == kUnknown ? kUnknown : SaturatingMultiply(kibibytes, 1024);
}

// What one control group leaves. Cached file pages count as used but can be dropped.
uint64_t GroupMemory(const std::string& group, const char* limit_file, const char* usage_file,
                     const char* cache_key) {
  const uint64_t limit = ReadNumber(group + limit_file);
  const uint64_t usage = ReadNumber(group + usage_file);
  if (limit == kUnknown || usage == kUnknown) return kUnknown;
  const uint64_t cache = ReadKey(group + "/memory.stat", cache_key);
  const uint64_t used = usage - std::min(usage, cache == kUnknown ? 0 : cache);
  return limit - std::min(limit, used);
}

// The group of this process and all groups above it, each with its own limit.
uint64_t GroupsMemory() {
  uint64_t least = kUnknown;
  std::ifstream groups("/proc/self/cgroup");
  std::string line;
  while (std::getline(groups, line)) {
    const size_t first = line.find(':');
    const size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    std::string path = line.substr(second + 1);
    const bool v2 = controllers.empty();
    if (!v2 && controllers.find("memory") == std::string::npos) continue;
    if (path == "/") path.clear();
    for (;;) {
      least = std::min(
          least, v2 ? GroupMemory("/sys/fs/cgroup" + path, "/memory.max", "/memory.current",
                                  "inactive_file")
                    : GroupMemory("/sys/fs/cgroup/memory" + path, "/memory.limit_in_bytes",
                                  "/memory.usage_in_bytes", "total_inactive_file"));
      if (path.empty()) break;
      const size_t slash = path.rfind('/');
      path.resize(slash == std::string::npos ? 0 : slash);
    }
  }
  return least;
}

uint64_t AddressSpace() {
#if defined(__linux__)
  rlimit limit;
  if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return kUnknown;
  const uint64_t kibibytes = ReadKey("/proc/self/status", "VmSize:");
  if (kibibytes == kUnknown) return kUnknown;
  return limit.rlim_cur - std::min<uint64_t>(limit.rlim_cur, kibibytes * 1024);
#else
  return kUnknown;
#endif
}

}  // namespace

uint64_t AvailableMemory() {
  return std::min({MachineMemory(), GroupsMemory(), AddressSpace()});
}

uint64_t SaturatingAdd(uint64_t a, uint64_t b) { return a > UINT64_MAX - b ? UINT64_MAX : a + b; }

uint64_t SaturatingMultiply(uint64_t a, uint64_t b) {
  return b != 0 && a > UINT64_MAX / b ? UINT64_MAX : a * b;
}

std::string FormatBytes(uint64_t bytes) {
  static constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  for (; value >= 1024 && unit + 1 < std::size(kUnits); ++unit) value /= 1024;
  char buffer[32];
  std::snprintf(buffer, sizeof(buffer), unit == 0 ? "%.0f %s" : "%.1f %s", value, kUnits[unit]);
  return buffer;
}

}  // namespace qstore
