// Accuracy of every row: 1 where the largest prediction is the right class. The first of equals
// wins.
#pragma once

#include <cstdint>

namespace cnnfast::reference {

template <class T>
std::int64_t first_largest(const T* x, std::int64_t classes) {
  std::int64_t best = 0;
  for (std::int64_t c = 1; c < classes; ++c)
    if (x[c] > x[best]) best = c;
  return best;
}

template <class T>
void categorical_accuracy(const T* y_pred, const T* y_true, T* hits, std::int64_t rows,
                          std::int64_t classes) {
  for (std::int64_t r = 0; r < rows; ++r, y_pred += classes, y_true += classes)
    hits[r] = T(first_largest(y_pred, classes) == first_largest(y_true, classes) ? 1 : 0);
}

template <class T, class Label>
void sparse_categorical_accuracy(const T* y_pred, const Label* labels, T* hits, std::int64_t rows,
                                 std::int64_t classes) {
  for (std::int64_t r = 0; r < rows; ++r, y_pred += classes)
    hits[r] = T(first_largest(y_pred, classes) == static_cast<std::int64_t>(labels[r]) ? 1 : 0);
}

// Fewer than k of the row stand above the value at the label: ties count as hits. A NaN stands
// above everything, so a label whose value is NaN is a miss.
template <class T, class Label>
void in_top_k(const T* y_pred, const Label* labels, T* hits, std::int64_t rows,
              std::int64_t classes, std::int64_t k) {
  for (std::int64_t r = 0; r < rows; ++r, y_pred += classes) {
    const std::int64_t label = static_cast<std::int64_t>(labels[r]);
    hits[r] = 0;
    if (label < 0 || label >= classes) continue;
    std::int64_t above = 0;
    for (std::int64_t c = 0; c < classes; ++c) above += y_pred[c] <= y_pred[label] ? 0 : 1;
    hits[r] = T(above < k ? 1 : 0);
  }
}

}  // namespace cnnfast::reference
