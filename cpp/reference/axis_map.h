// Every row along an axis as a weighted sum of rows along the same axis of the input.
#pragma once

#include <cstdint>
#include <vector>

namespace cnnfast::reference {

// Row r is the sum of weights[k] * source row sources[k] over starts[r] <= k < starts[r + 1].
struct SparseRows {
  std::vector<std::int64_t> starts{0}, sources;
  std::vector<double> weights;

  std::int64_t rows() const { return static_cast<std::int64_t>(starts.size()) - 1; }
  void add(std::int64_t source, double weight) {
    sources.push_back(source);
    weights.push_back(weight);
  }
  void end_row() { starts.push_back(static_cast<std::int64_t>(sources.size())); }
};

// The transposed map, of `size` rows; terms in the order of the rows they come from.
inline SparseRows transposed(const SparseRows& map, std::int64_t size) {
  std::vector<std::int64_t> next(static_cast<std::size_t>(size) + 1, 0);
  for (const std::int64_t source : map.sources) ++next[static_cast<std::size_t>(source) + 1];
  for (std::size_t i = 1; i < next.size(); ++i) next[i] += next[i - 1];
  SparseRows result;
  result.starts = next;
  result.sources.resize(map.sources.size());
  result.weights.resize(map.weights.size());
  for (std::int64_t r = 0; r < map.rows(); ++r) {
    const auto first = static_cast<std::size_t>(map.starts[static_cast<std::size_t>(r)]);
    const auto last = static_cast<std::size_t>(map.starts[static_cast<std::size_t>(r) + 1]);
    for (std::size_t k = first; k < last; ++k) {
      const auto to = static_cast<std::size_t>(next[static_cast<std::size_t>(map.sources[k])]++);
      result.sources[to] = r;
      result.weights[to] = map.weights[k];
    }
  }
  return result;
}

// y (outer, rows, inner) from x (outer, size, inner).
template <class T>
void apply(const SparseRows& map, const T* x, std::int64_t outer, std::int64_t size,
           std::int64_t inner, T* y) {
  for (std::int64_t o = 0; o < outer; ++o)
    for (std::int64_t r = 0; r < map.rows(); ++r)
      for (std::int64_t i = 0; i < inner; ++i) {
        T total = T(0);
        for (std::int64_t k = map.starts[static_cast<std::size_t>(r)];
             k < map.starts[static_cast<std::size_t>(r) + 1]; ++k)
          total += static_cast<T>(map.weights[static_cast<std::size_t>(k)]) *
                   x[(o * size + map.sources[static_cast<std::size_t>(k)]) * inner + i];
        y[(o * map.rows() + r) * inner + i] = total;
      }
}

}  // namespace cnnfast::reference
