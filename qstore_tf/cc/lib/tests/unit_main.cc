// Runs all tests but those that the arguments name.
#include <algorithm>
#include <string>

#include "testing.h"

int main(int argc, char** argv) {
  using qstore::testing::Failures;
  for (const auto& test : qstore::testing::Tests()) {
    if (std::count(argv + 1, argv + argc, std::string(test.name)) > 0) continue;
    const int before = Failures();
    test.run();
    std::cout << (Failures() == before ? "ok     " : "FAILED ") << test.name << std::endl;
  }
  return Failures() == 0 ? 0 : 1;
}
