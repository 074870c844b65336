// LibTorch's dispatcher and its inference mode, for Rust: see `mod.rs`, the only caller.
//
// No exception leaves this file. What fails returns null, and with it a message that the caller frees; tensors are
// those of the bindings, an `at::Tensor` on the heap each.

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/ivalue.h>
#include <c10/core/InferenceMode.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace {

enum class Tag : int32_t { None, Bool, Int, String, Ints, Scalars, Tensor, Object };

// One argument: `number` holds what is one, `data` and `length` what is not.
struct Argument {
  Tag tag;
  int64_t number;
  const void* data;
  size_t length;
};

c10::IValue value(const Argument& argument) {
  switch (argument.tag) {
    case Tag::None:
      return {};
    case Tag::Bool:
      return argument.number != 0;
    case Tag::Int:
      return argument.number;
    case Tag::String:
      return std::string(static_cast<const char*>(argument.data), argument.length);
    case Tag::Ints: {
      const auto* numbers = static_cast<const int64_t*>(argument.data);
      return c10::IntArrayRef(numbers, argument.length);
    }
    case Tag::Scalars: {
      const auto* numbers = static_cast<const double*>(argument.data);
      c10::List<std::optional<at::Scalar>> scalars;
      scalars.reserve(argument.length);
      for (size_t i = 0; i < argument.length; ++i) {
        scalars.push_back(at::Scalar(numbers[i]));
      }
      return scalars;
    }
    case Tag::Tensor:
      return *static_cast<const at::Tensor*>(argument.data);
    case Tag::Object:
      return *static_cast<const c10::IValue*>(argument.data);
  }
  TORCH_CHECK(false, "an argument of no known kind");
}

// Calls an operator that returns one value.
c10::IValue call(const c10::OperatorHandle& op, const Argument* arguments, size_t count) {
  // A boxed kernel takes from the stack as many values as its schema has arguments, whether they are there or not.
  const size_t expected = op.schema().arguments().size();
  TORCH_CHECK(count == expected, "expected ", expected, " arguments, got ", count, ": ", op.schema());
  torch::jit::Stack stack;
  stack.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    stack.push_back(value(arguments[i]));
  }
  op.callBoxed(stack);
  TORCH_CHECK(stack.size() == 1, "expected one result, got ", stack.size(), ": ", op.schema());
  return std::move(stack.front());
}

template <class Body>
auto guarded(char** message, Body body) -> decltype(body()) {
  try {
    return body();
  } catch (const c10::Error& error) {
    *message = strdup(error.what_without_backtrace());
  } catch (const std::exception& error) {
    *message = strdup(error.what());
  } catch (...) {
    *message = strdup("an exception of no known kind");
  }
  return {};
}

}  // namespace

extern "C" {

// Null without a message where there is no such operator.
c10::OperatorHandle* m2sn_operator_find(const char* name, size_t name_length, const char* overload,
                                        size_t overload_length, char** message) {
  return guarded(message, [&]() -> c10::OperatorHandle* {
    const c10::OperatorName full{std::string(name, name_length), std::string(overload, overload_length)};
    const auto found = c10::Dispatcher::singleton().findSchema(full);
    return found ? new c10::OperatorHandle(*found) : nullptr;
  });
}

void m2sn_operator_free(c10::OperatorHandle* op) { delete op; }

at::Tensor* m2sn_operator_call(const c10::OperatorHandle* op, const Argument* arguments, size_t count,
                               char** message) {
  return guarded(message, [&] { return new at::Tensor(call(*op, arguments, count).toTensor()); });
}

// For operators that return something else than a tensor.
c10::IValue* m2sn_operator_make(const c10::OperatorHandle* op, const Argument* arguments, size_t count,
                                char** message) {
  return guarded(message, [&] { return new c10::IValue(call(*op, arguments, count)); });
}

void m2sn_object_free(c10::IValue* object) { delete object; }

c10::InferenceMode* m2sn_inference_enter(char** message) {
  return guarded(message, [] { return new c10::InferenceMode(); });
}

void m2sn_inference_leave(c10::InferenceMode* mode) { delete mode; }

void m2sn_message_free(char* message) { std::free(message); }

}  // extern "C"
