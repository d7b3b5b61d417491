// A test runner of a page: TEST(name_that_is_a_sentence) { CHECK(...); }
#ifndef QSTORE_TF_CC_LIB_TESTS_TESTING_H_
#define QSTORE_TF_CC_LIB_TESTS_TESTING_H_

#include <cmath>
#include <complex>
#include <iostream>
#include <string>
#include <vector>

namespace qstore {
namespace testing {

struct Test {
  const char* name;
  void (*run)();
};

inline std::vector<Test>& Tests() {
  static std::vector<Test> tests;
  return tests;
}

inline int& Failures() {
  static int failures = 0;
  return failures;
}

struct Registrar {
  Registrar(const char* name, void (*run)()) { Tests().push_back({name, run}); }
};

inline void Report(const char* file, int line, const std::string& what) {
  ++Failures();
  std::cerr << file << ":" << line << ": " << what << "\n";
}

inline double Distance(std::complex<double> a, std::complex<double> b) { return std::abs(a - b); }

#define TEST(name)                                                       \
  static void name();                                                    \
  static const ::qstore::testing::Registrar registrar_##name(#name, name); \
  static void name()

#define CHECK(condition)                                                                  \
  do {                                                                                    \
    if (!(condition)) ::qstore::testing::Report(__FILE__, __LINE__, "failed: " #condition); \
  } while (false)

#define CHECK_NEAR(a, b, tolerance)                                                         \
  do {                                                                                      \
    const double distance = ::qstore::testing::Distance((a), (b));                          \
    if (!(distance <= (tolerance))) {                                                       \
      ::qstore::testing::Report(__FILE__, __LINE__,                                         \
                                #a " and " #b " differ by " + std::to_string(distance));    \
    }                                                                                       \
  } while (false)

#define CHECK_CONTAINS(text, part)                                                            \
  do {                                                                                        \
    if ((text).find(part) == std::string::npos) {                                             \
      ::qstore::testing::Report(__FILE__, __LINE__, "'" + (text) + "' lacks '" + (part) + "'"); \
    }                                                                                         \
  } while (false)

}  // namespace testing
}  // namespace qstore

#endif  // QSTORE_TF_CC_LIB_TESTS_TESTING_H_
