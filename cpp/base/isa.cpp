#include "cnnfast/isa.h"

#include <atomic>
#include <cstdlib>

#include "cnnfast/error.h"

#ifdef CNNFAST_X86
#include <cpuid.h>
#endif

namespace cnnfast {

namespace {

#ifdef CNNFAST_X86

struct Registers {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
};

Registers cpuid(unsigned leaf, unsigned subleaf = 0) {
  Registers r;
  if (__get_cpuid_max(0, nullptr) >= leaf) __cpuid_count(leaf, subleaf, r.eax, r.ebx, r.ecx, r.edx);
  return r;
}

// Which register files the operating system saves: bit 1 XMM, 2 YMM, 5..7 masks and ZMM.
std::uint64_t xcr0() {
  unsigned low = 0, high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (std::uint64_t{high} << 32) | low;
}

bool bit(unsigned word, int index) { return (word >> index) & 1u; }

std::vector<Isa> detect() {
  std::vector<Isa> found{Isa::baseline};
  const Registers basic = cpuid(1), extended = cpuid(7);
  const bool osxsave = bit(basic.ecx, 27);
  if (!osxsave) return found;
  const std::uint64_t saved = xcr0();
  const bool ymm = (saved & 0x6) == 0x6, zmm = (saved & 0xe6) == 0xe6;
  const bool avx2 =
      ymm && bit(basic.ecx, 28) && bit(basic.ecx, 12) && bit(extended.ebx, 5);  // AVX, FMA, AVX2
  if (!avx2) return found;
  found.push_back(Isa::avx2);
  const bool avx512 = zmm && bit(extended.ebx, 16) && bit(extended.ebx, 17) &&
                      bit(extended.ebx, 30) && bit(extended.ebx, 31);  // F, DQ, BW, VL
  if (avx512) found.push_back(Isa::avx512);
  return found;
}

#else

std::vector<Isa> detect() { return {Isa::baseline}; }

#endif

Isa parse(std::string_view name, const char* source) {
  std::string usable;
  for (Isa isa : supported_isas()) {
    if (name == name_of(isa)) return isa;
    usable += concat(usable.empty() ? "" : ", ", name_of(isa));
  }
  value_error(source, ": '", name, "' cannot be used on this machine; usable here: ", usable);
}

std::atomic<int> chosen{-1};

}  // namespace

std::string_view name_of(Isa isa) {
  switch (isa) {
    case Isa::baseline:
      return "baseline";
    case Isa::avx2:
      return "avx2";
    case Isa::avx512:
      return "avx512";
  }
  return "?";
}

std::vector<Isa> supported_isas() {
  static const std::vector<Isa> found = detect();
  return found;
}

Isa current_isa() {
  const int known = chosen.load(std::memory_order_relaxed);
  if (known >= 0) return static_cast<Isa>(known);
  const char* wanted = std::getenv("CNNFAST_ISA");
  const Isa isa = wanted && *wanted ? parse(wanted, "CNNFAST_ISA") : supported_isas().back();
  chosen.store(static_cast<int>(isa));
  return isa;
}

void set_isa(std::string_view name) { chosen.store(static_cast<int>(parse(name, "set_isa"))); }

}  // namespace cnnfast
