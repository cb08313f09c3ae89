#pragma once

#include <unistd.h>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>

#include "scratch.h"

// A page in headless Chromium. Scripts of the test are put into a copy of it: one before the page's own, which collects
// whatever goes wrong, and one behind it, which acts as a user and says what it saw by report(key, value).
namespace cotenant {

inline std::filesystem::path find_chromium() {
  for (const char* candidate : {"/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"}) {
    if (access(candidate, X_OK) == 0) return candidate;
  }
  return {};
}

class Browser {
 public:
  explicit Browser(const Scratch& scratch) : scratch_(scratch) {}

  // What the test's script reported, and under "problems" every error, warning, refused load and alert.
  std::map<std::string, std::string> visit(std::string page, const std::string& script, int width = 1280) {
    const std::string own_script = "<script nonce=\"report\">";
    insert(page, page.find("<style>"), own_script + collector + "</script>\n");
    insert(page, page.rfind("</body>"),
           own_script + "const user = async () => {" + script + "};" + finish + "</script>");
    const auto file = scratch_.write("visited.html", page);
    const std::string command = find_chromium().string() +
                                " --headless --no-sandbox --disable-gpu --disable-dev-shm-usage"
                                " --virtual-time-budget=20000 --window-size=" +
                                std::to_string(width) +
                                ",1000 --user-data-dir=" + (scratch_.path() / "profile").string() +
                                " --dump-dom file://" + file.string() + " 2>/dev/null";
    return parse(output_of(command));
  }

 private:
  static constexpr const char* collector = R"(
const problems = [];
addEventListener("error", (e) => problems.push("error: " + e.message), true);
addEventListener("unhandledrejection", (e) => problems.push("rejected: " + e.reason));
addEventListener("securitypolicyviolation", (e) => problems.push("refused: " + e.violatedDirective));
for (const kind of ["error", "warn"]) console[kind] = (...a) => problems.push(kind + ": " + a.join(" "));
for (const kind of ["alert", "confirm", "prompt"]) window[kind] = () => problems.push(kind);
const seen = {};
const report = (key, value) => { seen[key] = String(value); };
const all = (selector) => [...document.querySelectorAll(selector)];
const pause = () => new Promise((done) => setTimeout(done, 50));
)";
  static constexpr const char* finish = R"(
user().catch((e) => problems.push("thrown: " + e.stack)).then(() => {
  report("requests", performance.getEntriesByType("resource").length);
  report("problems", problems.join(" | "));
  const out = document.createElement("pre");
  out.textContent = "SEEN " + btoa(unescape(encodeURIComponent(Object.entries(seen).map(([k, v]) => k + "\t" + v).join("\n")))) + " END";
  document.body.append(out);
});
)";

  static void insert(std::string& page, size_t at, const std::string& text) {
    if (at == std::string::npos) throw std::runtime_error("the page has no place for the test's script");
    page.insert(at, text);
  }

  static std::string output_of(const std::string& command) {
    const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.c_str(), "r"), pclose);
    if (!pipe) throw std::runtime_error("popen failed");
    std::string text;
    std::array<char, 65536> buffer;
    while (const size_t n = fread(buffer.data(), 1, buffer.size(), pipe.get())) text.append(buffer.data(), n);
    return text;
  }

  static std::string from_base64(const std::string& text) {
    std::string bytes;
    unsigned bits = 0;
    int count = 0;
    for (char c : text) {
      const std::string alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
      const size_t value = alphabet.find(c);
      if (value == std::string::npos) break;
      bits = bits << 6 | static_cast<unsigned>(value);
      if ((count += 6) >= 8) bytes += static_cast<char>(bits >> (count -= 8) & 0xff);
    }
    return bytes;
  }

  static std::map<std::string, std::string> parse(const std::string& dom) {
    const size_t begin = dom.rfind("<pre>SEEN ");
    if (begin == std::string::npos)
      throw std::runtime_error("the test's script did not come to its end:\n" +
                               dom.substr(dom.size() - std::min<size_t>(dom.size(), 3000)));
    std::istringstream lines(from_base64(dom.substr(begin + 10)));
    std::map<std::string, std::string> found;
    for (std::string line; std::getline(lines, line);) {
      const size_t tab = line.find('\t');
      if (tab != std::string::npos) found[line.substr(0, tab)] = line.substr(tab + 1);
    }
    return found;
  }

  const Scratch& scratch_;
};

}  // namespace cotenant
