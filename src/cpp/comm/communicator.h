// SPDX-License-Identifier: Apache-2.0
// How workers add up: the few collective operations the engine needs, on host memory. Integers and maxima only, so
// the order of workers cannot change a bit. No socket code here, ever: adapters live outside the core.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace pygbt {

class Communicator {
 public:
  virtual ~Communicator() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  virtual void allreduce_sum(std::span<std::int64_t> values) = 0;
  virtual void allreduce_max(std::span<double> values) = 0;
  virtual void broadcast(std::span<std::byte> bytes, int root) = 0;
  // Every worker states ok (empty) or an error; any error raises the same exception on all of them.
  virtual void agree(const std::string& error) = 0;
};

// One worker: nothing to add.
class Solo final : public Communicator {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  void allreduce_sum(std::span<std::int64_t>) override {}
  void allreduce_max(std::span<double>) override {}
  void broadcast(std::span<std::byte>, int) override {}
  void agree(const std::string& error) override;
};

}  // namespace pygbt
