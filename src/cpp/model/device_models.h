// SPDX-License-Identifier: Apache-2.0
// A model on the devices that it has predicted on: sent when it is first asked for, released with the model. Shared by the
// copies of a Model; safe from many threads.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "backend/walker.h"

namespace pygbt {

class Model;

class DeviceModels {
 public:
  // What a call over n_rows rows needs, on the device.
  class Lease {
   public:
    const WalkForest& forest() const { return entry_->forest; }
    Walker& walker() const { return *entry_->walker; }
    WalkPath path() const { return path_; }

   private:
    friend class DeviceModels;
    struct Entry {
      std::mutex mutex;
      WalkForest forest;  // without the numbers that the device has
      std::unique_ptr<Walker> walker;
      bool perfect = false, packed = false, raw = false;  // what is there
    };
    Lease(std::shared_ptr<Entry> entry, WalkPath path) : entry_(std::move(entry)), path_(path) {}
    std::shared_ptr<Entry> entry_;
    WalkPath path_;
  };

  // `path`: the one to take, for tests; throws InvalidArgument where the model does not fit it.
  Lease lease(const Model& model, const std::string& device, int ordinal, std::int64_t n_rows,
              std::optional<WalkPath> path);

 private:
  std::mutex mutex_;
  std::map<std::pair<std::string, int>, std::shared_ptr<Lease::Entry>> entries_;
};

}  // namespace pygbt
