#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "daemon/domain/catalog.hpp"
#include "daemon/domain/service.hpp"

namespace sovirt {

// One candidate of a list. The document is only made when the cheap filters let it through.
struct Listed {
  std::string key;                       // the cursor after it
  const Labels* labels = nullptr;        // nullptr: has none
  std::function<Json()> document;
  std::shared_ptr<const Entry> keep_alive;
};

// `next(after)` gives the first candidate beyond that key. Pages hold `limit` items; `next` is null on the last.
Page list_page(const ListQuery&, std::int64_t seq, const std::function<std::optional<Listed>(const std::string& after)>& next);

bool matches_glob(std::string_view pattern, std::string_view text) noexcept;  // `*` any bytes, nothing else special

// Those of one boot_priority at the same time, priorities one after the other, in the order given.
// Returns {"items":[{"name","result","reason"}]}.
Json stop_in_order(const std::vector<EntryPtr>&, const std::function<void(const EntryPtr&)>& stop);

}  // namespace sovirt
