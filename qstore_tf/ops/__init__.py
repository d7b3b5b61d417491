"""Programs as TensorFlow ops: the native library (`native`) and plain TensorFlow (`plain`)."""
