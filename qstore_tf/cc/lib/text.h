// Reading numbers and fields from untrusted text, remembering where an error is.
#ifndef QSTORE_TF_CC_LIB_TEXT_H_
#define QSTORE_TF_CC_LIB_TEXT_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace qstore {

// A piece of the text with its place in the line (1-based column), for error messages.
struct Token {
  std::string_view text;
  size_t column = 1;
};

// Pieces between `separator`; an empty token gives one empty piece. Keeps columns.
std::vector<Token> Split(Token token, char separator);

// The whole of `text` as a number, else false. ParseDouble also refuses inf and nan.
bool ParseInt(std::string_view text, int64_t* out);
bool ParseDouble(std::string_view text, double* out);

// 'text' in quotes, shortened and with unprintable bytes replaced, safe to put in a message.
std::string Quote(std::string_view text);

// Six significant digits, as %g.
std::string Short(double value);

// "qubit", "qubits": with the number in front.
std::string Count(int64_t n, const char* noun);

}  // namespace qstore

#endif  // QSTORE_TF_CC_LIB_TEXT_H_
