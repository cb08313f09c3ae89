#include "browser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "report/page.h"
#include "synthetic.h"

namespace cotenant {
namespace {

using testing::HasSubstr;

class ReportInBrowser : public testing::Test {
 protected:
  void SetUp() override {
    if (find_chromium().empty()) GTEST_SKIP() << "chromium is not installed";
  }
  ExperimentAnalysis experiment(const std::vector<std::string>& names) {
    auto made = synthetic_experiment(names);
    made.telemetry = scratch_.write("telemetry.jsonl", "{\"t_s\":0,\"power_w\":100}\n{\"t_s\":1,\"power_w\":200}\n");
    made.config = scratch_.write("config.yaml", "experiment_name: synthetic\n");
    return made;
  }
  Scratch scratch_;
};

TEST_F(ReportInBrowser, LoadsCleanlyAndShowsTheAnswerFirst) {
  auto seen = Browser(scratch_).visit(experiment_page(experiment({"first", "second"})), R"js(
    report("answer", document.querySelector("h1").textContent);
    report("charts", all("figure svg").length);
    report("empty", all("figure").filter((f) => !f.querySelector("svg path, svg rect, svg circle")).length);
    report("invisible", all("#fairness, #device, #environment, #config, #method").filter((s) => s.hidden).length);
    report("numbers", all("svg").some((s) => /NaN|undefined|Infinity/.test(s.outerHTML)));
    report("config", document.getElementById("config-text").textContent.trim());
    report("overflow", document.documentElement.scrollWidth > innerWidth);
  )js");
  EXPECT_EQ(seen["problems"], "");
  EXPECT_EQ(seen["requests"], "0");
  EXPECT_THAT(seen["answer"], HasSubstr("The work of 1.21 GPUs; worst slowdown 1.69x (second)"));
  EXPECT_EQ(seen["charts"], "9");  // seven of the samples, p-values, one panel of telemetry
  EXPECT_EQ(seen["empty"], "0");
  EXPECT_EQ(seen["invisible"], "0");
  EXPECT_EQ(seen["numbers"], "false");
  EXPECT_EQ(seen["config"], "experiment_name: synthetic");
  EXPECT_EQ(seen["overflow"], "false");
}

TEST_F(ReportInBrowser, FitsANarrowScreen) {
  auto seen = Browser(scratch_).visit(experiment_page(experiment({"first", "a tenant with quite a long name"})), R"js(
    report("width", innerWidth);
    report("overflow", document.documentElement.scrollWidth > innerWidth);
  )js",
                                      500);
  EXPECT_EQ(seen["problems"], "");
  EXPECT_EQ(seen["overflow"], "false") << "at " << seen["width"];
}

TEST_F(ReportInBrowser, TogglingATenantChangesTheCharts) {
  auto seen = Browser(scratch_).visit(experiment_page(experiment({"first", "second", "third"})), R"js(
    const colours = () => [...new Set(all("#charts .bar, #charts .curve").map((n) => n.style.fill || n.style.stroke))].sort().join();
    const buttons = all("#toggles button[aria-pressed]");
    report("buttons", buttons.length);
    report("before", colours());
    buttons[1].click();
    report("pressed", buttons[1].getAttribute("aria-pressed"));
    report("after", colours());
    report("row", document.querySelectorAll("#summary-table tbody tr")[1].className);
    buttons[0].click(); buttons[2].click();
    report("none", all("#charts svg").length + " " + all("#charts .empty").length);
    all("#toggles button").at(-1).click();
    report("again", colours());
  )js");
  EXPECT_EQ(seen["problems"], "");
  EXPECT_EQ(seen["buttons"], "3");
  EXPECT_EQ(seen["before"], "var(--t0),var(--t1),var(--t2)");
  EXPECT_EQ(seen["pressed"], "false");
  EXPECT_EQ(seen["after"], "var(--t0),var(--t2)");
  EXPECT_EQ(seen["row"], "off");
  EXPECT_EQ(seen["none"], "0 7");
  EXPECT_EQ(seen["again"], seen["before"]);
}

TEST_F(ReportInBrowser, EveryChartHasATableAndAnswersToKeysAndPointer) {
  auto seen = Browser(scratch_).visit(experiment_page(experiment({"first", "second"})), R"js(
    const figures = all("figure");
    figures.forEach((f) => { f.querySelector("details").open = true; });
    await pause();
    report("tables", figures.filter((f) => f.querySelectorAll("details tbody tr").length > 0).length === figures.length);
    const tip = (f) => f.querySelector(".tip");
    report("keys", figures.filter((f) => {
      const canvas = f.querySelector(".canvas");
      canvas.focus();
      canvas.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true, cancelable: true }));
      const shows = !tip(f).hidden && tip(f).querySelectorAll("div").length > 0 && document.getElementById("announce").textContent !== "";
      canvas.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", bubbles: true }));
      return shows && tip(f).hidden;
    }).length === figures.length);
    const bars = figures[1].querySelector(".canvas"), box = bars.getBoundingClientRect();
    bars.dispatchEvent(new PointerEvent("pointermove", { clientX: box.left + box.width * 0.2, clientY: box.top + 50 }));
    report("hover", tip(figures[1]).textContent);
    report("reachable", all(".canvas").every((c) => c.tabIndex === 0) && all("button, summary, input").every((c) => c.tabIndex === 0));
  )js");
  EXPECT_EQ(seen["problems"], "");
  EXPECT_EQ(seen["tables"], "true");
  EXPECT_EQ(seen["keys"], "true");
  EXPECT_THAT(seen["hover"], testing::AllOf(HasSubstr("mean"), HasSubstr("first"), HasSubstr(" ms")));
  EXPECT_EQ(seen["reachable"], "true");
}

TEST_F(ReportInBrowser, HostileNamesDoNothing) {
  const std::vector<std::string> names = {"<img src=x onerror=alert(1)>", "</script><script>alert(2)</script>",
                                          "javascript:alert(3)//${alert(4)}"};
  auto hostile = experiment(names);
  hostile.name = "</title><svg onload=alert(5)>";
  hostile.warnings = {"<iframe src=https://example.org></iframe>"};
  hostile.config = scratch_.write("config.yaml", "</pre><script>alert(6)</script>");
  auto seen = Browser(scratch_).visit(experiment_page(hostile), R"js(
    all("figure details").forEach((d) => { d.open = true; });
    all("#toggles button[aria-pressed]")[0].click();
    for (const canvas of all(".canvas")) canvas.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight" }));
    await pause();
    report("foreign", all("img, iframe, object, embed, svg[onload], script:not([nonce]):not(#data)").length);
    report("names", all("#toggles button[aria-pressed]").map((b) => b.title).join("\u0001"));
    report("title", document.title);
  )js");
  EXPECT_EQ(seen["problems"], "");
  EXPECT_EQ(seen["requests"], "0");
  EXPECT_EQ(seen["foreign"], "0");
  EXPECT_EQ(seen["names"], names[0] + "\x01" + names[1] + "\x01" + names[2]);
  EXPECT_EQ(seen["title"], hostile.name + " – cotenant");
}

TEST_F(ReportInBrowser, SwitchesBetweenLightAndDark) {
  auto seen = Browser(scratch_).visit(experiment_page(experiment({"first", "second"})), R"js(
    const paper = () => getComputedStyle(document.body).backgroundColor;
    const choose = (value) => { document.querySelector(`input[value="${value}"]`).click(); return paper(); };
    report("dark", choose("dark"));
    report("light", choose("light"));
  )js");
  EXPECT_EQ(seen["problems"], "");
  EXPECT_EQ(seen["light"], "rgb(255, 255, 255)");
  EXPECT_EQ(seen["dark"], "rgb(20, 23, 26)");
}

TEST_F(ReportInBrowser, ComparesExperiments) {
  std::vector<ExperimentAnalysis> modes = {synthetic_experiment({"a"}), synthetic_experiment({"a", "b"}),
                                           synthetic_experiment({"a", "b", "c"})};
  for (size_t i = 0; i < modes.size(); ++i) modes[i].name = "mode " + std::to_string(i);
  const std::vector<std::string> links = {"../0/report.html", "../1/report.html", "../2/report.html"};
  auto seen = Browser(scratch_).visit(comparison_page(modes, links), R"js(
    report("rows", all("#summary-table tbody tr").length);
    report("links", all("#summary-table a").map((a) => a.getAttribute("href")).join());
    report("charts", all("#charts svg").length);
    const circles = () => document.querySelectorAll("#charts figure:first-child circle").length;
    const before = circles();
    all("#toggles button[aria-pressed]")[0].click();
    report("points", before + " " + circles());
    report("numbers", all("svg").some((s) => /NaN|undefined|Infinity/.test(s.outerHTML)));
  )js");
  EXPECT_EQ(seen["problems"], "");
  EXPECT_EQ(seen["rows"], "3");
  EXPECT_EQ(seen["links"], "../0/report.html,../1/report.html,../2/report.html");
  EXPECT_EQ(seen["charts"], "7");  // scatter; throughput, STP, slowdown, latency; two against the number of tenants
  EXPECT_EQ(seen["points"], "3 2");
  EXPECT_EQ(seen["numbers"], "false");
}

}  // namespace
}  // namespace cotenant
