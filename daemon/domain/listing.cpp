#include "daemon/domain/listing.hpp"

#include <mutex>
#include <thread>

namespace sovirt {
namespace {

constexpr std::string_view cursor_mark = "k.";  // so that a made-up cursor is told from one of ours

bool wanted(const Listed& one, const ListQuery& query) {
  if (!query.name.empty() && !matches_glob(query.name, one.key)) return false;
  for (const auto& [key, value] : query.labels) {
    if (!one.labels) return false;
    const auto label = one.labels->find(key);
    if (label == one.labels->end() || label->second != value) return false;
  }
  return true;
}

bool in_state(const Json& document, const std::string& state) {
  if (state.empty()) return true;
  const Json& holder = document.contains("status") ? document.at("status") : document;
  return holder.contains("state") && holder.at("state") == state;
}

}  // namespace

bool matches_glob(std::string_view pattern, std::string_view text) noexcept {
  std::size_t p = 0;
  std::size_t t = 0;
  std::size_t star = std::string_view::npos;
  std::size_t retry = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      retry = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++retry;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

Page list_page(const ListQuery& query, std::int64_t seq,
               const std::function<std::optional<Listed>(const std::string& after)>& next) {
  Page page;
  page.seq = seq;
  std::string after;
  if (!query.cursor.empty()) {
    if (query.cursor.substr(0, cursor_mark.size()) != cursor_mark)
      throw Error{Code::bad_query, "cursor: not one that a list has given"}.with_hint("use `next` of the page before");
    after = query.cursor.substr(cursor_mark.size());
  }
  while (auto one = next(after)) {
    const std::string previous = after;
    after = one->key;
    if (!wanted(*one, query)) continue;
    const bool full = page.items.size() == query.limit;
    if (!full || !query.state.empty()) {
      Json document = one->document();
      if (!in_state(document, query.state)) continue;
      if (!full) {
        page.items.push_back(std::move(document));
        continue;
      }
    }
    page.next = std::string{cursor_mark} + previous;
    break;
  }
  return page;
}

Json stop_in_order(const std::vector<EntryPtr>& entries, const std::function<void(const EntryPtr&)>& stop) {
  Json items = Json::array();
  std::mutex mutex;
  const auto one = [&](const EntryPtr& entry) {
    Json item{{"name", entry->resource.name}, {"result", "stopped"}, {"reason", nullptr}};
    try {
      stop(entry);
    } catch (const std::exception& error) {
      item["result"] = "failed";
      item["reason"] = error.what();
    }
    const std::lock_guard lock(mutex);
    items.push_back(std::move(item));
  };
  for (std::size_t begin = 0; begin < entries.size();) {
    const Json& priority = entries[begin]->resource.spec.at("boot_priority");
    std::size_t end = begin;
    std::vector<std::thread> threads;
    while (end < entries.size() && entries[end]->resource.spec.at("boot_priority") == priority)
      threads.emplace_back(one, entries[end++]);
    for (std::thread& thread : threads) thread.join();
    begin = end;
  }
  return {{"items", std::move(items)}};
}

}  // namespace sovirt
