// Runs the steps of one node without a plan: a test double of StepBuilder. Every operand and
// scratch buffer stands between guard bands; outputs and scratch start as NaN, so that reading
// what was never written, or writing outside, shows.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cnnfast/threads.h"
#include "ops/implementation.h"
#include "ops/op.h"
#include "plan/step.h"

namespace cnnfast::testing {

// bytes between two bands of a pattern, 64-byte aligned.
class GuardedBuffer {
 public:
  static constexpr std::size_t kBand = 4096;

  explicit GuardedBuffer(std::size_t bytes)
      : bytes_(bytes), storage_(bytes + 2 * kBand + 64, kPattern) {
    const auto address = reinterpret_cast<std::uintptr_t>(storage_.data()) + kBand;
    data_ = storage_.data() + kBand + (64 - address % 64) % 64;
    fill_nan();
  }
  std::byte* data() { return data_; }
  template <class T>
  T* as() {
    return reinterpret_cast<T*>(data_);
  }
  std::size_t size() const { return bytes_; }
  void fill_nan() { std::memset(data_, 0xff, bytes_); }  // all ones is a NaN in both widths
  bool intact() const {
    for (const std::byte* p = storage_.data(); p != data_; ++p)
      if (*p != kPattern) return false;
    for (const std::byte* p = data_ + bytes_; p != storage_.data() + storage_.size(); ++p)
      if (*p != kPattern) return false;
    return true;
  }

 private:
  static constexpr std::byte kPattern{0x7b};
  std::size_t bytes_;
  std::vector<std::byte> storage_;
  std::byte* data_ = nullptr;
};

class StepRunner final : public StepBuilder {
 public:
  // operands: inputs first, then outputs; at least as many bytes as their types say.
  StepRunner(int threads, std::vector<std::byte*> inputs, std::vector<std::byte*> outputs)
      : threads_(threads), inputs_(inputs.size()) {
    bases_ = std::move(inputs);
    bases_.insert(bases_.end(), outputs.begin(), outputs.end());
  }

  Slot input(int i) override { return i < static_cast<int>(inputs_) ? Slot{i, 0, 0} : Slot{}; }
  Slot output(int i) override { return {static_cast<std::int32_t>(inputs_) + i, 0, 0}; }
  bool output_used(int) const override { return true; }
  Slot scratch(std::int64_t bytes) override { return buffer(bytes, 0); }
  Slot scratch_per_thread(std::int64_t bytes) override {
    const std::int64_t stride = (bytes + 63) / 64 * 64;
    return buffer(stride * threads_, stride);
  }
  Slot packed(int, std::int64_t bytes) override { return buffer(bytes, 0); }
  bool keeps_packed(int) const override { return false; }
  void step(StepSpec spec, StepFunction run) override {
    steps_.emplace_back(std::move(spec), std::move(run));
  }
  void pack_step(int, StepSpec spec, StepFunction run, ChannelPack) override {
    step(std::move(spec), std::move(run));
  }
  std::vector<ChannelPack> repacks(int, std::int64_t) override { return {}; }
  int threads() const override { return threads_; }

  // Every step on all threads, a barrier behind each, in one region: what a plan does.
  void run() {
    struct Context {
      StepRunner* self;
      Run run;
      Barrier barrier;
    } context{this, Run{bases_.data()}, Barrier(threads_)};
    run_region(
        threads_,
        [](void* opaque, int thread, int threads) {
          Context& c = *static_cast<Context*>(opaque);
          Run run = c.run;
          run.worker = thread;
          for (auto& [spec, function] : c.self->steps_) {
            if (spec.split != Split::single || thread == 0) function(run, thread, threads);
            c.barrier.wait();
          }
        },
        &context);
  }
  bool intact() const {
    for (const auto& each : buffers_)
      if (!each->intact()) return false;
    return true;
  }
  bool divided() const {
    return std::any_of(steps_.begin(), steps_.end(),
                       [](const auto& step) { return step.first.split != Split::single; });
  }
  std::string steps() const {
    std::string names;
    for (const auto& [spec, function] : steps_) names += (names.empty() ? "" : ", ") + spec.name;
    return names;
  }

 private:
  Slot buffer(std::int64_t bytes, std::int64_t stride) {
    buffers_.push_back(std::make_unique<GuardedBuffer>(static_cast<std::size_t>(bytes)));
    bases_.push_back(buffers_.back()->data());
    return {static_cast<std::int32_t>(bases_.size()) - 1, 0, stride};
  }

  int threads_;
  std::size_t inputs_;
  std::vector<std::byte*> bases_;
  std::vector<std::unique_ptr<GuardedBuffer>> buffers_;
  std::vector<std::pair<StepSpec, StepFunction>> steps_;
};

}  // namespace cnnfast::testing
