#include <exception>
#include <string_view>

#include "program.h"
#include "text.h"

namespace qstore {
namespace {

constexpr size_t kMaxTerms = 1000000;

bool Fail(size_t observable, size_t term, size_t column, const std::string& what,
          std::string* error) {
  *error = "observable " + std::to_string(observable) + ", term " + std::to_string(term) +
           ", position " + std::to_string(column) + ": " + what;
  return false;
}

// One Pauli such as Z12, folded into the masks. Returns what is wrong with it, or nothing.
std::string ReadPauli(std::string_view text, int n_qubits, PauliTerm* term) {
  int64_t qubit = 0;
  if (text.size() < 2 || (text[0] != 'X' && text[0] != 'Y' && text[0] != 'Z') ||
      !ParseInt(text.substr(1), &qubit)) {
    return "expected a Pauli such as Z0, received " + Quote(text);
  }
  if (qubit < 0 || qubit >= n_qubits) {
    return "qubit " + std::to_string(qubit) + " is not there; the program has " +
           Count(n_qubits, "qubit");
  }
  const uint64_t bit = uint64_t{1} << (n_qubits - 1 - qubit);
  if ((term->x_mask | term->z_mask) & bit) {
    return "qubit " + std::to_string(qubit) + " appears twice in one term";
  }
  if (text[0] != 'Z') term->x_mask |= bit;
  if (text[0] != 'X') term->z_mask |= bit;
  return "";
}

bool Parse(const std::string& text, int n_qubits, std::vector<Observable>* out,
           std::string* error) {
  size_t n_terms = 0;
  for (const Token& part : Split({text, 1}, ';')) {
    Observable observable;
    for (const Token& piece : Split(part, ',')) {
      const size_t k = out->size(), t = observable.terms.size();
      const size_t colon = piece.text.find(':');
      PauliTerm term;
      if (colon == std::string_view::npos) {
        return Fail(k, t, piece.column,
                    "expected 'COEFFICIENT:PAULIS', received " + Quote(piece.text), error);
      }
      if (!ParseDouble(piece.text.substr(0, colon), &term.coef)) {
        return Fail(k, t, piece.column,
                    "expected a finite number, received " + Quote(piece.text.substr(0, colon)),
                    error);
      }
      const Token paulis{piece.text.substr(colon + 1), piece.column + colon + 1};
      if (!paulis.text.empty()) {
        for (const Token& pauli : Split(paulis, ' ')) {
          const std::string wrong = ReadPauli(pauli.text, n_qubits, &term);
          if (!wrong.empty()) return Fail(k, t, pauli.column, wrong, error);
        }
      }
      if (++n_terms > kMaxTerms) {
        return Fail(k, t, piece.column, "more than " + Count(kMaxTerms, "term"), error);
      }
      observable.terms.push_back(term);
    }
    out->push_back(std::move(observable));
  }
  return true;
}

}  // namespace

bool ParseObservables(const std::string& text, int n_qubits, std::vector<Observable>* out,
                      std::string* error) {
  if (n_qubits < 1 || n_qubits > kMaxQubits) {
    *error = "observables: the number of qubits must be from 1 to " + std::to_string(kMaxQubits) +
             ", received " + std::to_string(n_qubits);
    return false;
  }
  try {
    std::vector<Observable> observables;
    if (!Parse(text, n_qubits, &observables, error)) return false;
    *out = std::move(observables);
    return true;
  } catch (const std::exception& e) {  // out of memory
    *error = std::string("observables: ") + e.what();
    return false;
  }
}

}  // namespace qstore
