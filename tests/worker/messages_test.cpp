#include "worker/messages.h"

#include <gtest/gtest.h>

#include <set>

#include "base/error.h"
#include "model/model.h"
#include "worker/engine_setup.h"

namespace cotenant {
namespace {

TEST(Messages, AnOrderArrivesAsItWasGiven) {
  TenantOrder order;
  order.name = "a \"quoted\" name";
  order.seed = ~uint64_t{0};
  order.cpus = {1, 5};
  order.spin_wait = false;
  order.engine = StressSpec{.kind = StressKind::dram, .service_ms = 0.1};
  const Command command{"", command::Order{{order, TenantOrder()}}};
  const std::string line = to_json(command);
  EXPECT_EQ(line.find('\n'), std::string::npos);
  const Command arrived = command_from_json(line);
  EXPECT_EQ(to_json(arrived), line);
  const auto& tenants = std::get<command::Order>(arrived.what).tenants;
  ASSERT_EQ(tenants.size(), 2u);
  EXPECT_EQ(tenants[0].name, order.name);
  EXPECT_EQ(tenants[0].seed, order.seed);
  EXPECT_EQ(tenants[0].cpus, order.cpus);
  EXPECT_FALSE(tenants[0].spin_wait);
  ASSERT_NE(tenants[0].stressor(), nullptr);
  EXPECT_EQ(tenants[0].stressor()->service_ms, 0.1);
  const Command go = command_from_json(to_json(Command{"", command::Go{int64_t{1} << 62}}));
  EXPECT_EQ(std::get<command::Go>(go.what).t0_ns, int64_t{1} << 62);
}

TEST(Messages, AReportArrivesAsItWasGiven) {
  report::Done done;
  done.requests = 3;
  done.usage.cpu_user_s = 1.5;
  const Report report{"a", done};
  const Report arrived = report_from_json(to_json(report));
  EXPECT_EQ(arrived.tenant, "a");
  EXPECT_EQ(std::get<report::Done>(arrived.what).usage.cpu_user_s, 1.5);
  EXPECT_EQ(to_json(arrived), to_json(report));
}

TEST(Messages, RefusesWhatIsNone) {
  EXPECT_THROW(command_from_json("hello"), Error);
  EXPECT_THROW(report_from_json("[]"), Error);
  EXPECT_THROW(report_from_json(R"({"tenant":"a"})"), Error);
  EXPECT_THROW(command_from_json(R"({"type":"dance"})"), Error);
}

TEST(SyntheticInput, IsAFunctionOfTheSeedAndAvoidsThePadding) {
  Model model;
  model.spec.vocab_size = 7;
  model.spec.pad_token = 3;
  TenantOrder order;
  order.batch_size = 16;
  order.seq_len = 64;
  const auto tokens = synthetic_input(order, &model);
  ASSERT_EQ(tokens.size(), 1024u);
  EXPECT_EQ(synthetic_input(order, &model), tokens);
  const std::set<int32_t> seen(tokens.begin(), tokens.end());
  EXPECT_EQ(seen, (std::set<int32_t>{0, 1, 2, 4, 5, 6}));
  order.seed = 1;
  EXPECT_NE(synthetic_input(order, &model), tokens);
  EXPECT_TRUE(synthetic_input(order, nullptr).empty());
}

}  // namespace
}  // namespace cotenant
