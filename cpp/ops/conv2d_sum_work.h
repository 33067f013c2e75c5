// The kernel's gradient as sums over (images, rows), and two ways to share them without two threads
// ever writing one place:
//   small kernels: each chunk of images (or rows) sums into its own dw, the chunks are added in a
//     fixed order afterwards;
//   large kernels, and fewer images than threads: each thread owns tiles of dw and walks over all
//     images.
#pragma once

#include <memory>

#include "ops/conv2d_shape.h"
#include "ops/implementation.h"

namespace cnnfast {

struct SumWork {
  using Kernel = decltype(ConvKernels::backward_kernel);
  ConvPass pass;
  Kernel kernel = nullptr;
  std::int64_t images = 0, units = 1;             // units: tiles of dw
  std::int64_t block_images = 1, block_rows = 1;  // of one walk
  std::int64_t chunks = 1;                        // 1: tiles are shared instead
  std::int64_t dw_floats = 0, partial_floats = 0;
  bool uncached = false;  // x and dy together, for the kernels that ask
  Slot x, dy, dw, db, scratch, partials;

  std::int64_t row_blocks() const { return (pass.dst_h + block_rows - 1) / block_rows; }
  std::int64_t blocks_of(std::int64_t count) const {
    return (count + block_images - 1) / block_images * row_blocks();
  }
  void run_tiles(const Run& run, int thread, int threads) const;
  void run_chunk(const Run& run, int thread, std::int64_t chunk) const;
  // These images into the worker's own chunk; the first ones begin it.
  void run_part(const Run& run, Range images_range) const;
  void add_partials(const Run& run, Range range) const;

 private:
  struct Sums {
    float *dw, *db;
  };
  Sums sums_of(const Run& run, std::int64_t chunk) const;
  void walk(const Run& run, int thread, Range images_range, Range blocks, Range unit_range, Sums to,
            bool first = true) const;
};

// Operands and sizes of a backward-kernel node; the caller adds kernel and units.
std::shared_ptr<SumWork> make_sum_work(const Problem& problem, StepBuilder& steps,
                                       const Conv2dShape& s);

// Decides how `work` is shared, then adds its steps. choose_blocks(work, split_rows) sets the
// blocks of a walk (split_rows: fewer images than threads), scratch_floats(work) what a walk needs.
void add_sum_steps(const Problem& problem, StepBuilder& steps, const Conv2dShape& s,
                   const std::shared_ptr<SumWork>& work, const char* name,
                   void (*choose_blocks)(SumWork& work, bool split_rows),
                   std::int64_t (*scratch_floats)(const SumWork& work, const Kernels& kernels));

}  // namespace cnnfast
