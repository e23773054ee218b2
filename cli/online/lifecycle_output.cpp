#include "cli/online/lifecycle_output.h"

namespace swaptrail::online {

LifecycleOutput::LifecycleOutput(Format format, bool block)
    : format_(format), block_(block), style_{wants_colour()}, columns_(lifecycle_columns()) {
  if (format_ == Format::kJson) array_.emplace(output_, "lifecycles");
  if (format_ == Format::kTable && !block_) output_.write(columns_.header(style_));
}

void LifecycleOutput::add(const v1::Lifecycle& lifecycle) {
  ++count_;
  pages_ += lifecycle.nr_pages();
  if (array_) return array_->add(lifecycle);
  if (format_ == Format::kJsonl) return output_.write(json_line(lifecycle));
  output_.write(block_ ? lifecycle_block(lifecycle, style_) : lifecycle_line(columns_, lifecycle));
}

void LifecycleOutput::finish(const google::protobuf::Message& rest) {
  if (array_) array_->finish(rest);
}

}  // namespace swaptrail::online
