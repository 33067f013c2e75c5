// Shapes: up to eight 64-bit sizes, each known (>= 0) or symbolic (the batch of a traced graph).
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <string>
#include <vector>

namespace cnnfast {

inline constexpr std::int64_t kSymbolic = -1;  // a size that is known only when a plan is made

class Shape {
 public:
  static constexpr int kMaxRank = 8;

  Shape() = default;
  Shape(std::initializer_list<std::int64_t> sizes);
  explicit Shape(const std::vector<std::int64_t>& sizes);  // ValueError: rank > 8 or size < -1

  int rank() const { return rank_; }
  std::int64_t operator[](int axis) const { return sizes_[static_cast<std::size_t>(axis)]; }
  std::int64_t& operator[](int axis) { return sizes_[static_cast<std::size_t>(axis)]; }
  const std::int64_t* begin() const { return sizes_.data(); }
  const std::int64_t* end() const { return sizes_.data() + rank_; }

  bool is_concrete() const;    // no symbolic size
  std::int64_t numel() const;  // product; ValueError when symbolic or beyond 2^62
  // Product of sizes [first, last); the same errors.
  std::int64_t product(int first, int last) const;
  std::string str() const;  // "(None, 28, 28, 1)"
  std::vector<std::int64_t> vector() const { return {begin(), end()}; }

  bool operator==(const Shape& other) const;
  bool operator!=(const Shape& other) const { return !(*this == other); }

 private:
  std::array<std::int64_t, kMaxRank> sizes_{};
  int rank_ = 0;
};

std::ostream& operator<<(std::ostream& out, const Shape& shape);

// a * b, ValueError naming `what` when the product leaves 62 bits. Both must be >= 0.
std::int64_t checked_multiply(std::int64_t a, std::int64_t b, const char* what);

}  // namespace cnnfast
