#pragma once

// What this binary was built from; every result file carries it.
namespace cotenant {

const char* version();     // "0.2.0"
const char* git_commit();  // 12 hex digits, "-dirty" behind them for uncommitted changes; "unknown" outside git
const char* compiler();    // "GNU 12.2.0"
const char* build_type();  // "Release"

}  // namespace cotenant
