#include "testing.h"

int main() {
  using qstore::testing::Failures;
  for (const auto& test : qstore::testing::Tests()) {
    const int before = Failures();
    test.run();
    std::cout << (Failures() == before ? "ok     " : "FAILED ") << test.name << std::endl;
  }
  return Failures() == 0 ? 0 : 1;
}
