// Instruction set levels and which one this process uses.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace cnnfast {

enum class Isa : std::uint8_t { baseline, avx2, avx512 };

std::string_view name_of(Isa isa);
// Levels compiled in that this CPU and its operating system can run, slowest first.
std::vector<Isa> supported_isas();
// The level in use: the best supported one, or CNNFAST_ISA (read once). ValueError when
// CNNFAST_ISA names something unknown, not compiled in, or not runnable here.
Isa current_isa();
// For tests: another level from here on (plans made before keep theirs). ValueError likewise.
void set_isa(std::string_view name);

}  // namespace cnnfast
