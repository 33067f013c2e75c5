// categorical_accuracy, sparse_categorical_accuracy and in_top_k: 1 or 0 for every row of y_pred.
#include "reference/metric.h"

#include <array>

#include "ops/dispatch.h"
#include "ops/families.h"
#include "ops/row_labels.h"
#include "ops/row_step.h"

namespace cnnfast {

namespace {

TensorType hits_of(const TensorType& y_pred) {
  TensorType hits = y_pred;
  hits.shape = without_last(hits.shape);
  return hits;
}

void build_reference(const Problem& p, StepBuilder& steps) {
  const RowSizes s = row_sizes(p.input(0));
  const Slot y_pred = steps.input(0), y_true = steps.input(1), hits = steps.output();
  for_floating(p.input(0).dtype, [&](auto zero) {
    using T = decltype(zero);
    steps.step({"reference"}, [=](const Run& run, int thread, int) {
      if (thread == 0)
        reference::categorical_accuracy(run.ptr<const T>(y_pred), run.ptr<const T>(y_true),
                                        run.ptr<T>(hits), s.rows, s.classes);
    });
  });
}

std::optional<std::string> declines(const Problem& p) {
  if (row_sizes(p.input(0)).classes >= std::int64_t{1} << 31)
    return "indices of more than 2^31 classes do not fit int32";
  return declines_unless_f32(p);
}

std::int64_t label_at(const Run& run, Slot labels, DType dtype, std::int64_t row) {
  if (dtype == DType::u8) return run.ptr<const std::uint8_t>(labels)[row];
  if (dtype == DType::i32) return run.ptr<const std::int32_t>(labels)[row];
  return run.ptr<const std::int64_t>(labels)[row];
}

// Both ops: blocks of rows, their largest first.
void build_vector(const Problem& p, StepBuilder& steps) {
  const RowSizes s = row_sizes(p.input(0));
  const Slot y_pred = steps.input(0), target = steps.input(1), hits = steps.output();
  const DType dtype = p.input(1).dtype;
  const auto kernel = p.kernels.train.first_largest;
  add_rows_step(p, steps, "rows", p.input(0), vectors_of(s) / 4,
                [=](const Run& run, std::int64_t row, std::int64_t end) {
                  constexpr std::int64_t kBlock = 64;
                  std::int32_t guess[kBlock], truth[kBlock];
                  float* out = run.ptr<float>(hits);
                  for (; row < end; row += kBlock) {
                    const std::int64_t rows = std::min(end - row, kBlock);
                    const std::int64_t at = row * s.classes;
                    kernel(run.ptr<const float>(y_pred) + at, rows, s.classes, guess);
                    if (!is_integer(dtype))
                      kernel(run.ptr<const float>(target) + at, rows, s.classes, truth);
                    for (std::int64_t r = 0; r < rows; ++r) {
                      const std::int64_t label =
                          is_integer(dtype) ? label_at(run, target, dtype, row + r) : truth[r];
                      out[row + r] = guess[r] == label ? 1.0f : 0.0f;
                    }
                  }
                });
}

const FunctionImplementation kVector{"vector", declines, build_vector};
const FunctionImplementation kReference{"reference", nullptr, build_reference};
constexpr std::array<const Implementation*, 2> kImplementations{&kVector, &kReference};

class CategoricalAccuracy final : public Op {
 public:
  std::string_view name() const override { return "categorical_accuracy"; }
  std::vector<TensorType> infer(const Call& call) const override {
    expect_inputs(name(), call, 2, 2);
    expect_one_hot_targets(name(), call);
    return {hits_of(call.input(0))};
  }
  std::span<const Implementation* const> implementations() const override {
    return kImplementations;
  }
};

void build_reference_sparse(const Problem& p, StepBuilder& steps) {
  const RowSizes s = row_sizes(p.input(0));
  const Slot y_pred = steps.input(0), labels = steps.input(1), hits = steps.output();
  for_floating(p.input(0).dtype, [&](auto zero) {
    for_labels(p.input(1).dtype, [&](auto label) {
      using T = decltype(zero);
      using Label = decltype(label);
      steps.step({"reference"}, [=](const Run& run, int thread, int) {
        if (thread == 0)
          reference::sparse_categorical_accuracy(run.ptr<const T>(y_pred),
                                                 run.ptr<const Label>(labels), run.ptr<T>(hits),
                                                 s.rows, s.classes);
      });
    });
  });
}

const FunctionImplementation kReferenceSparse{"reference", nullptr, build_reference_sparse};
constexpr std::array<const Implementation*, 2> kSparseImplementations{&kVector, &kReferenceSparse};

class SparseCategoricalAccuracy final : public Op {
 public:
  std::string_view name() const override { return "sparse_categorical_accuracy"; }
  std::vector<TensorType> infer(const Call& call) const override {
    expect_inputs(name(), call, 2, 2);
    expect_labels(name(), call);
    return {hits_of(call.input(0))};
  }
  std::span<const Implementation* const> implementations() const override {
    return kSparseImplementations;
  }
};

// ---- in_top_k ----------------------------------------------------------------------------------

// Asking for more than all classes asks for all of them.
std::int64_t asked(const Problem& p) {
  return std::min(p.attributes.integer("k"), row_sizes(p.input(0)).classes);
}

void build_reference_top_k(const Problem& p, StepBuilder& steps) {
  const RowSizes s = row_sizes(p.input(0));
  const std::int64_t k = asked(p);
  const Slot y_pred = steps.input(0), labels = steps.input(1), hits = steps.output();
  for_floating(p.input(0).dtype, [&](auto zero) {
    for_labels(p.input(1).dtype, [&](auto label) {
      using T = decltype(zero);
      using Label = decltype(label);
      steps.step({"reference"}, [=](const Run& run, int thread, int) {
        if (thread == 0)
          reference::in_top_k(run.ptr<const T>(y_pred), run.ptr<const Label>(labels),
                              run.ptr<T>(hits), s.rows, s.classes, k);
      });
    });
  });
}

void build_vector_top_k(const Problem& p, StepBuilder& steps) {
  const RowSizes s = row_sizes(p.input(0));
  const std::int64_t k = asked(p);
  const Slot y_pred = steps.input(0), labels = steps.input(1), hits = steps.output();
  const DType dtype = p.input(1).dtype;
  const auto kernel = p.kernels.train.in_top_k;
  add_rows_step(p, steps, "rows", p.input(0), vectors_of(s) / 4,
                [=](const Run& run, std::int64_t row, std::int64_t end) {
                  constexpr std::int64_t kBlock = 64;
                  std::int64_t wanted[kBlock];
                  for (; row < end; row += kBlock) {
                    const std::int64_t rows = std::min(end - row, kBlock);
                    for (std::int64_t r = 0; r < rows; ++r)
                      wanted[r] = label_at(run, labels, dtype, row + r);
                    kernel(run.ptr<const float>(y_pred) + row * s.classes, wanted, rows, s.classes,
                           k, run.ptr<float>(hits) + row);
                  }
                });
}

const FunctionImplementation kVectorTopK{"vector", declines, build_vector_top_k};
const FunctionImplementation kReferenceTopK{"reference", nullptr, build_reference_top_k};
constexpr std::array<const Implementation*, 2> kTopKImplementations{&kVectorTopK, &kReferenceTopK};

class InTopK final : public Op {
 public:
  std::string_view name() const override { return "in_top_k"; }
  std::vector<TensorType> infer(const Call& call) const override {
    expect_inputs(name(), call, 2, 2);
    expect_labels(name(), call);
    const std::int64_t k = call.attributes.integer("k");
    if (k < 1) value_error(name(), ": k must be at least 1, got ", k);
    return {hits_of(call.input(0))};
  }
  std::span<const Implementation* const> implementations() const override {
    return kTopKImplementations;
  }
};

}  // namespace

void add_metric_ops(OpList& ops) {
  ops.push_back(std::make_unique<CategoricalAccuracy>());
  ops.push_back(std::make_unique<SparseCategoricalAccuracy>());
  ops.push_back(std::make_unique<InTopK>());
}

}  // namespace cnnfast
