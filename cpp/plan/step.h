// One kernel call of a plan, and what an implementation uses to describe it.
//
// A plan run is one SPMD region: all threads walk the same list of steps; each step gives every
// thread its share. Steps never open a parallel region, allocate, throw or call Python.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "cnnfast/graph.h"

namespace cnnfast {

// Where a buffer is: one of the run's base pointers plus an offset. base -1: absent.
struct Slot {
  std::int32_t base = -1;
  std::int64_t offset = 0;
  std::int64_t stride = 0;  // bytes between threads for per-thread scratch
  bool present() const { return base >= 0; }
};

// What a step sees while it runs. In a chain (plan/chains.h) a thread calls a step once for each of
// its parts: then `thread` is the part and `threads` their number, while `worker` stays the thread.
struct Run {
  std::byte* const* bases;
  int worker = 0;
  bool first = true;  // the worker's first part: sums begin anew
  bool warm = false;  // a step of the same chain has just touched these rows

  template <class T>
  T* ptr(Slot s) const {
    return s.base < 0 ? nullptr : reinterpret_cast<T*>(bases[s.base] + s.offset);
  }
  template <class T>
  T* thread_ptr(Slot s, int thread) const {
    return reinterpret_cast<T*>(bases[s.base] + s.offset + s.stride * thread);
  }
  template <class T>
  T* worker_ptr(Slot s) const {
    return thread_ptr<T>(s, worker);
  }
};

using StepFunction = std::function<void(const Run&, int thread, int threads)>;

// How a step divides its work; decides where barriers stand.
enum class Split : std::uint8_t {
  single,  // thread 0 does everything (tiny, or a reference)
  rows,  // thread t owns rows split(rows, t, threads) of axis 0 of every operand that has so many;
         // it writes no others' rows, and reads them of StepSpec::whole only
  free   // any other division
};

struct StepSpec {
  std::string name;  // kernel, for profiles: "direct 14x2"
  Split split = Split::single;
  std::int64_t rows = 0;  // for Split::rows
  // Of Split::rows: the step may run for parts of a thread's rows, one after the other. It takes
  // its rows from (thread, threads) alone, its scratch from worker_ptr, and begins sums at
  // Run::first.
  bool parts = false;
  // Which axis 0 the rows are of: 0 the batch's, else a number that neighbours over the same rows
  // share (a gradient's buffer + 1).
  std::int32_t domain = 0;
  // What it reads and writes, if not every operand and scratch of its node.
  std::vector<Slot> touches = {};
  // Of Split::rows: operands that every thread reads whole, whatever their axis 0 (weights).
  std::vector<Slot> whole = {};
};

struct Range {
  std::int64_t begin, end;
  std::int64_t size() const { return end - begin; }
};
// Thread t's share of [0, total), boundaries at multiples of `grain`: the first ones get more.
inline Range share(std::int64_t total, int thread, int threads, std::int64_t grain = 1) {
  const std::int64_t blocks = (total + grain - 1) / grain;
  const std::int64_t each = blocks / threads, more = blocks % threads;
  const std::int64_t first = each * thread + (thread < more ? thread : more);
  const std::int64_t last = first + each + (thread < more ? 1 : 0);
  return {first * grain < total ? first * grain : total,
          last * grain < total ? last * grain : total};
}

// Fills what a packed() buffer holds of some input channels: rows of axis 2 of weights (height,
// width, in, out).
struct ChannelPack {
  std::int64_t grain = 0;  // divides ranges of channels; 0: all of them at a time
  std::function<void(const Run&, Range channels)> run;
};

class StepBuilder {
 public:
  virtual ~StepBuilder() = default;

  virtual Slot input(int i) = 0;              // absent when the node has no such input
  virtual Slot output(int i = 0) = 0;         // always a buffer
  virtual bool output_used(int i) const = 0;  // false: nobody reads it, need not be written

  // Bytes alive during this node's steps only, 64-byte aligned, contents undefined. 64 bytes
  // before and after every arena buffer may be read (not written) without a fault.
  virtual Slot scratch(std::int64_t bytes) = 0;
  virtual Slot scratch_per_thread(std::int64_t bytes_each) = 0;
  // A buffer for input i in another layout (packed or transformed weights). When input i is a
  // variable that this plan only reads, or whose update makes the layout anew (repacks), the buffer
  // keeps its contents between runs and the pack_step below is skipped while the variable's version
  // is the one last packed. Otherwise it is scratch and the pack_step runs every time.
  virtual Slot packed(int input, std::int64_t bytes) = 0;
  virtual bool keeps_packed(int input) const = 0;  // between runs

  virtual void step(StepSpec spec, StepFunction run) = 0;
  // A step that fills the last packed() buffer from input i, and how to do so by channels.
  virtual void pack_step(int input, StepSpec spec, StepFunction run, ChannelPack channels = {}) = 0;
  // For an update of input i: the layouts of it that packed() keeps, unless one of them has a
  // larger grain (0 is the largest). Whoever asks packs all of them again behind each update.
  virtual std::vector<ChannelPack> repacks(int input, std::int64_t largest_grain) = 0;

  virtual int threads() const = 0;
};

}  // namespace cnnfast
