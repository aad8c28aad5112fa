// Mutations that keep the shape of a text of lines and words, so that the fuzzer gets past the first check.
#pragma once
#include <stddef.h>
#include <stdint.h>

// Changes data (size bytes of at most max_size) and returns the new size; half of the time libFuzzer's own mutation.
size_t lines_mutate(uint8_t *data, size_t size, size_t max_size, unsigned int seed);

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
