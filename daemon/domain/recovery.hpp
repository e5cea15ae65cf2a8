#pragma once
#include <string>
#include <vector>

#include "daemon/base/log.hpp"
#include "daemon/domain/catalog.hpp"
#include "daemon/domain/executor.hpp"
#include "daemon/domain/images.hpp"
#include "daemon/domain/layers.hpp"
#include "daemon/domain/kernel_ports.hpp"
#include "daemon/domain/keyed_locks.hpp"
#include "daemon/domain/lifecycle.hpp"

namespace sovirt {

// What a daemon does before it answers anybody: finishes or undoes what a crash cut off, learns what became of
// the containers, and removes what nobody owns. One thread, once.
class Recovery {
 public:
  Recovery(Catalog& catalog, Executor& executor, KeyedLocks& locks, Lifecycle& lifecycle, Images& images, Layers& layers, const KernelPorts& kernel,
           const Places& places, Log& log)
      : catalog_(catalog), executor_(executor), locks_(locks), lifecycle_(lifecycle), images_(images), layers_(layers), kernel_(kernel), places_(places), log_(log) {}

  // Returns true if the host has booted since the daemon last ran.
  bool run(const std::vector<JournalRow>& open_journal, Store&);

 private:
  void after_boot();
  void adopt();
  void collect_orphans();
  void collect_groups();
  void collect_files();
  void quietly(std::string_view what, const std::string& of, const std::function<void()>&);

  Catalog& catalog_;
  Executor& executor_;
  KeyedLocks& locks_;
  Lifecycle& lifecycle_;
  Images& images_;
  Layers& layers_;
  KernelPorts kernel_;
  const Places& places_;
  Log& log_;
};

}  // namespace sovirt
