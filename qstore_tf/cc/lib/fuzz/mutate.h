// Damaging texts in the ways that files get damaged and attackers damage them.
#ifndef QSTORE_TF_CC_LIB_FUZZ_MUTATE_H_
#define QSTORE_TF_CC_LIB_FUZZ_MUTATE_H_

#include <string>

#include "../tests/random_program.h"

namespace qstore {
namespace testing {

inline std::string Hostile(Rng& rng) {
  static const char* kPieces[] = {
      "nan",  "inf",  "-inf", "1e999", "1e308", "-1e308", "1e-320", "-0",    "+1",  "0x1p3",
      "-1",   "0",    "1",    "39",    "40",    "41",     "64",     "65535", "-",   "--",
      ",",    ",,",   " ",    "  ",    "\n",    "\n\n",   "\r\n",   "\t",    "*",   "*t0",
      "*i0",  "t",    "i",    "t-1",   ":",     ";",      "X",      "XYZ",   "Q",   "rot X 0 - 0",
      "flip", "swap", "1.",   ".5",    "1e",    "1e+",    "unitary 0 - 1,0,0,0,0,0,1,0\n",
      "99999999999999999999", "2147483648", "4294967296", "-9223372036854775808", "1000000"};
  return kPieces[Uniform(rng, 0, static_cast<int>(std::size(kPieces)) - 1)];
}

inline std::string MutateOnce(Rng& rng, std::string text) {
  const auto place = [&] { return Uniform(rng, 0, static_cast<int>(text.size())); };
  const int at = place();
  const int length = Uniform(rng, 0, std::min(12, static_cast<int>(text.size()) - at));
  switch (Uniform(rng, 0, 7)) {
    case 0:  // any byte
      if (!text.empty()) text[at % text.size()] = static_cast<char>(Uniform(rng, 0, 255));
      break;
    case 1:  // one digit for another: often still a program
      for (size_t i = 0; i < text.size(); ++i) {
        char& c = text[(at + i) % text.size()];
        if (c < '0' || c > '9') continue;
        c = static_cast<char>('0' + Uniform(rng, 0, 9));
        break;
      }
      break;
    case 2:
      text.erase(at, length);
      break;
    case 3:
      text.insert(at, Hostile(rng));
      break;
    case 4:
      text.replace(at, length, Hostile(rng));
      break;
    case 5:
      text.insert(place(), text.substr(at, length));
      break;
    case 6: {  // a whole line, somewhere else
      const size_t begin = text.rfind('\n', at) + 1;
      const size_t end = text.find('\n', at);
      const std::string line = text.substr(begin, end == std::string::npos ? end : end - begin + 1);
      if (Chance(rng, 0.5)) text.erase(begin, line.size());
      text.insert(std::min(text.size(), text.find('\n', place()) + 1), line);
      break;
    }
    default:
      text.resize(at);
  }
  return text;
}

inline std::string Mutate(Rng& rng, std::string text) {
  for (int n = Uniform(rng, 1, 3); n > 0; --n) text = MutateOnce(rng, std::move(text));
  return text;
}

}  // namespace testing
}  // namespace qstore

#endif  // QSTORE_TF_CC_LIB_FUZZ_MUTATE_H_
