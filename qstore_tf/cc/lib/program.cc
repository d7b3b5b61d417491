#include "program.h"

#include <cmath>
#include <string_view>

#include "text.h"

namespace qstore {
namespace {

// How far a product of rows of a matrix may be from 0 or 1.
constexpr double kUnitarity = 1e-6;

// Reads one program. Every Read* returns false after Fail has recorded the first error.
class Parser {
 public:
  Parser(std::string_view text, Program* program) : text_(text), program_(program) {}

  bool Parse() {
    if (!ReadHeader()) return false;
    while (NextLine()) {
      ++gate_;
      if (!ReadGate()) return false;
    }
    return true;
  }

  const std::string& error() const { return error_; }

 private:
  bool Fail(size_t column, const std::string& what) {
    error_ = "program line " + std::to_string(line_);
    if (gate_ >= 0) {
      error_ += ", gate " + std::to_string(gate_);
      if (!fields_.empty()) error_ += " (" + Quote(fields_[0].text) + ")";
    }
    error_ += ", position " + std::to_string(column) + ": " + what;
    return false;
  }

  // Moves to the next line and splits it; false at the end of the text.
  bool NextLine() {
    fields_.clear();
    if (next_ >= text_.size()) return false;
    ++line_;
    const size_t end = text_.find('\n', next_);
    const std::string_view line = text_.substr(next_, end - next_);
    next_ = end == std::string_view::npos ? text_.size() : end + 1;
    fields_ = Split({line, 1}, ' ');
    return true;
  }

  bool ReadCount(const char* name, int64_t lowest, int64_t highest, int64_t* out) {
    if (!NextLine()) {
      ++line_;
      return Fail(1, std::string("the text ends; expected '") + name + " N'");
    }
    if (fields_.size() != 2 || fields_[0].text != name) {
      return Fail(1, std::string("expected '") + name + " N', received " + QuoteLine());
    }
    if (!ParseInt(fields_[1].text, out) || *out < lowest || *out > highest) {
      return Fail(fields_[1].column, std::string(name) + " must be an integer from " +
                                         std::to_string(lowest) + " to " +
                                         std::to_string(highest) + ", received " +
                                         Quote(fields_[1].text));
    }
    return true;
  }

  bool ReadHeader() {
    int64_t version = 0, qubits = 0, inputs = 0, theta = 0, initial = 0;
    if (!ReadCount("qstore_program", 1, 1, &version) ||
        !ReadCount("qubits", 1, kMaxQubits, &qubits) ||
        !ReadCount("inputs", 0, kMaxSlots, &inputs) ||
        !ReadCount("theta", 0, kMaxSlots, &theta) || !ReadCount("initial", 0, 1, &initial)) {
      return false;
    }
    program_->n_qubits = static_cast<int>(qubits);
    program_->n_inputs = static_cast<int>(inputs);
    program_->n_theta = static_cast<int>(theta);
    program_->has_initial = initial != 0;
    return true;
  }

  bool ReadGate() {
    if (gate_ >= kMaxGates) return Fail(1, "more than " + Count(kMaxGates, "gate"));
    Gate gate;
    const std::string_view name = fields_[0].text;
    bool ok;
    if (name == "rot") {
      gate.kind = GateKind::kRot;
      ok = Expect(5, "rot PAULIS TARGETS CONTROLS ANGLE") &&
           ReadQubits(2, "target", &gate.targets) && ReadPaulis(&gate) &&
           ReadQubits(3, "control", &gate.controls) && ReadAngle(fields_[4], &gate.angle);
    } else if (name == "phase") {
      gate.kind = GateKind::kPhase;
      ok = Expect(3, "phase CONTROLS ANGLE") && ReadQubits(1, "control", &gate.controls) &&
           ReadAngle(fields_[2], &gate.angle);
    } else if (name == "flip") {
      gate.kind = GateKind::kFlip;
      ok = Expect(3, "flip TARGET CONTROLS") && ReadQubits(1, "target", &gate.targets) &&
           CheckTargets(gate, 1, 1) && ReadQubits(2, "control", &gate.controls);
    } else if (name == "swap") {
      gate.kind = GateKind::kSwap;
      ok = Expect(3, "swap TARGETS CONTROLS") && ReadQubits(1, "target", &gate.targets) &&
           CheckTargets(gate, 2, 2) && ReadQubits(2, "control", &gate.controls);
    } else if (name == "unitary") {
      gate.kind = GateKind::kUnitary;
      ok = Expect(4, "unitary TARGETS CONTROLS MATRIX") &&
           ReadQubits(1, "target", &gate.targets) &&
           CheckTargets(gate, 1, kMaxUnitaryTargets) &&
           ReadQubits(2, "control", &gate.controls) && ReadMatrix(&gate);
    } else {
      return Fail(1, "unknown gate " + Quote(name) +
                         "; expected rot, phase, flip, swap or unitary");
    }
    if (!ok) return false;
    program_->gates.push_back(std::move(gate));
    return true;
  }

  bool Expect(size_t n_fields, const char* form) {
    if (fields_.size() == n_fields) return true;
    return Fail(1, "expected '" + std::string(form) + "' (" + Count(n_fields, "field") +
                       " separated by single spaces), received " +
                       Count(fields_.size(), "field"));
  }

  // Qubits of one gate must all differ, targets and controls together: `used_` holds them.
  bool ReadQubits(size_t field, const char* role, std::vector<int>* out) {
    if (seen_gate_ != gate_) {
      seen_gate_ = gate_;
      used_ = 0;
    }
    if (fields_[field].text == "-") return true;
    for (const Token& piece : Split(fields_[field], ',')) {
      int64_t qubit = 0;
      if (!ParseInt(piece.text, &qubit) || qubit < 0 || qubit >= program_->n_qubits) {
        return Fail(piece.column, std::string(role) + " must be a qubit from 0 to " +
                                      std::to_string(program_->n_qubits - 1) + ", received " +
                                      Quote(piece.text));
      }
      const uint64_t bit = uint64_t{1} << qubit;
      if (used_ & bit) {
        return Fail(piece.column, std::string(role) + " " + std::to_string(qubit) +
                                      ": qubit used twice in one gate");
      }
      used_ |= bit;
      out->push_back(static_cast<int>(qubit));
    }
    return true;
  }

  bool CheckTargets(const Gate& gate, size_t fewest, size_t most) {
    if (gate.targets.size() >= fewest && gate.targets.size() <= most) return true;
    std::string expected = std::to_string(fewest);
    if (most > fewest) expected += " to " + std::to_string(most);
    return Fail(fields_[1].column, "expected " + expected + (most == 1 ? " target" : " targets") +
                                       ", received " + std::to_string(gate.targets.size()));
  }

  bool ReadPaulis(Gate* gate) {
    const Token& paulis = fields_[1];
    const size_t bad = paulis.text.find_first_not_of("XYZ");
    if (bad != std::string_view::npos) {
      return Fail(paulis.column + bad, "a Pauli must be X, Y or Z, received " +
                                           Quote(paulis.text.substr(bad, 1)));
    }
    if (paulis.text.empty() || paulis.text.size() != gate->targets.size()) {
      return Fail(paulis.column, "expected one Pauli for each target, received " +
                                     Count(paulis.text.size(), "Pauli") + " and " +
                                     Count(gate->targets.size(), "target"));
    }
    gate->paulis = std::string(paulis.text);
    return true;
  }

  bool ReadAngle(Token field, Angle* out) {
    for (const Token& piece : Split(field, ',')) {
      const size_t star = piece.text.find('*');
      double number = 0;
      if (!ParseDouble(piece.text.substr(0, star), &number)) {
        return Fail(piece.column, "expected a finite number, received " +
                                      Quote(piece.text.substr(0, star)));
      }
      if (star == std::string_view::npos) {
        out->constant += number;
        continue;
      }
      const Token slot{piece.text.substr(star + 1), piece.column + star + 1};
      if (!ReadSlot(slot, number, out)) return false;
    }
    if (!std::isfinite(out->constant)) return Fail(field.column, "the constants overflow");
    return true;
  }

  bool ReadSlot(Token token, double coef, Angle* out) {
    const bool is_theta = !token.text.empty() && token.text[0] == 't';
    int64_t slot = 0;
    if (token.text.empty() || (token.text[0] != 't' && token.text[0] != 'i') ||
        !ParseInt(token.text.substr(1), &slot)) {
      return Fail(token.column, "expected a slot tN or iN, received " + Quote(token.text));
    }
    const int n_slots = is_theta ? program_->n_theta : program_->n_inputs;
    if (slot < 0 || slot >= n_slots) {
      return Fail(token.column, "slot " + Quote(token.text) + " is not there; the program has " +
                                    Count(n_slots, is_theta ? "theta slot" : "input slot"));
    }
    out->terms.push_back({is_theta, static_cast<int32_t>(slot), coef});
    return true;
  }

  bool ReadMatrix(Gate* gate) {
    const size_t dim = size_t{1} << gate->targets.size();
    const std::vector<Token> pieces = Split(fields_[3], ',');
    if (pieces.size() != 2 * dim * dim) {
      return Fail(fields_[3].column, "expected " + std::to_string(2 * dim * dim) +
                                         " numbers for " + Count(gate->targets.size(), "target") +
                                         ", received " + std::to_string(pieces.size()));
    }
    gate->matrix.resize(dim * dim);
    for (size_t i = 0; i < pieces.size(); i += 2) {
      double parts[2];
      for (size_t j = 0; j < 2; ++j) {
        if (!ParseDouble(pieces[i + j].text, &parts[j])) {
          return Fail(pieces[i + j].column,
                      "expected a finite number, received " + Quote(pieces[i + j].text));
        }
      }
      gate->matrix[i / 2] = {parts[0], parts[1]};
    }
    return CheckUnitary(gate->matrix, dim);
  }

  bool CheckUnitary(const std::vector<std::complex<double>>& m, size_t dim) {
    for (size_t i = 0; i < dim; ++i) {
      for (size_t j = 0; j < dim; ++j) {
        std::complex<double> product = i == j ? -1.0 : 0.0;
        for (size_t k = 0; k < dim; ++k) product += m[i * dim + k] * std::conj(m[j * dim + k]);
        if (!(std::abs(product) <= kUnitarity)) {
          return Fail(fields_[3].column, "the matrix is not unitary: rows " + std::to_string(i) +
                                             " and " + std::to_string(j) + " are off by " +
                                             Short(std::abs(product)) +
                                             ", allowed is " + Short(kUnitarity));
        }
      }
    }
    return true;
  }

  std::string QuoteLine() const {
    if (fields_.empty()) return Quote("");
    const Token& last = fields_.back();
    const char* begin = fields_[0].text.data();
    return Quote({begin, static_cast<size_t>(last.text.data() + last.text.size() - begin)});
  }

  std::string_view text_;
  Program* program_;
  std::string error_;
  std::vector<Token> fields_;
  size_t next_ = 0;
  int64_t line_ = 0, gate_ = -1, seen_gate_ = -1;
  uint64_t used_ = 0;
};

}  // namespace

bool ParseProgram(const std::string& text, Program* out, std::string* error) {
  try {
    Program program;
    Parser parser(text, &program);
    if (parser.Parse()) {
      *out = std::move(program);
      return true;
    }
    *error = parser.error();
  } catch (const std::exception& e) {  // out of memory
    *error = std::string("program: ") + e.what();
  }
  return false;
}

}  // namespace qstore
