// Rewrites of the graph: what they change and what they leave alone.
#include "graph/passes/passes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "cnnfast/error.h"
#include "ops/op.h"

namespace cnnfast {
namespace {

using Ints = std::vector<std::int64_t>;

std::vector<std::string> ops_of(const Program& program) {
  std::vector<std::string> names;
  for (const Node& node : program.graph.nodes()) names.emplace_back(node.op->name());
  return names;
}

// Every input of a node is made before it, and producers point back at their nodes.
void expect_sound(const Program& program) {
  const Graph& graph = program.graph;
  for (NodeId id = 0; id < static_cast<NodeId>(graph.nodes().size()); ++id) {
    for (ValueId v : graph.node(id).inputs)
      if (graph.value(v).kind == ValueKind::result) {
        EXPECT_LT(graph.value(v).producer, id);
      }
    for (std::size_t o = 0; o < graph.node(id).outputs.size(); ++o) {
      EXPECT_EQ(graph.value(graph.node(id).outputs[o]).producer, id);
      EXPECT_EQ(graph.value(graph.node(id).outputs[o]).output, static_cast<int>(o));
    }
  }
}

struct Net {
  Program program;
  ValueId x, w, loss, dw;
  std::shared_ptr<Variable> kernel = std::make_shared<Variable>(TensorType{Shape{3, 3, 1, 4}}, "w");

  explicit Net(const std::string& pool) {
    Graph& g = program.graph;
    x = g.input(TensorType{Shape{2, 10, 10, 1}}, "x");
    w = g.variable(kernel);
    const ValueId conv = g.add("conv2d", {x, w})[0];
    const ValueId relu = g.add("relu", {conv})[0];
    const ValueId pooled = g.add(pool, {relu}, {{"pool_size", Ints{2, 2}}})[0];
    loss = g.add("sum", {pooled}, {{"axes", Ints{0, 1, 2, 3}}})[0];
    dw = g.gradients(loss, {w})[0];
    program.outputs = {loss, dw};
    program = differentiate(program);
    drop_dead(program);
  }
};

TEST(Passes, MasksBeforeUnpooling) {
  Net net("max_pool2d");
  mask_before_unpooling(net.program);
  expect_sound(net.program);
  const auto names = ops_of(net.program);
  const auto mask = std::find(names.begin(), names.end(), "activation_backward");
  const auto unpool = std::find(names.begin(), names.end(), "max_pool2d_backward");
  EXPECT_LT(mask, unpool);
  for (const Node& node : net.program.graph.nodes()) {
    if (node.op->name() == "activation_backward") {
      EXPECT_EQ(net.program.graph.type(node.outputs[0]).shape, (Shape{2, 4, 4, 4}));
    }
    if (node.op->name() == "max_pool2d_backward") {
      EXPECT_EQ(net.program.graph.type(node.outputs[0]).shape, (Shape{2, 8, 8, 4}));
    }
  }
}

TEST(Passes, LeavesAveragePoolingAlone) {
  Net net("avg_pool2d");
  const auto before = ops_of(net.program);
  mask_before_unpooling(net.program);
  EXPECT_EQ(ops_of(net.program), before);
}

TEST(Passes, FusesAnActivationIntoTheConvolution) {
  Net net("max_pool2d");
  fuse_activations(net.program);
  drop_dead(net.program);
  expect_sound(net.program);
  const auto names = ops_of(net.program);
  EXPECT_EQ(std::count(names.begin(), names.end(), "relu"), 0);
  EXPECT_EQ(net.program.graph.nodes()[0].attributes.text("activation", ""), "relu");
}

TEST(Passes, DoesNotFuseAnActivationWhoseInputIsReadElsewhere) {
  Program program;
  Graph& g = program.graph;
  const ValueId x = g.input(TensorType{Shape{1, 4, 4, 1}}, "x");
  const ValueId w = g.variable(std::make_shared<Variable>(TensorType{Shape{3, 3, 1, 2}}, "w"));
  const ValueId conv = g.add("conv2d", {x, w})[0];
  program.outputs = {g.add("relu", {conv})[0], conv};
  fuse_activations(program);
  EXPECT_EQ(ops_of(program), (std::vector<std::string>{"conv2d", "relu"}));
}

struct PooledConvolution {
  Program program;
  int asked = 0;

  PooledConvolution(const std::string& pool, const Attributes& attributes) {
    Graph& g = program.graph;
    const ValueId x = g.input(TensorType{Shape{1, 7, 8, 1}}, "x");
    const ValueId w = g.variable(std::make_shared<Variable>(TensorType{Shape{1, 1, 1, 2}}, "w"));
    program.outputs = {g.add(pool, {g.add("conv2d", {x, w})[0]}, attributes)[0]};
  }
  void fuse(bool serves) {
    fuse_pooling(program, [&](const Node& before, const Node& after) {
      ++asked;
      EXPECT_FALSE(before.attributes.has("pool"));
      EXPECT_TRUE(after.attributes.has("pool"));
      return serves;
    });
    expect_sound(program);
  }
};

TEST(Passes, FusesPoolingIntoTheConvolution) {
  for (const std::string pool : {"max", "avg"}) {
    PooledConvolution net(pool + "_pool2d", {{"pool_size", Ints{2, 2}}, {"strides", Ints{2, 2}}});
    net.fuse(true);
    ASSERT_EQ(ops_of(net.program), std::vector<std::string>{"conv2d"});
    const Node& node = net.program.graph.nodes()[0];
    EXPECT_EQ(node.attributes.text("pool"), pool == "max" ? "max" : "average");
    EXPECT_EQ(net.program.graph.type(net.program.outputs[0]).shape, (Shape{1, 3, 4, 2}));
    const TensorType types[] = {TensorType{Shape{1, 7, 8, 1}}, TensorType{Shape{1, 1, 1, 2}}};
    EXPECT_EQ(node.op->infer({node.attributes, types})[0].shape, (Shape{1, 3, 4, 2}));
  }
}

TEST(Passes, DoesNotFusePoolingThatTheConvolutionCannotDo) {
  const auto left = std::vector<std::string>{"conv2d", "max_pool2d"};
  PooledConvolution refused("max_pool2d", {{"pool_size", Ints{2, 2}}, {"strides", Ints{2, 2}}});
  refused.fuse(false);
  EXPECT_EQ(refused.asked, 1);
  EXPECT_EQ(ops_of(refused.program), left);
  for (const Attributes& other :
       {Attributes{{"pool_size", Ints{3, 2}}, {"strides", Ints{2, 2}}},
        Attributes{{"pool_size", Ints{2, 2}}, {"strides", Ints{1, 2}}},
        Attributes{{"pool_size", Ints{2, 2}}, {"strides", Ints{2, 2}}, {"padding", "same"}}}) {
    PooledConvolution net("max_pool2d", other);
    net.fuse(true);
    EXPECT_EQ(net.asked, 0) << other.str();
    EXPECT_EQ(ops_of(net.program), left) << other.str();
  }
}

TEST(Passes, DoesNotFusePoolingWhosePlacesAreRead) {
  Net net("max_pool2d");
  fuse_activations(net.program);
  const auto before = ops_of(net.program);
  fuse_pooling(net.program, [](const Node&, const Node&) { return true; });
  EXPECT_EQ(ops_of(net.program), before);
}

TEST(Passes, CrossEntropyOfSoftmaxTakesLogits) {
  Program program;
  Graph& g = program.graph;
  const ValueId z = g.input(TensorType{Shape{4, 3}}, "z");
  const ValueId labels = g.input({Shape{4}, DType::i64}, "labels");
  const ValueId p = g.add("softmax", {z})[0];
  const ValueId losses = g.add("sparse_categorical_crossentropy", {p, labels})[0];
  program.outputs = {losses};
  use_logits(program);
  drop_dead(program);
  ASSERT_EQ(program.graph.nodes().size(), 1u);
  EXPECT_EQ(program.graph.nodes()[0].inputs[0], z);
  EXPECT_TRUE(program.graph.nodes()[0].attributes.boolean("from_logits"));
}

TEST(Passes, TransposesThatCancelGo) {
  Program program;
  Graph& g = program.graph;
  const ValueId x = g.input(TensorType{Shape{2, 3, 4, 5}}, "x");
  const ValueId nhwc = g.add("transpose", {x}, {{"permutation", Ints{0, 2, 3, 1}}})[0];
  const ValueId back = g.add("transpose", {nhwc}, {{"permutation", Ints{0, 3, 1, 2}}})[0];
  program.outputs = {g.add("relu", {back})[0]};
  cancel_transposes(program);
  drop_dead(program);
  EXPECT_EQ(ops_of(program), std::vector<std::string>{"relu"});
}

TEST(Passes, UpdatesFollowTheLastReaderOfTheOldValue) {
  Program program;
  Graph& g = program.graph;
  const auto variable = std::make_shared<Variable>(TensorType{Shape{3}}, "v");
  const auto other = std::make_shared<Variable>(TensorType{Shape{3}}, "u");
  const ValueId x = g.input(TensorType{Shape{3}}, "x");
  const ValueId v = g.variable(variable), u = g.variable(other);
  g.add("accumulate", {v, x});
  const ValueId y = g.add("multiply", {v, x})[0];
  const ValueId z = g.add("exp", {y})[0];
  g.add("accumulate", {u, y});
  program.outputs = {z};
  place_updates(program);
  expect_sound(program);
  EXPECT_EQ(ops_of(program),
            (std::vector<std::string>{"multiply", "accumulate", "accumulate", "exp"}));
}

TEST(Passes, GradientsAreSummedWhereAValueIsUsedTwice) {
  Program program;
  Graph& g = program.graph;
  const ValueId x = g.input(TensorType{Shape{3}}, "x");
  const ValueId y = g.add("multiply", {x, x})[0];
  const ValueId loss = g.add("sum", {y}, {{"axes", Ints{0}}})[0];
  program.outputs = {g.gradients(loss, {x})[0]};
  program = differentiate(program);
  drop_dead(program);
  expect_sound(program);
  const auto names = ops_of(program);
  EXPECT_EQ(std::count(names.begin(), names.end(), "add"), 1);
}

TEST(Graph, PutsTheScopeInFrontOfMessages) {
  Graph g;
  const ValueId x = g.input(TensorType{Shape{kSymbolic, 8, 8, 1}}, "x");
  const ValueId w = g.variable(std::make_shared<Variable>(TensorType{Shape{3, 3, 3, 2}}, "w"));
  try {
    g.add("conv2d", {x, w}, {}, "Conv2D 'conv2d_1'");
    FAIL() << "no error";
  } catch (const ValueError& e) {
    EXPECT_EQ(std::string(e.what()).rfind("Conv2D 'conv2d_1': conv2d: ", 0), 0u) << e.what();
  }
  EXPECT_THROW(g.add("no_such_op", {x}), ValueError);
  EXPECT_THROW(g.add("relu", {x + 100}), ValueError);
}

}  // namespace
}  // namespace cnnfast
