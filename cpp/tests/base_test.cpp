// Shapes, attributes, threads, instruction sets.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <set>

#include "base/caches.h"
#include "base/cpu_limits.h"
#include "base/denormals.h"
#include "base/thread_pool.h"
#include "cnnfast/attributes.h"
#include "cnnfast/error.h"
#include "cnnfast/isa.h"
#include "cnnfast/shape.h"
#include "cnnfast/threads.h"
#include "plan/step.h"

namespace cnnfast {
namespace {

TEST(Caches, TheLargestLevelOfAFolderIsTheLast) {
  namespace fs = std::filesystem;
  const fs::path folder = fs::temp_directory_path() / ("caches" + std::to_string(getpid()));
  const auto describe = [&](int index, const char* level, const char* size) {
    const fs::path at = folder / ("index" + std::to_string(index));
    fs::create_directories(at);
    std::ofstream(at / "level") << level;
    std::ofstream(at / "size") << size;
  };
  EXPECT_EQ(last_cache_bytes(folder), 0);
  describe(0, "1\n", "48K\n");
  describe(1, "1\n", "32K\n");
  EXPECT_EQ(last_cache_bytes(folder), 48 << 10);
  describe(2, "3\n", "32768K\n");
  describe(3, "2\n", "1024K\n");
  describe(4, "4\n", "none\n");
  EXPECT_EQ(last_cache_bytes(folder), 32 << 20);
  fs::remove_all(folder);
  EXPECT_GT(machine_caches().last, 1 << 16);
}

TEST(Shape, RefusesWhatCannotBeASize) {
  EXPECT_THROW(Shape({2, -3}), ValueError);
  EXPECT_THROW(Shape(std::vector<std::int64_t>(9, 1)), ValueError);
  EXPECT_THROW(Shape({kSymbolic, 3}).numel(), ValueError);
  EXPECT_THROW(Shape({std::int64_t{1} << 40, std::int64_t{1} << 40}).numel(), ValueError);
  EXPECT_THROW(Shape({0, std::int64_t{1} << 40, std::int64_t{1} << 40}).numel(), ValueError);
  EXPECT_EQ(Shape({0, 5}).numel(), 0);
  EXPECT_EQ(Shape({kSymbolic, 28}).str(), "(None, 28)");
  EXPECT_EQ(Shape({7}).str(), "(7,)");
}

TEST(Attributes, NameWhatIsMissingOrOfTheWrongKind) {
  const Attributes a{{"groups", std::int64_t{2}}, {"padding", std::string("same")}};
  EXPECT_EQ(a.integer("groups"), 2);
  EXPECT_EQ(a.real("groups"), 2.0);
  EXPECT_EQ(a.text("activation", "linear"), "linear");
  EXPECT_THROW(a.integer("padding"), TypeError);
  EXPECT_THROW(a.integer("strides"), ValueError);
}

struct Meeting {
  Barrier barrier;
  std::atomic<int> inside{0};
  std::atomic<bool> wrong{false};
  explicit Meeting(int threads) : barrier(threads) {}
};

// Every thread must see all arrivals of a phase before any goes on to the next.
void meet(void* context, int, int threads) {
  auto& m = *static_cast<Meeting*>(context);
  for (int phase = 1; phase <= 200; ++phase) {
    ++m.inside;
    m.barrier.wait();
    if (m.inside != phase * threads) m.wrong = true;
    m.barrier.wait();
  }
}

TEST(Threads, MeetAtBarriers) {
  for (const int threads : {1, 2, 3, 5}) {
    Meeting m(threads);
    run_region(threads, meet, &m);
    EXPECT_EQ(m.inside, 200 * threads);
    EXPECT_FALSE(m.wrong);
  }
}

TEST(Threads, PoolRunsEveryShareOnce) {
  ThreadPool pool;
  for (const int threads : {3, 2, 4, 1}) {
    Meeting m(threads);
    pool.run(threads, meet, &m);
    EXPECT_EQ(m.inside, 200 * threads);
    EXPECT_FALSE(m.wrong);
  }
}

TEST(Threads, AForkedChildRunsRegions) {
  Meeting before(2);
  run_region(2, meet, &before);  // the parent's workers exist now
  const pid_t child = fork();
  if (child == 0) {
    alarm(20);  // a hang becomes a failure
    Meeting m(2);
    run_region(2, meet, &m);
    _exit(m.inside == 400 && !m.wrong ? 0 : 1);
  }
  int status = -1;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(Threads, RefuseSillyCounts) {
  EXPECT_THROW(set_threads(0), ValueError);
  EXPECT_THROW(set_threads(100000), ValueError);
  EXPECT_GE(default_threads(), 1);
  EXPECT_LE(default_threads(), affinity_cpus());
}

#if defined(__x86_64__) || defined(__aarch64__)
TEST(Threads, FlushDenormalsInsideAndRestoreThemAfter) {
  volatile float tiny = 1e-39f;
  EXPECT_NE(tiny * 1.0f, 0.0f);
  struct Seen {
    std::atomic<int> flushed{0};
  } seen;
  run_region(
      2,
      [](void* context, int, int) {
        volatile float small = 1e-39f;
        if (small * 1.0f == 0.0f) ++static_cast<Seen*>(context)->flushed;
      },
      &seen);
  EXPECT_EQ(seen.flushed, 2);
  EXPECT_NE(tiny * 1.0f, 0.0f);
}
#endif

TEST(Isa, RefusesNamesItCannotServe) {
  const std::string before(name_of(current_isa()));
  EXPECT_THROW(set_isa("sse9"), ValueError);
  EXPECT_THROW(set_isa(""), ValueError);
  EXPECT_EQ(name_of(current_isa()), before);
  for (Isa isa : supported_isas()) {
    set_isa(name_of(isa));
    EXPECT_EQ(current_isa(), isa);
  }
  set_isa(before);
}

TEST(Share, CoversEverythingOnceInOrder) {
  for (const std::int64_t total : {0, 1, 7, 64, 129})
    for (const int threads : {1, 2, 3, 8})
      for (const std::int64_t grain : {1, 4}) {
        std::int64_t next = 0;
        for (int t = 0; t < threads; ++t) {
          const Range r = share(total, t, threads, grain);
          EXPECT_EQ(r.begin, next);
          next = r.end;
        }
        EXPECT_EQ(next, total);
      }
}

}  // namespace
}  // namespace cnnfast
