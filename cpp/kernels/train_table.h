// What only training needs: softmax, cross-entropy, accuracy, optimizer updates. Rows of `classes`.
#pragma once

#include <cstdint>

namespace cnnfast {

enum class LabelType : std::uint8_t { uint8, int32, int64 };

// One loss for every row, or (backward) one row of gradients for every row.
struct CrossEntropy {
  const float* y_pred;
  const float* y_true;  // rows of targets; null: labels
  const void* labels;   // one for every row; outside [0, classes): NaN
  LabelType label_type;
  const float* dlosses;  // backward only
  float* out;
  std::int64_t rows, classes;
  bool from_logits;
  float smoothing;
};

// One loss for every value, or with dlosses one gradient for every value.
struct BinaryCrossEntropy {
  const float *y_pred, *y_true;
  const float* dlosses;  // null: forward
  float* out;
  std::int64_t size;
  bool from_logits;
  float smoothing;
};

// w (size) with its gradient g. velocity may be null.
struct SgdStep {
  float* w;
  const float* g;
  float* velocity;
  std::int64_t size;
  float lr, momentum, weight_decay;
  bool nesterov;
};
struct AdamStep {
  float* w;
  const float* g;
  float *m, *v;
  float* v_largest;  // null: plain Adam
  std::int64_t size;
  float step_size;  // lr sqrt(1 - beta2^t) / (1 - beta1^t)
  float one_minus_beta1, one_minus_beta2, epsilon;
  float decay;  // lr * weight_decay
};

// average and momentum_buffer may be null.
struct RmspropStep {
  float* w;
  const float* g;
  float *velocity, *average, *momentum_buffer;
  std::int64_t size;
  float lr, rho, one_minus_rho, momentum, epsilon;
  float decay;  // lr * weight_decay
};
struct AdagradStep {
  float* w;
  const float* g;
  float* accumulator;
  std::int64_t size;
  float lr, epsilon, decay;
};
struct EmaStep {
  float *average, *w;
  std::int64_t size;
  float momentum, one_minus_momentum;
  bool overwrite;  // w becomes its average
};

struct TrainKernels {
  // uncached: y, or dx, goes past the caches.
  void (*softmax)(const float* x, float* y, std::int64_t rows, std::int64_t classes, bool uncached);
  void (*log_softmax)(const float* x, float* y, std::int64_t rows, std::int64_t classes);
  void (*softmax_backward)(const float* y, const float* dy, float* dx, std::int64_t rows,
                           std::int64_t classes, bool uncached);
  void (*cross_entropy)(const CrossEntropy&);
  void (*cross_entropy_backward)(const CrossEntropy&);
  void (*binary_cross_entropy)(const BinaryCrossEntropy&);
  // Index of the largest of every row, the first of equals; classes below 2^31.
  void (*first_largest)(const float* x, std::int64_t rows, std::int64_t classes,
                        std::int32_t* index);
  // hits[r] = 1 where fewer than k of row r are above its value at labels[r], 0 for other labels.
  void (*in_top_k)(const float* x, const std::int64_t* labels, std::int64_t rows,
                   std::int64_t classes, std::int64_t k, float* hits);
  void (*sgd)(const SgdStep&);
  void (*adam)(const AdamStep&);
  void (*rmsprop)(const RmspropStep&);
  void (*adagrad)(const AdagradStep&);
  void (*ema)(const EmaStep&);
  void (*accumulate)(float* total, const float* x, std::int64_t size);
};

}  // namespace cnnfast
