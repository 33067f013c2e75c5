#include "plan/chains.h"

#include <gtest/gtest.h>

namespace cnnfast {
namespace {

StepSpec rows(std::int64_t count) {
  StepSpec spec{"step", Split::rows, count};
  spec.parts = true;
  return spec;
}

TEST(Chains, NeighboursOverTheSameRowsRunInPartsThatNest) {
  const StepSpec step = rows(128);
  for (const int threads : {1, 2, 4}) {
    const std::vector<Chain> chains =
        find_chains({{&step, 64 << 10, false}, {&step, 16 << 10, false}}, threads);
    ASSERT_EQ(chains.size(), 1u) << threads;
    EXPECT_EQ(chains[0].first, 0);
    EXPECT_EQ(chains[0].last, 1);
    const int parts = chains[0].parts, each = parts / threads;
    EXPECT_EQ(parts % threads, 0);
    EXPECT_GE(each, 2);
    for (int t = 0; t < threads; ++t)
      EXPECT_EQ(share(128, t * each, parts).begin, share(128, t, threads).begin);
  }
}

TEST(Chains, BeginAnewWhereStepsDoNotMatch) {
  const StepSpec batch = rows(128), other = rows(64);
  StepSpec weights = rows(128), alone = rows(128);
  weights.domain = 7;
  alone.parts = false;
  const std::int64_t bytes = 64 << 10;
  const std::vector<Chain> chains = find_chains({{&batch, bytes, false},
                                                 {&batch, bytes, false},
                                                 {&other, bytes, false},
                                                 {&weights, bytes, false},
                                                 {&batch, bytes, false},
                                                 {&batch, bytes, true},
                                                 {&batch, bytes, false},
                                                 {&alone, bytes, false}},
                                                2);
  ASSERT_EQ(chains.size(), 1u);
  EXPECT_EQ(chains[0].last, 1);
}

TEST(Chains, LeaveAloneWhatFitsTheCacheOrNoPartOfIt) {
  const StepSpec step = rows(128);
  EXPECT_TRUE(find_chains({{&step, 1 << 10, false}, {&step, 1 << 10, false}}, 2).empty());
  EXPECT_TRUE(find_chains({{&step, 2 << 20, false}, {&step, 2 << 20, false}}, 2).empty());
}

}  // namespace
}  // namespace cnnfast
