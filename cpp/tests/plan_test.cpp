// The executor: memory, barriers, packed weights, steering, and a run that allocates nothing.
#include "cnnfast/plan.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <cstdlib>
#include <new>
#include <numeric>
#include <vector>

#include "cnnfast/error.h"
#include "plan/memory_planner.h"

// Every allocation of this process is counted while `counting` is on. Not under AddressSanitizer,
// which has its own operators.
#if defined(__SANITIZE_ADDRESS__)
#define CNNFAST_COUNTS_ALLOCATIONS 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CNNFAST_COUNTS_ALLOCATIONS 0
#endif
#endif
#ifndef CNNFAST_COUNTS_ALLOCATIONS
#define CNNFAST_COUNTS_ALLOCATIONS 1
#endif

namespace {

std::atomic<bool> counting{false};
std::atomic<int> allocations{0};

}  // namespace

#if CNNFAST_COUNTS_ALLOCATIONS

namespace {

void* counted(std::size_t bytes, std::size_t alignment) {
  if (counting) ++allocations;
  void* p = nullptr;
  if (posix_memalign(&p, alignment < sizeof(void*) ? sizeof(void*) : alignment, bytes ? bytes : 1))
    throw std::bad_alloc();
  return p;
}

}  // namespace

void* operator new(std::size_t bytes) { return counted(bytes, alignof(std::max_align_t)); }
void* operator new[](std::size_t bytes) { return counted(bytes, alignof(std::max_align_t)); }
void* operator new(std::size_t bytes, std::align_val_t a) {
  return counted(bytes, static_cast<std::size_t>(a));
}
void* operator new[](std::size_t bytes, std::align_val_t a) {
  return counted(bytes, static_cast<std::size_t>(a));
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t) noexcept { std::free(p); }
void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete[](void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }

#endif  // CNNFAST_COUNTS_ALLOCATIONS

namespace cnnfast {
namespace {

std::shared_ptr<Variable> variable(const Shape& shape, float scale, const std::string& name) {
  auto v = std::make_shared<Variable>(TensorType{shape}, name);
  auto* data = reinterpret_cast<float*>(v->data());
  for (std::int64_t i = 0; i < shape.numel(); ++i)
    data[i] = scale * std::sin(static_cast<float>(i * 7 + 3));
  return v;
}

// conv + bias + relu, max pool, dense, softmax cross-entropy, Adam: the tutorial network, smaller.
struct TrainingStep {
  Graph graph;
  std::vector<ValueId> outputs;
  std::vector<std::shared_ptr<Variable>> weights;

  TrainingStep() {
    const ValueId x = graph.input(TensorType{Shape{kSymbolic, 12, 12, 1}}, "x");
    const ValueId labels = graph.input({Shape{kSymbolic}, DType::i64}, "labels");
    const ValueId lr = graph.input(TensorType{Shape{}}, "lr");
    const ValueId w1 = weight({3, 3, 1, 8}, 0.3f, "w1"), b1 = weight({8}, 0.1f, "b1");
    const ValueId w2 = weight({5 * 5 * 8, 10}, 0.1f, "w2"), b2 = weight({10}, 0.1f, "b2");
    const ValueId conv = graph.add("conv2d", {x, w1, b1}, {}, "conv")[0];
    const ValueId relu = graph.add("relu", {conv}, {}, "conv")[0];
    const ValueId pool = graph.add("max_pool2d", {relu},
                                   {{"pool_size", std::vector<std::int64_t>{2, 2}}}, "pool")[0];
    const ValueId flat =
        graph.add("reshape", {pool}, {{"shape", std::vector<std::int64_t>{-1, 200}}}, "flat")[0];
    const ValueId logits = graph.add("dense", {flat, w2, b2}, {}, "dense")[0];
    const ValueId p = graph.add("softmax", {logits}, {}, "dense")[0];
    const ValueId losses = graph.add("sparse_categorical_crossentropy", {p, labels})[0];
    const ValueId loss = graph.add("mean", {losses}, {{"axes", std::vector<std::int64_t>{0}}})[0];
    const std::vector<ValueId> trained{w1, b1, w2, b2};
    const std::vector<ValueId> gradients = graph.gradients(loss, trained);
    const ValueId step =
        graph.variable(steps = std::make_shared<Variable>(TensorType{Shape{}, DType::i64}, "step"));
    for (std::size_t i = 0; i < trained.size(); ++i) {
      const Shape shape = graph.type(trained[i]).shape;
      const ValueId m = weight(shape, 0, "m"), v = weight(shape, 0, "v");
      graph.add("adam_update", {trained[i], gradients[i], lr, m, v, step},
                {{"beta1", 0.9}, {"beta2", 0.999}, {"epsilon", 1e-7}, {"weight_decay", 0.0}});
    }
    graph.add("increment", {step});
    outputs = {loss};
  }

  ValueId weight(const Shape& shape, float scale, const std::string& name) {
    weights.push_back(variable(shape, scale, name));
    return graph.variable(weights.back());
  }
  std::shared_ptr<Variable> steps;
};

struct Batch {
  std::vector<float> x;
  std::vector<std::int64_t> labels;
  float lr = 0.01f;
  float loss = NAN;
  std::vector<const void*> inputs;
  std::vector<void*> outputs;

  explicit Batch(int size) : x(static_cast<std::size_t>(size) * 144) {
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = std::cos(static_cast<float>(i * 13 % 101));
    for (int i = 0; i < size; ++i) labels.push_back(i % 10);
    inputs = {x.data(), labels.data(), &lr};
    outputs = {&loss};
  }
  std::vector<TensorType> types() const {
    const auto n = static_cast<std::int64_t>(labels.size());
    return {TensorType{Shape{n, 12, 12, 1}}, TensorType{Shape{n}, DType::i64}, TensorType{Shape{}}};
  }
};

TEST(Plan, TrainsWithoutAllocatingAfterTheFirstStep) {
  for (const int threads : {1, 2}) {
    TrainingStep net;
    Batch batch(32);
    PlanOptions options;
    options.threads = threads;
    Plan plan(net.graph, net.outputs, batch.types(), options, make_arena());
    plan.run(batch.inputs.data(), batch.outputs.data());
    const float first = batch.loss;
    allocations = 0;
    counting = true;
    for (int i = 0; i < 30; ++i) plan.run(batch.inputs.data(), batch.outputs.data());
    counting = false;
    EXPECT_EQ(allocations, 0) << threads << " threads";
    EXPECT_TRUE(std::isfinite(first));
    EXPECT_LT(batch.loss, 0.5f * first);
    EXPECT_EQ(*reinterpret_cast<std::int64_t*>(net.steps->data()), 31);
  }
}

TEST(Plan, CountsAllocationsAtAll) {
  if (!CNNFAST_COUNTS_ALLOCATIONS) GTEST_SKIP() << "AddressSanitizer has its own operators";
  allocations = 0;
  counting = true;
  auto* p = new int(3);
  counting = false;
  delete p;
  EXPECT_EQ(allocations, 1);
}

TEST(Plan, SameBitsTwiceAndAtAnyThreadCountWhenDeterministic) {
  std::vector<std::vector<float>> results;
  for (const int threads : {1, 2, 2, 3}) {
    TrainingStep net;
    Batch batch(33);
    PlanOptions options;
    options.threads = threads;
    options.deterministic = true;
    Plan plan(net.graph, net.outputs, batch.types(), options, make_arena());
    for (int i = 0; i < 5; ++i) plan.run(batch.inputs.data(), batch.outputs.data());
    std::vector<float> all{batch.loss};
    for (const auto& w : net.weights) {
      const auto* data = reinterpret_cast<const float*>(w->data());
      all.insert(all.end(), data, data + w->type().shape.numel());
    }
    results.push_back(all);
  }
  for (std::size_t i = 1; i < results.size(); ++i) EXPECT_EQ(results[0], results[i]) << i;
}

TEST(Plan, PacksWeightsAgainWhenTheirVersionChanges) {
  Graph graph;
  const ValueId x = graph.input(TensorType{Shape{4, 9, 9, 16}}, "x");
  auto w = variable({3, 3, 16, 32}, 1, "w");
  const ValueId y = graph.add("conv2d", {x, graph.variable(w)})[0];
  Plan plan(graph, {y}, {graph.type(x)}, {}, make_arena());
  std::vector<float> in(4 * 9 * 9 * 16, 1.0f), first(4 * 7 * 7 * 32), second = first, third = first;
  const void* inputs[] = {in.data()};
  void* outputs[] = {first.data()};
  plan.run(inputs, outputs);
  outputs[0] = second.data();
  plan.run(inputs, outputs);  // short schedule
  EXPECT_EQ(first, second);
  auto* data = reinterpret_cast<float*>(w->data());
  for (int i = 0; i < 3 * 3 * 16 * 32; ++i) data[i] *= 2;
  w->bump();
  outputs[0] = third.data();
  plan.run(inputs, outputs);
  for (std::size_t i = 0; i < third.size(); ++i) ASSERT_EQ(third[i], 2 * first[i]) << i;
}

TEST(Plan, HandsBackInputsVariablesAndRepeatedOutputs) {
  Graph graph;
  const ValueId x = graph.input(TensorType{Shape{5}}, "x");
  auto w = variable({5}, 1, "w");
  const ValueId v = graph.variable(w);
  const ValueId y = graph.add("relu", {x})[0];
  const ValueId view = graph.add("reshape", {y}, {{"shape", std::vector<std::int64_t>{5, 1}}})[0];
  Plan plan(graph, {x, v, y, y, view}, {graph.type(x)}, {}, make_arena());
  const float in[] = {-1, 2, -3, 4, 5};
  std::vector<std::vector<float>> out(5, std::vector<float>(5, NAN));
  std::vector<void*> outputs;
  for (auto& o : out) outputs.push_back(o.data());
  const void* inputs[] = {in};
  plan.run(inputs, outputs.data());
  const std::vector<float> relu{0, 2, 0, 4, 5};
  EXPECT_EQ(out[0], std::vector<float>(in, in + 5));
  EXPECT_EQ(out[1], std::vector<float>(reinterpret_cast<float*>(w->data()),
                                       reinterpret_cast<float*>(w->data()) + 5));
  EXPECT_EQ(out[2], relu);
  EXPECT_EQ(out[3], relu);
  EXPECT_EQ(out[4], relu);
}

TEST(Plan, ReadsTheOldValueOfAVariableThatItUpdates) {
  Graph graph;
  const ValueId x = graph.input(TensorType{Shape{3}}, "x");
  auto total = std::make_shared<Variable>(TensorType{Shape{3}}, "total");
  const ValueId t = graph.variable(total);
  graph.add("accumulate", {t, x});
  const ValueId doubled =
      graph.add("add", {t, t})[0];  // written behind the update, reads before it
  Plan plan(graph, {doubled}, {graph.type(x)}, {}, make_arena());
  const float in[] = {1, 2, 3};
  std::vector<float> out(3);
  const void* inputs[] = {in};
  void* outputs[] = {out.data()};
  plan.run(inputs, outputs);
  EXPECT_EQ(out, (std::vector<float>{0, 0, 0}));
  plan.run(inputs, outputs);
  EXPECT_EQ(out, (std::vector<float>{2, 4, 6}));
}

TEST(Plan, ForcesPrefersAndExcludesByEnvironment) {
  Graph graph;
  const ValueId x = graph.input(TensorType{Shape{1, 8, 8, 32}}, "x");
  const ValueId w = graph.variable(variable({3, 3, 32, 32}, 1, "w"));
  const ValueId y = graph.add("conv2d", {x, w})[0];
  const std::vector<TensorType> types{graph.type(x)};
  const auto chosen = [&] {
    return Plan(graph, {y}, types, {}, make_arena()).steps().back().implementation;
  };
  setenv("CNNFAST_CONV", "force:reference", 1);
  EXPECT_EQ(chosen(), "reference");
  setenv("CNNFAST_CONV", "prefer:nothing_of_the_kind", 1);
  EXPECT_NE(chosen(), "reference");
  setenv("CNNFAST_CONV", "force:nothing_of_the_kind", 1);
  EXPECT_THROW(chosen(), ValueError);
  setenv("CNNFAST_CONV", "sometimes:direct", 1);
  EXPECT_THROW(chosen(), ValueError);
  unsetenv("CNNFAST_CONV");
}

TEST(Plan, RefusesTypesThatDoNotFit) {
  TrainingStep net;
  Batch batch(2);
  auto types = batch.types();
  types[0].shape[3] = 2;
  EXPECT_THROW(Plan(net.graph, net.outputs, types, {}, make_arena()), ValueError);
  types = batch.types();
  types[0].dtype = DType::f64;
  EXPECT_THROW(Plan(net.graph, net.outputs, types, {}, make_arena()), TypeError);
  types.pop_back();
  EXPECT_THROW(Plan(net.graph, net.outputs, types, {}, make_arena()), ValueError);
}

TEST(MemoryPlanner, SharesMemoryOnlyBetweenBuffersThatShareNoEpoch) {
  std::vector<Lifetime> buffers;
  for (int i = 0; i < 60; ++i)
    buffers.push_back({64 * (1 + (i * 37) % 11), (i * 5) % 23, (i * 5) % 23 + (i * 3) % 7, 0});
  const std::int64_t total = plan_memory(buffers);
  std::int64_t sum = 0;
  for (std::size_t a = 0; a < buffers.size(); ++a) {
    sum += buffers[a].bytes;
    EXPECT_EQ(buffers[a].offset % 64, 0);
    EXPECT_LE(buffers[a].offset + buffers[a].bytes, total);
    for (std::size_t b = a + 1; b < buffers.size(); ++b) {
      const Lifetime &x = buffers[a], &y = buffers[b];
      const bool together = x.first <= y.last && y.first <= x.last;
      const bool overlap = x.offset < y.offset + y.bytes && y.offset < x.offset + x.bytes;
      EXPECT_FALSE(together && overlap) << a << " and " << b;
    }
  }
  EXPECT_LT(total, sum);
}

}  // namespace
}  // namespace cnnfast
