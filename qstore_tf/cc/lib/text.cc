#include "text.h"

#include <charconv>
#include <cmath>
#include <cstdio>

#if !defined(__cpp_lib_to_chars)
#include <locale.h>
#include <stdlib.h>
#endif

namespace qstore {

std::vector<Token> Split(Token token, char separator) {
  std::vector<Token> pieces;
  size_t start = 0;
  for (;;) {
    const size_t end = token.text.find(separator, start);
    pieces.push_back({token.text.substr(start, end - start), token.column + start});
    if (end == std::string_view::npos) return pieces;
    start = end + 1;
  }
}

bool ParseInt(std::string_view text, int64_t* out) {
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, *out);
  return result.ec == std::errc() && result.ptr == end;
}

bool ParseDouble(std::string_view text, double* out) {
#if defined(__cpp_lib_to_chars)
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, *out);
  return result.ec == std::errc() && result.ptr == end && std::isfinite(*out);
#else
  // Standard libraries before GCC 11 have no from_chars for double. strtod also takes leading
  // blanks, '+' and hexadecimal, which the format does not.
  static const locale_t c_locale = newlocale(LC_ALL_MASK, "C", nullptr);
  if (text.empty() || text.find_first_not_of("0123456789+-.eE") != std::string_view::npos ||
      text[0] == '+') {
    return false;
  }
  const std::string copy(text);
  char* end = nullptr;
  *out = strtod_l(copy.c_str(), &end, c_locale);
  return end == copy.c_str() + copy.size() && std::isfinite(*out);
#endif
}

std::string Quote(std::string_view text) {
  constexpr size_t kLongest = 40;
  std::string quoted = "'";
  for (char c : text.substr(0, kLongest)) quoted += (c >= ' ' && c < 127) ? c : '?';
  quoted += text.size() > kLongest ? "...'" : "'";
  return quoted;
}

std::string Short(double value) {
  char buffer[32];
  std::snprintf(buffer, sizeof(buffer), "%g", value);
  return buffer;
}

std::string Count(int64_t n, const char* noun) {
  return std::to_string(n) + " " + noun + (n == 1 ? "" : "s");
}

}  // namespace qstore
