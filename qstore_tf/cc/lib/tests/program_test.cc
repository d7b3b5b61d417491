#include "../program.h"

#include "random_program.h"
#include "testing.h"

namespace qstore {
namespace {

const std::string kHeader = "qstore_program 1\nqubits 3\ninputs 2\ntheta 4\ninitial 0\n";

Program Parsed(const std::string& text) {
  Program program;
  std::string error;
  if (!ParseProgram(text, &program, &error)) testing::Report("program_test.cc", 0, error);
  return program;
}

// The error of a text that must not parse; `line` is the gate's line.
std::string ErrorOf(const std::string& text) {
  Program program;
  program.n_qubits = -7;
  std::string error;
  CHECK(!ParseProgram(text, &program, &error));
  CHECK(program.n_qubits == -7);  // left alone
  return error;
}

TEST(a_program_of_every_gate_is_read_as_written) {
  const Program p = Parsed(kHeader +
                           "rot XY 0,2 - 0.5*t3,1.0*i1,0.25,1\n"
                           "phase 0,1 1e-3*t0\n"
                           "flip 1 0\n"
                           "swap 0,1 2\n"
                           "unitary 2 - 0,0,1,0,1,0,0,0\n");
  CHECK(p.n_qubits == 3 && p.n_inputs == 2 && p.n_theta == 4 && !p.has_initial);
  CHECK(p.gates.size() == 5);
  const Gate& rot = p.gates[0];
  CHECK(rot.kind == GateKind::kRot && rot.paulis == "XY" && rot.controls.empty());
  CHECK((rot.targets == std::vector<int>{0, 2}));
  CHECK(rot.angle.constant == 1.25 && rot.angle.terms.size() == 2);
  CHECK(rot.angle.terms[0].is_theta && rot.angle.terms[0].slot == 3);
  CHECK(rot.angle.terms[0].coef == 0.5 && !rot.angle.terms[1].is_theta);
  CHECK(p.gates[1].angle.terms[0].coef == 1e-3);
  CHECK((p.gates[3].controls == std::vector<int>{2}));
  CHECK((p.gates[4].matrix[1] == std::complex<double>{1, 0}));
}

TEST(a_program_may_end_without_a_line_break_and_have_no_gates) {
  CHECK(Parsed("qstore_program 1\nqubits 40\ninputs 0\ntheta 0\ninitial 1").has_initial);
  CHECK(Parsed(kHeader + "flip 1 0").gates.size() == 1);
}

TEST(errors_name_line_gate_and_position) {
  const std::string error = ErrorOf(kHeader + "flip 1 0\nrot X 0 - 1.0*t9\n");
  CHECK_CONTAINS(error, "line 7, gate 1 ('rot'), position 15");
  CHECK_CONTAINS(error, "'t9'");
  CHECK_CONTAINS(error, "4 theta slots");
}

TEST(malformed_gates_are_refused_with_a_reason) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"spin 0 -", "unknown gate 'spin'"},
      {"", "unknown gate ''"},
      {"flip 1", "3 fields"},
      {"flip  1 0", "3 fields"},
      {"flip 1 0 ", "3 fields"},
      {"flip - 0", "expected 1 target"},
      {"flip 0,1 -", "expected 1 target"},
      {"flip 3 -", "from 0 to 2"},
      {"flip -1 -", "from 0 to 2"},
      {"flip 99999999999999999999 -", "from 0 to 2"},
      {"flip 1 1", "used twice"},
      {"swap 0,0 -", "used twice"},
      {"swap 0 -", "expected 2 targets"},
      {"phase 0,0 1.0", "used twice"},
      {"rot X 0, - 1", "received ''"},
      {"rot XX 0 - 1", "one Pauli for each target"},
      {"rot - - - 1", "must be X, Y or Z"},
      {"rot I 0 - 1", "must be X, Y or Z"},
      {"rot  0 - 1", "one Pauli for each target"},
      {"rot X 0 - nan", "finite number"},
      {"rot X 0 - inf", "finite number"},
      {"rot X 0 - 1e999", "finite number"},
      {"rot X 0 - +1", "finite number"},
      {"rot X 0 - 0x10", "finite number"},
      {"rot X 0 - 1.0*", "slot"},
      {"rot X 0 - 1.0*q1", "slot"},
      {"rot X 0 - 1.0*t-1", "not there"},
      {"rot X 0 - 1.0*i2", "2 input slots"},
      {"rot X 0 - ", "finite number"},
      {"rot X 0 - 1,", "finite number"},
      {"rot X 0 - 1e308,1e308", "overflow"},
      {"unitary - - 1,0", "1 to 5 targets"},
      {"unitary 0 - 1,0,0,0,0,0,1", "8 numbers"},
      {"unitary 0 - 1,0,0,0,0,0,2,0", "not unitary"},
      {"unitary 0 - 1,0,0,0,0,0,nan,0", "finite number"},
      {"unitary 0 - 1e300,0,0,0,0,0,1,0", "not unitary"},
  };
  for (const auto& [gate, reason] : cases) {
    const std::string error = ErrorOf(kHeader + gate + "\n");
    CHECK_CONTAINS(error, "line 6, gate 0");
    CHECK_CONTAINS(error, reason);
  }
}

TEST(malformed_headers_are_refused) {
  CHECK_CONTAINS(ErrorOf(""), "qstore_program");
  CHECK_CONTAINS(ErrorOf("qstore_program 2\n"), "from 1 to 1");
  CHECK_CONTAINS(ErrorOf("qstore_program 1\nqubits 41\n"), "from 1 to 40");
  CHECK_CONTAINS(ErrorOf("qstore_program 1\nqubits 0\n"), "line 2");
  CHECK_CONTAINS(ErrorOf("qstore_program 1\r\nqubits 1\n"), "from 1 to 1");
  CHECK_CONTAINS(ErrorOf("qstore_program 1\nqubits 3\ninputs -1\n"), "inputs must be");
  CHECK_CONTAINS(ErrorOf("qstore_program 1\nqubits 3\ntheta 1\n"), "expected 'inputs N'");
  CHECK_CONTAINS(ErrorOf(kHeader.substr(0, kHeader.size() - 2) + "2\n"), "initial must be");
}

TEST(text_of_any_bytes_gives_a_printable_error) {
  const std::string error = ErrorOf(kHeader + std::string("\x01\xff\0zz 1", 7));
  for (char c : error) CHECK(c >= ' ' && c < 127);
  CHECK(ErrorOf(kHeader + std::string(100000, 'x')).size() < 300);
}

TEST(a_million_gates_are_read_and_one_more_is_refused) {
  std::string text = kHeader;
  for (int i = 0; i < kMaxGates; ++i) text += "flip 0 -\n";
  CHECK(Parsed(text).gates.size() == size_t{kMaxGates});
  CHECK_CONTAINS(ErrorOf(text + "flip 0 -\n"), "more than 1000000 gates");
}

TEST(random_programs_parse) {
  testing::Rng rng(1);
  for (int i = 0; i < 200; ++i) {
    const testing::Shape shape{1 + i % 6, i % 3, i % 4, i % 20, i % 2 == 0};
    CHECK(Parsed(testing::RandomProgram(rng, shape)).gates.size() == size_t(shape.n_gates));
  }
}

TEST(observables_become_masks_with_qubit_0_as_the_most_significant_bit) {
  std::vector<Observable> out;
  std::string error;
  CHECK(ParseObservables("1.0:Z0;0.5:X0 Y2,-0.25:", 3, &out, &error));
  CHECK(out.size() == 2 && out[1].terms.size() == 2);
  CHECK(out[0].terms[0].z_mask == 4 && out[0].terms[0].x_mask == 0);
  CHECK(out[1].terms[0].x_mask == 5 && out[1].terms[0].z_mask == 1);
  CHECK(out[1].terms[1].coef == -0.25 && out[1].terms[1].x_mask == 0);
}

TEST(malformed_observables_are_refused_with_a_reason) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "COEFFICIENT"},           {"1.0:Z0;", "observable 1, term 0"},
      {"Z0", "COEFFICIENT"},         {"x:Z0", "finite number"},
      {"nan:Z0", "finite number"},   {"1.0:Z3", "3 qubits"},
      {"1.0:Z0 Z0", "twice"},        {"1.0:Z0  Z1", "received ''"},
      {"1.0:I0", "received 'I0'"},   {"1.0:Z", "received 'Z'"},
      {"1.0:Z0,2.0:Z9", "term 1, position 12"},
  };
  for (const auto& [text, reason] : cases) {
    std::vector<Observable> out;
    std::string error;
    CHECK(!ParseObservables(text, 3, &out, &error));
    CHECK_CONTAINS(error, reason);
    CHECK(out.empty());
  }
}

}  // namespace
}  // namespace qstore
